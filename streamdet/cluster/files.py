"""A job over many files: planned, continued where it was left, done in a pool, and reported."""

import json
import secrets
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamdet.cluster import storage
from streamdet.cluster.attempt import Piece
from streamdet.cluster.driver import Driver, Pool, Progress
from streamdet.cluster.ledger import Ledger
from streamdet.cluster.planning import Planned, plan_pieces
from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.report import machine, settings_of
from streamdet.jobs.resume.journal import check_same
from streamdet.jobs.resume.resuming import NOT_OF_THE_RESULT
from streamdet.version import __version__

_ANEW = "; --overwrite starts again"
_HINT = f"; --resume continues it{_ANEW.replace(';', ',')}"
Facts = Callable[[PipelineConfig], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Summary:
    """How a job over many files went.

    Attributes:
        progress: counts.
        rows: what became of each file, by its name.
        facts: of the detector, see `work.facts_of`.
        complete: nothing is left to do, and nothing failed.
        config: of the job, with what was pinned.
        started: when, UTC.
    """

    progress: Progress
    rows: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    complete: bool
    config: PipelineConfig
    started: datetime

    def report(self, exit_status: int) -> dict[str, Any]:
        """The merged report as JSON takes it."""
        rows = list(self.rows.values())
        return {
            "format": 1,
            "streamdet": __version__,
            "started": self.started.isoformat(timespec="milliseconds"),
            "exit_status": exit_status,
            "files": self.progress.files,
            "files_done": self.progress.done - self.progress.failed,
            "files_failed": self.progress.failed,
            "frames": sum(row["frames"] for row in rows),
            "wall_s": round(self.progress.elapsed_s, 3),
            "fps": round(self.progress.fps, 2),
            "model": {key: self.facts[key] for key in ("name", "sha256", "classes", "runtime")},
            "sources": rows,
            "failures": [failure for row in rows for failure in row["failures"]],
            "settings": settings_of(self.config),
            "machine": machine(),
        }


class FilesJob:
    """A job over many files; made, it has checked what can be, and written nothing.

    Args:
        config: the job.
        inputs: files that are read besides the sources, and so must not be written.

    Raises:
        ConfigError: the job is wrong, or its outputs are in the way.
    """

    def __init__(self, config: PipelineConfig, inputs: Iterable[Path] = ()) -> None:
        self._started = datetime.now(UTC)
        with tempfile.TemporaryDirectory(prefix="streamdet-") as scratch:
            self._planned = plan_pieces(with_absolute_model(config), Path(scratch), inputs)
        self._config = with_absolute_model(config)
        self._driver: Driver | None = None
        self._stopped = self._starts = False
        if self._planned.pieces and not (config.resume or config.overwrite) and storage.exists(self._ledger_place):
            raise ConfigError(f"{self._planned.place}: an interrupted run left its outputs unfinished{_HINT}")

    @property
    def files(self) -> int:
        """How many there are."""
        return len(self._planned.pieces)

    @property
    def _ledger_place(self) -> str:
        return storage.join(self._planned.place, "ledger.jsonl")

    def run(
        self, pool: Pool, facts: Facts, say: Callable[[str], None], show: Callable[[Progress], None] = lambda p: None
    ) -> Summary:
        """Do what is not done yet.

        Args:
            pool: where.
            facts: tells what the detector is there.
            say: told what goes wrong, a line each.
            show: told the progress.

        Raises:
            ConfigError: what an earlier run has left is of another job.
            ModelError: the detector cannot be loaded.
            SinkError: the place of the outputs cannot be written.
        """
        ledger = self._open(facts)
        known = ledger.head["facts"]
        config = pinned(self._config, known)
        left = self._left(ledger)
        self._driver = Driver(left, pool, ledger, say, show)
        if self._stopped:
            self._driver.stop()
        try:
            finished = self._driver.run()
        finally:
            ledger.close()
        complete = finished and not self._driver.progress.failed
        if complete:
            storage.remove_tree(self._planned.place)
        return Summary(self._driver.progress, ledger.rows, known, complete, config, self._started)

    def stop(self) -> None:
        """Give out no more files; safe in a signal handler."""
        self._stopped = True
        if self._driver is not None:
            self._driver.stop()

    def cancel(self) -> None:
        """End now."""
        self.stop()
        if self._driver is not None:
            self._driver.cancel()

    def _open(self, facts: Facts) -> Ledger:
        """The ledger, with folder and claims; of the run before where that is continued."""
        place = self._planned.place
        identity = self._config.model_dump(mode="json", exclude=NOT_OF_THE_RESULT)
        ledger = Ledger.load(self._ledger_place) if self._config.resume else None
        if ledger is not None:
            try:
                check_same(Path(place), {"settings": ledger.head["settings"]}, {"settings": identity})
            except ConfigError:
                ledger.close()
                raise
            return ledger
        self._starts = True
        if self._config.overwrite:
            storage.remove_tree(place)
        known = facts(self._config)
        if not storage.is_bucket(place):
            try:
                Path(place, "claims").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"{place}: cannot be made: {error.strerror}") from error
        head = {"streamdet": __version__, "run": secrets.token_hex(8), "settings": identity, "facts": known}
        return Ledger.start(self._ledger_place, head)

    def _left(self, ledger: Ledger) -> list[Piece]:
        """What is to be done: not what the ledger has as done, nor, where there was none, what has its outputs."""
        claims = storage.join(storage.join(self._planned.place, "claims"), ledger.head["run"])
        # Names of outputs in buckets are those of this machine: the config is that of the planned jobs.
        mine = pinned(self._planned.pieces[0].job.config, ledger.head["facts"])
        pieces = [replace(piece, job=replace(piece.job, config=mine), claims=claims) for piece in self._planned.pieces]
        if not storage.is_bucket(claims):
            Path(claims).mkdir(exist_ok=True)
        for piece in pieces:
            if ledger.rows.get(piece.name, {}).get("failures"):
                with suppress(KeyError):
                    del ledger.rows[piece.name]
                storage.remove(piece.claim)
        if self._config.resume and self._starts:
            for name in _complete(self._planned):
                ledger.add({"source": name, "frames": 0, "failures": []})
        return [piece for piece in pieces if piece.name not in ledger.rows]


