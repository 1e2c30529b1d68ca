"""The one way to open any source of frames."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from streamdet.errors import ConfigError
from streamdet.frames import Frame, StreamGap, StreamInfo
from streamdet.media.animated import is_animated_webp
from streamdet.media.live.kind import is_live
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.source import LiveSource
from streamdet.media.locations import SourceSpec, expand_sources
from streamdet.media.read.arrays import ArraySource
from streamdet.media.read.file import FileSource
from streamdet.media.read.grid import GridSource
from streamdet.media.read.heif import grid_of
from streamdet.media.read.images import ImageSource
from streamdet.media.read.webp import WebpSource
from streamdet.media.timeline import Part


class Source(Protocol):
    """Something open that gives frames, once, in order, from one thread. A context manager that closes itself."""

    name: str

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream."""

    @property
    def undecodable(self) -> int:
        """Packets or images so far that could not be decoded."""

    def __iter__(self) -> Iterator[Frame | StreamGap]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Free what is open; iteration ends."""


def open_source(
    source: SourceSpec | str | Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    max_frames: int | None = None,
    stride: int = 1,
    skip: int = 0,
    every: int = 1,
    live: LiveOptions | None = None,
) -> Source:
    """Open a source and see its first frame.

    A live source (see `is_live`) is connected to in the background instead: that neither waits nor fails, and its
    `info` is known from its first frame on. See `LiveSource`.

    Args:
        source: from `expand_sources`, or anything that this takes and that is one source.
        start_s, end_s: seconds from its start; frames at start_s <= t < end_s.
        max_frames: number of frames delivered at most.
        stride: deliver every stride-th frame; indices and times stay those of the source.
        skip: number of the frames that are decoded and left out at the start; not of live sources.
        every: only the picture of every N-th frame is looked at: where no other frame refers to one of the others, that
            is not decoded, and its Frame says so.
        live: how a live source is read; None for `LiveOptions()`.

    Raises:
        SourceOpenError: it cannot be opened, or nothing in it can be decoded.
        SourceTimeout: a server did not answer in time.
        ConfigError: a name stands for several sources or for none.
        ValueError: the part is none, such as an end before the start.
    """
    part = Part(start_s, end_s, max_frames, stride, skip, every)
    if not isinstance(source, SourceSpec):
        specs = expand_sources([str(source)])
        if len(specs) != 1:
            raise ConfigError(f"{source}: holds {len(specs)} sources, expected one; use expand_sources")
        [source] = specs
    if source.kind == "arrays":
        return ArraySource(source.name, source.arrays, part)
    if source.kind == "images":
        return ImageSource(source, part)
    path = Path(source.location)
    if source.kind == "file" and path.is_file():
        if is_animated_webp(path):
            return WebpSource(source, part)
        if (grid := grid_of(path)) is not None:
            return GridSource(source, part, grid)
    return LiveSource(source, live, part) if is_live(source) else FileSource(source, part)
