"""A session that lasts until it is stopped, while live sources come from other sessions and leave to them."""

from collections.abc import Callable, Sequence
from threading import Event as Flag

from streamdet.frames import Checkpoint, StreamEnded
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.events import Listener, SourceLeft
from streamdet.jobs.plan import make_folders, plan_joining
from streamdet.jobs.session import Session
from streamdet.media.locations import SourceSpec
from streamdet.models.contract import Detector
from streamdet.stages.outputs import Target


class LastingSession(Session):
    """A session without sources at the start.

    Args:
        config: of the job; its sources are left alone.
        detector, listeners: as of `Session`.
        before_write: see `OutputLog`.
    """

    def __init__(
        self,
        config: PipelineConfig,
        detector: Detector,
        listeners: Sequence[Listener] = (),
        before_write: Callable[[Target], None] = lambda target: None,
    ) -> None:
        super().__init__([], detector, listeners, config=config)
        self._log.before_write = before_write
        self._leaving: dict[str, _Leaving] = {}

    @property
    def about(self) -> dict[str, object]:
        """What must be equal in the session that a source comes from, so that its state can be used."""
        return self._about

    def join(self, spec: SourceSpec, before: Checkpoint | None = None) -> None:
        """Let one live source join, from any thread; raises as `add`.

        Args:
            spec: the source; its name is new, or that of one that was handed over.
            before: what `hand_over` of another session gave, or what is known of it otherwise. Files are continued
                where it has a section for them, and replaced elsewhere; without it there must be none.
        """
        config = self.config if before is None else self.config.model_copy(update={"overwrite": True})
        job = plan_joining(config, spec, self._specs())
        make_folders([job])
        self._join(job, before)

    def hand_over(self, name: str, timeout_s: float) -> Checkpoint | None:
        """Let a source end, wait for that, and give what another session needs to continue it.

        Args:
            name: of the source; it may join again.
            timeout_s: how long to wait.

        Returns:
            None where it has given no frame.

        Raises:
            KeyError: there is no such source.
            TimeoutError: it does not end in time.
        """
        leaving = self._leaving.setdefault(name, _Leaving())
        if name in self.streams.names:
            self.streams.hand_over(name)
            self.tell(SourceLeft(name))
        elif name not in self._jobs:
            raise KeyError(name)
        if self._tally.sources[name].ended:
            leaving.over.set()
        if not leaving.over.wait(timeout_s):
            raise TimeoutError(f"{name}: has not ended within {timeout_s:g} s")
        if self._leaving.pop(name, None) is not None:
            del self._jobs[name]
            self.streams.forget(name)
            self._tally.discard(name)
        return leaving.checkpoint

    def _keep(self, checkpoint: Checkpoint) -> None:
        self._leaving[checkpoint.source].checkpoint = checkpoint

    def _take(self, item: object) -> None:
        super()._take(item)
        if isinstance(item, StreamEnded) and item.source in self._leaving:
            self._leaving[item.source].over.set()


class _Leaving:
    """A source that is handed over."""

    def __init__(self) -> None:
        self.over = Flag()
        self.checkpoint: Checkpoint | None = None
