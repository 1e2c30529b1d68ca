"""What a stage does with one stream, and the stage that does it with every stream."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from streamdet.flow import Inbox, Stage
from streamdet.frames import (
    Checkpoint,
    Marker,
    SavedState,
    StateSection,
    StreamEnded,
    StreamGap,
    StreamInfo,
    StreamStarted,
)
from streamdet.result import Result

Section = TypeVar("Section", bound=StateSection)
Item = Result | Marker


class StreamWorker(Generic[Section]):
    """The work of a stage on one stream, and what it remembers of it. A subclass overrides what it needs."""

    def start(self, info: StreamInfo, saved: SavedState[Section] | None) -> None:
        """The stream starts.

        Args:
            info: what is known of it.
            saved: what this stage has saved of it; None where it starts from nothing.
        """
        if saved is not None:
            self.restore(saved.section)

    def process(self, result: Result) -> Result:
        """The next frame; gives what the next stage gets."""
        return result

    def gap(self, gap: StreamGap) -> None:
        """Time was lost before the next frame."""

    def snapshot(self) -> Section | None:
        """What `restore` needs to continue behind the last frame; None of a stage that declares no state."""
        return None

    def restore(self, section: Section) -> None:
        """Continue where `snapshot` gave this section."""


def per_stream(name: str, make: Callable[[], StreamWorker[Section]]) -> Stage:
    """Result to Result by a worker of its own for each stream; markers pass.

    Args:
        name: of the stage; its sections have this name.
        make: gives the worker of a stream that starts.
    """

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        workers: dict[str, StreamWorker[Section]] = {}
        for item in inbox:
            if isinstance(item, StreamEnded):
                workers.pop(item.source, None)
                yield item
                continue
            worker = workers.get(item.source)
            if worker is None:
                worker = workers[item.source] = make()
            if isinstance(item, Result):
                yield worker.process(item)
                continue
            if isinstance(item, StreamStarted):
                worker.start(item.info, item.saved(name))
            elif isinstance(item, StreamGap):
                worker.gap(item)
            elif isinstance(item, Checkpoint) and (section := worker.snapshot()) is not None:
                item.sections[name] = section
            yield item

    return Stage(name, process)
