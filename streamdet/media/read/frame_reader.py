"""What the readers of files and images share: a source that is iterated over once, and is a context manager."""

from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Self

from streamdet.frames import Frame


class FrameReader:
    """Gives the frames of a generator, and ends it when it is closed; see `source.Source`."""

    _frames: Generator[Frame]

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration."""
        self._frames.close()
