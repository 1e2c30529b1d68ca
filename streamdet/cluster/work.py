"""What a worker does with one file; with its detector kept warm for the next one."""

import os
import tempfile
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

from streamdet.cluster.attempt import Attempt, Piece, claimed
from streamdet.errors import ConfigError, StreamdetError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.events import Event, JobWarning
from streamdet.jobs.outcome import Outcome
from streamdet.jobs.session import run_source
from streamdet.media.locations import redact
from streamdet.models.contract import Detector
from streamdet.result import Result
from streamdet.runtimes.loading import load
from streamdet.stages.detect import DetectSettings
from streamdet.version import __version__

Tell = Callable[[str, int], None]

_TELL_EVERY_S = 1.0


def detector_of(config: PipelineConfig) -> Detector:
    """The detector of a job, kept for the next file of the same job.

    Raises:
        ModelError, ConfigError: it cannot be loaded here.
    """
    settings = config.settings(DetectSettings)
    wanted = settings.model_dump(include={"model", "device", "precision", "runtime", "layout", "class_names"})
    return _loaded(tuple(sorted(wanted.items())))


@lru_cache(maxsize=1)
def _loaded(wanted: tuple[tuple[str, Any], ...]) -> Detector:
    options = dict(wanted)
    return load(options.pop("model"), **options)


def facts_of(config: PipelineConfig) -> dict[str, Any]:
    """What `auto` means on this machine, and what the detector is: a job over many machines is the same on all."""
    detector = detector_of(config)
    spec, words = detector.spec, detector.runtime.split()
    return {
        "name": spec.name,
        "sha256": spec.sha256 or None,
        "classes": list(spec.classes),
        "runtime": detector.runtime,
        "pinned": {"runtime": words[0], "precision": words[2]} if len(words) == 3 else {},
        "streamdet": __version__,
    }


def do_piece(piece: Piece, tell: Tell, version: str, *, last: bool) -> dict[str, Any]:
    """Do all of the work on one file, and publish it.

    Args:
        piece: the file.
        tell: is told its name and how many frames are done, once a second.
        version: of the streamdet that has sent it.
        last: also of a video that cannot be read to its end what there is is published.

    Returns:
        Its row in ledger and report; `failures` says what failed.
    """
    started_s = monotonic()
    with tempfile.TemporaryDirectory(prefix="streamdet-", ignore_cleanup_errors=True) as scratch:
        try:
            if version != __version__:
                raise ConfigError(f"this machine has streamdet {__version__}, expected {version} as the driver has")
            row = claimed(piece) or _attempt(piece, Path(scratch), tell, last=last)
        except StreamdetError as error:
            row = _row(piece, [{"what": "source", "source": piece.name, "message": str(error)}])
        except Exception as error:  # must not end the worker, nor the job
            said = f"{type(error).__name__}: {error} (a bug in streamdet)\n{traceback.format_exc()}"
            row = _row(piece, [{"what": "run", "source": piece.name, "message": said}])
    return {**row, "node": os.uname().nodename, "worker_s": round(monotonic() - started_s, 3)}


def _attempt(piece: Piece, scratch: Path, tell: Tell, *, last: bool) -> dict[str, Any]:
    attempt = Attempt(piece, scratch)
    try:
        job = attempt.job()
        listener = _Listener(piece.name, tell)
        outcome = run_source(job, detector_of(job.config), [listener])
        row = _row_of(piece, outcome, {job.spec.location: redact(piece.fetch or job.spec.location), **attempt.shown})
        row["warnings"] = [_with(attempt.shown, text) for text in listener.warnings]
        failed = {failure["what"] for failure in row["failures"]}
        if failed - {"source"}:  # an output lacks something, so it is none; on a full disk, its room is wanted
            attempt.discard()
        elif last or not failed:
            return attempt.publish(row)
        return row
    except Exception:
        attempt.discard()
        raise


class _Listener:
    """Says how far a file is, and collects warnings."""

    def __init__(self, name: str, tell: Tell) -> None:
        self._name, self._tell = name, tell
        self._frames, self._told_s = 0, monotonic()
        self.warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Result):
            self._frames += 1
            if monotonic() - self._told_s >= _TELL_EVERY_S:
                self._tell(self._name, self._frames)
                self._told_s = monotonic()
        elif isinstance(event, JobWarning):
            self.warnings.append(event.message)


def _row(piece: Piece, failures: list[dict[str, Any]]) -> dict[str, Any]:
    return {"source": piece.name, "frames": 0, "failures": failures}


def _row_of(piece: Piece, outcome: Outcome, renamed: Mapping[str, str]) -> dict[str, Any]:
    [source] = outcome.tally.sources.values()
    failures = [{"what": f.what, "source": f.source, "message": _with(renamed, f.message)} for f in outcome.failures]
    return {
        "source": piece.name,
        "frames": source.frames,
        "frames_of_this_run": outcome.tally.frames_of_this_run,
        "resumed_frames": source.resumed_frames,
        "wall_s": round(outcome.stats.wall_s, 3),
        "seems_cut_off": source.seems_cut_off,
        "undecodable": source.undecodable,
        "read_s": source.read_s,
        "announced_s": source.announced_s,
        "latency_ms": outcome.tally.latency_ms(),
        "failures": failures,
    }


def _with(renamed: Mapping[str, str], text: str) -> str:
    """A message with the names that a user knows."""
    for here, there in renamed.items():
        text = text.replace(here, there)
    return text
