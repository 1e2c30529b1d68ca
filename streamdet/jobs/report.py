"""The run report: what was done, how fast, what bounds it and what went wrong, as JSON."""

import hashlib
import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.outcome import Outcome
from streamdet.jobs.outputs import SourceOutput
from streamdet.jobs.plan import SourceJob
from streamdet.media.locations import redact
from streamdet.media.write.part_file import write_at_once
from streamdet.models.contract import Detector
from streamdet.version import __version__

FORMAT = 1


def report_of(outcome: Outcome, jobs: Sequence[SourceJob], detector: Detector, exit_status: int) -> dict[str, Any]:
    """The report as JSON takes it.

    Args:
        outcome: of the jobs.
        jobs: what was done; all of one job.
        detector: what found the objects.
        exit_status: of the command.
    """
    tally, stats = outcome.tally, outcome.stats.to_dict()
    sources = tally.sources.values()
    return {
        "format": FORMAT,
        "streamdet": __version__,
        "started": outcome.started.isoformat(timespec="milliseconds"),
        "exit_status": exit_status,
        "frames": tally.frames,
        "wall_s": round(outcome.stats.wall_s, 3),
        "fps": round(outcome.fps, 2),
        "latency_ms": tally.latency_ms(),
        "latency_s": tally.latency_s(),
        "bound_by": stats["bound_by"],
        "stages": [_rounded(stage) for stage in (*stats["stages"], stats["consumer"])],
        "channels": [_rounded(channel) for channel in stats["channels"]],
        "dropped": sum(source.dropped for source in sources),
        "drops": dict(sum((Counter(source.drops) for source in sources), Counter())),
        "undecodable": sum(source.undecodable for source in sources),
        "model": {
            "name": detector.spec.name,
            "sha256": detector.spec.sha256 or None,
            "classes": list(detector.spec.classes),
            "runtime": detector.runtime,
        },
        "sources": [asdict(source) | {"latency_s": tally.latency_s(source.name)} for source in sources],
        "outputs": list(_outputs(outcome, jobs)),
        "failures": [
            {"what": failure.what, "source": failure.source, "message": failure.message} for failure in outcome.failures
        ],
        "settings": settings_of(jobs[0].config),
        "machine": machine(),
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write it under its name in one step.

    Raises:
        SinkError: if it cannot be written.
    """
    write_at_once(path, json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _outputs(outcome: Outcome, jobs: Sequence[SourceJob]) -> Iterator[dict[str, Any]]:
    """A row for each: those of the first stage that writes, then those of the next one."""
    stages = dict.fromkeys(output.stage for job in jobs for output in job.outputs)
    for stage in stages:
        rows = [(job.name, output) for job in jobs for output in job.outputs if output.stage == stage]
        for name, output in rows[:1] if any(output.shared for _, output in rows) else rows:
            yield _output(outcome, None if output.shared else name, output)


def _output(outcome: Outcome, source: str | None, output: SourceOutput) -> dict[str, Any]:
    target = output.target
    errors = [
        failure.message
        for failure in outcome.failures
        if failure.what == output.kind and source in (None, failure.source)
    ]
    is_file = isinstance(target, Path) and target in outcome.written
    delivery = outcome.deliveries.get(str(target))
    return {
        "kind": output.kind,
        "source": source,
        "path": redact(str(target)),
        "bytes": Path(target).stat().st_size if is_file else None,
        "sha256": _sha256(Path(target)) if is_file else None,
        "error": errors[0] if errors else None,
    } | ({} if delivery is None else delivery.to_dict())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settings_of(config: PipelineConfig) -> dict[str, Any]:
    """The job's settings without its sources, which may hold a password, and without those in other addresses."""

    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shown(each) for key, each in value.items()}
        return redact(value) if isinstance(value, str) else value

    settings: dict[str, Any] = shown(config.model_dump(exclude={"sources", "resume", "overwrite"}, mode="json"))
    return settings


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "peak_memory_mb": _peak_memory_mb(),
    }


def _peak_memory_mb() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
