"""The journals of a session: one for each source that could be continued after an interruption."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, StreamStarted
from streamdet.jobs.plan import SourceJob
from streamdet.jobs.resume.journal import CHECKPOINT_FRAMES, Journal
from streamdet.jobs.resume.resuming import Earlier, identity_of, look_back
from streamdet.models.contract import Detector


class Journals:
    """Notes what is done of each source. Made, it has only read what earlier runs have left.

    Args:
        jobs: of the sources.
        detector: of the job.
        warn: told when a journal cannot be kept.

    Attributes:
        earlier: what earlier runs have left, by name of the source.

    Raises:
        ConfigError: the outputs are of another job, or another run is at work on them.
    """

    def __init__(self, jobs: Sequence[SourceJob], detector: Detector, warn: Callable[[str], None]) -> None:
        self.earlier: dict[str, Earlier] = {}
        self._jobs = {job.name: job for job in jobs}
        self._journals: dict[str, Journal] = {}
        for job in jobs:
            identity = {} if job.journal is None else identity_of(job, detector)
            self.earlier[job.name] = earlier = look_back(job, identity)
            if job.journal is not None:
                self._journals[job.name] = Journal(job.journal, identity, earlier.noted, warn)

    def checkpoint_of(self, source: str) -> Checkpoint | None:
        """What a source continues from."""
        return self.earlier[source].checkpoint if source in self.earlier else None

    def checkpoint_frames(self, source: str) -> int | None:
        """After how many frames of it a checkpoint is wanted; None: never."""
        return CHECKPOINT_FRAMES if source in self._journals else None

    def is_complete(self, source: str) -> bool:
        """Whether an earlier run has done all of it."""
        return source in self.earlier and self.earlier[source].complete

    def start(self) -> None:
        """Hold the journal of the source that is read first, so that no other run of the job starts.

        Raises:
            ConfigError: another run holds it.
        """
        first = next((name for name in self._journals if not self.is_complete(name)), None)
        if first is not None:
            self._journals[first].start()

    def started_by(self, stage: Stage) -> Stage:
        """The same decode stage; a source's journal starts with it, before its outputs do."""

        def process(inbox: Inbox[Any]) -> Iterator[Any]:
            items = stage.process(inbox)
            try:
                for item in items:
                    if isinstance(item, StreamStarted) and item.source in self._journals:
                        self._journals[item.source].start()
                    yield item
            finally:  # a run that is stopped closes what it knows, which is this generator
                if isinstance(items, Generator):
                    items.close()

        return replace(stage, process=process)

    def commit(self, checkpoint: Checkpoint, counted: Mapping[str, Any]) -> None:
        """Keep a checkpoint that all stages have seen, and what was counted up to there."""
        if checkpoint.source in self._journals:
            self._journals[checkpoint.source].commit(checkpoint, counted)

    def finish(self, source: str, counted: Mapping[str, Any]) -> None:
        """Note that a source and its outputs are complete."""
        if source in self._journals:
            self._journals[source].finish(counted, self._jobs[source].results)

    def end(self, *, complete: bool, interrupted: bool) -> bool:
        """After the run.

        Args:
            complete: nothing is missing of any source.
            interrupted: it was stopped, or a stage or an output failed.

        Returns:
            Whether the same job can be continued; where there is nothing to continue, the journals go.
        """
        journals = list(self._journals.items())
        if complete or not (interrupted or any(journal.has_checkpoints for _, journal in journals)):
            for _, journal in journals:
                journal.remove()
            return False
        left = [journal.leave(self._jobs[name].results) for name, journal in journals]
        return any(left)
