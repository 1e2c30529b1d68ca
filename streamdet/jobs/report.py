"""The run report: what was done, how fast, what bounds it and what went wrong, as JSON."""

import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from streamdet.errors import SinkError
from streamdet.flow import RunStats
from streamdet.jobs.assemble import OutputFailures
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.outputs import Outputs
from streamdet.jobs.tally import Tally
from streamdet.jobs.verification import verification
from streamdet.media.locations import redact
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.part_file import write_at_once
from streamdet.models.contract import Detector
from streamdet.version import __version__

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong while the rest went on.

    Attributes:
        what: source, video, detections, report or run.
        source: name of the stream; None for the run as a whole.
        message: one line.
        expected: True where a pipe's reader has gone, as `head` does: an end, but nobody's mistake.
    """

    what: str
    source: str | None
    message: str
    expected: bool = False

    @classmethod
    def of_output(cls, what: str, source: str, error: SinkError) -> Self:
        """Of an output."""
        return cls(what, source, str(error), isinstance(error.__cause__, BrokenPipeError))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went.

    Attributes:
        started: when, UTC.
        tally: what came out of it.
        stats: where its time went.
        failures: in the order in which they happened, sources first.
        written: the files that are there now because of it, the report aside.
        deliveries: what outputs that may fail and recover have counted, by path or address.
        exit_status: of the command.
    """

    started: datetime
    tally: Tally
    stats: RunStats
    failures: tuple[Failure, ...]
    written: frozenset[Path]
    deliveries: Mapping[str, Delivery]
    exit_status: int

    @property
    def fps(self) -> float:
        """Frames of all sources by the run's duration; those of a run that was interrupted are not counted."""
        return self.tally.frames_of_this_run / self.stats.wall_s if self.stats.wall_s > 0 else 0.0

    def to_dict(self, config: PipelineConfig, detector: Detector, outputs: Outputs) -> dict[str, Any]:
        """The report as JSON takes it."""
        sources = self.tally.sources.values()
        settings = _without_credentials(config)
        stats = self.stats.to_dict()
        return {
            "format": FORMAT,
            "streamdet": __version__,
            "started": self.started.isoformat(timespec="milliseconds"),
            "exit_status": self.exit_status,
            "frames": self.tally.frames,
            "wall_s": round(self.stats.wall_s, 3),
            "fps": round(self.fps, 2),
            "latency_ms": self.tally.latency_ms(),
            "latency_s": self.tally.latency_s(),
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
            "sources": [asdict(source) | {"latency_s": self.tally.latency_s(source.name)} for source in sources],
            "outputs": list(self._outputs(outputs)),
            "failures": [
                {"what": failure.what, "source": failure.source, "message": failure.message}
                for failure in self.failures
            ],
            "settings": settings,
            "verification": verification(
                detector.spec.sha256, settings, {source.name: source.results_sha256 for source in sources}
            ),
            "machine": machine(),
        }

    def _outputs(self, outputs: Outputs) -> Iterator[dict[str, Any]]:
        failed = {(failure.what, failure.source): failure.message for failure in self.failures}
        for kind, files in (("video", outputs.videos), ("detections", outputs.detections)):
            for source, path in files.items():
                yield self._output(kind, source, path, failed.get((kind, source)))
        if outputs.shared is not None:
            errors = [failure.message for failure in self.failures if failure.what == "detections"]
            yield self._output("detections", None, outputs.shared, errors[0] if errors else None)

    def _output(self, kind: str, source: str | None, path: str | Path, error: str | None) -> dict[str, Any]:
        size = path.stat().st_size if isinstance(path, Path) and path in self.written else None
        row = {"kind": kind, "source": source, "path": redact(str(path)), "bytes": size, "error": error}
        delivery = self.deliveries.get(str(path))
        return row if delivery is None else row | delivery.to_dict()


def of_outputs(failures: OutputFailures) -> Iterator[Failure]:
    """The outputs that failed."""
    for what, failed in (("video", failures.videos), ("detections", failures.detections)):
        for source, error in failed:
            yield Failure.of_output(what, source, error)


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write it under its name in one step.

    Raises:
        SinkError: if it cannot be written.
    """
    write_at_once(path, json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _without_credentials(config: PipelineConfig) -> dict[str, Any]:
    """The job's settings without its sources, which may hold a password, and without those in outputs' addresses."""
    settings = config.model_dump(exclude={"sources", "resume", "overwrite"}, mode="json")
    for section in ("encode", "record"):
        settings[section]["path"] = settings[section]["path"] and redact(settings[section]["path"])
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