def pinned(config: PipelineConfig, facts: dict[str, Any]) -> PipelineConfig:
    """The job with what `auto` means in it, and with the threads of one worker: the same on every machine."""
    detect, encode = config.settings_of("detect"), config.settings_of("encode")
    meant = {name: value for name, value in facts["pinned"].items() if getattr(detect, name) == "auto"}
    changes = {
        "detect": detect.model_copy(update=meant),
        "encode": encode.model_copy(update={"threads": encode.threads or 1}),
    }
    return config.model_copy(update=changes)


def with_absolute_model(config: PipelineConfig) -> PipelineConfig:
    """Workers have other current folders."""
    detect = config.settings_of("detect")
    path = Path(detect.model)
    if not path.is_file() or path.is_absolute():
        return config
    return config.model_copy(update={"detect": detect.model_copy(update={"model": str(path.absolute())})})


def _complete(planned: Planned) -> Sequence[str]:
    """Files of which an earlier job has written all outputs, and taken its ledger back.

    Raises:
        ConfigError: of one, only some are there.
    """
    done = []
    for piece in planned.pieces:
        found = [storage.exists(final) for final in piece.finals]
        if all(found):
            done.append(piece.name)
        elif any(found):
            missing = piece.finals[found.index(False)]
            there_is = piece.finals[found.index(True)]
            raise ConfigError(f"--resume: {there_is} is there, but not {missing}: it is of another job{_ANEW}")
    return done


def write_report(place: str, report: dict[str, Any]) -> None:
    """Write it in one step, here or in a bucket.

    Raises:
        SinkError: it cannot be written.
    """
    storage.write(place, json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")
