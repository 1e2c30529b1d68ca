"""What travels from stage to stage: frames, clips and the markers of a stream's life.

All of it is in band and in order: StreamStarted, then frames, gaps and checkpoints, then StreamEnded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class Picture(Protocol):
    """A frame's pixels, as its codec has them or as RGB: most are drawn on and encoded without ever being RGB."""

    @property
    def width(self) -> int:
        """Pixels, as displayed."""
        ...

    @property
    def height(self) -> int:
        """Pixels, as displayed."""
        ...

    def rgb(self) -> Image:
        """(H, W, 3) uint8 RGB, converted at the first call."""
        ...

    def scaled(self, width: int, height: int) -> Image:
        """The picture at another size: (height, width, 3) uint8 RGB."""
        ...

    def copy(self) -> "Picture":
        """The same pixels, that may be drawn on."""
        ...


class RgbPicture:
    """An array as a Picture.

    Args:
        image: (H, W, 3) uint8 RGB, not copied.

    Raises:
        ValueError: it is none.
    """

    def __init__(self, image: Image) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0 or image.dtype != np.uint8:
            raise ValueError(f"expected an image of (H, W, 3) uint8, got {image.shape} {image.dtype}")
        self._image = image
        self.height, self.width = image.shape[:2]

    def rgb(self) -> Image:
        """See Picture; the array itself."""
        return self._image

    def scaled(self, width: int, height: int) -> Image:
        """See Picture."""
        interpolation = cv2.INTER_AREA if width < self.width else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(self._image, (width, height), interpolation=interpolation), np.uint8)

    def copy(self) -> "RgbPicture":
        """See Picture."""
        return RgbPicture(self._image.copy())


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream before its first frame.

    Attributes:
        location: where it comes from, credentials removed.
        width, height: pixels, as displayed (rotation applied).
        time_base: seconds a unit of pts.
        average_rate: frames per second, None where unknown; for estimates, never for timing.
        duration_s: seconds, None where unknown or endless.
        frames: number of frames, an estimate; None where unknown.
        live: True where frames cannot be had again (camera, network).
        path: the local file that audio can be copied from, None where there is none.
        pixel_aspect: width of a pixel over its height, as displayed; DVDs and DV tapes have other ones than 1.
        colour: (matrix, range, primaries, transfer), FFmpeg's integers of the source's tags.
    """

    location: str
    width: int
    height: int
    time_base: Fraction
    average_rate: Fraction | None = None
    duration_s: float | None = None
    frames: int | None = None
    live: bool = False
    path: str | None = None
    pixel_aspect: Fraction = Fraction(1)
    colour: tuple[int, int, int, int] = (2, 0, 2, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a stream.

    Attributes:
        source: the stream's name, unique within a run.
        session: 0, one more after each gap.
        index: counts the source's frames from 0; skipped and dropped ones count too.
        pts: presentation time in units of time_base, as in the source.
        time_base: seconds a unit.
        picture: its pixels, as displayed.
        duration: units of time_base, 0 where unknown.
        wall_time: UTC time of capture or arrival; live sources only.
        captured_s: time.monotonic() of capture, as near as is known; no change of a clock moves it. Live sources only.
        dropped_before: frames dropped between this frame and the one before it.
    """

    source: str
    session: int
    index: int
    pts: int
    time_base: Fraction
    picture: Picture
    duration: int = 0
    wall_time: datetime | None = None
    dropped_before: int = 0
    captured_s: float | None = None

    @property
    def pts_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB, as displayed."""
        return self.picture.rgb()

    @property
    def width(self) -> int:
        """Pixels."""
        return self.picture.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.picture.height


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All stages have done what came before this: each adds what it needs to go on from here.

    Attributes:
        source: name of the stream.
        frames: that it delivered so far.
        last: no frame follows: outputs add nothing.
        facts: by name of the stage, as JSON holds it.
        arrays: by name of the stage and of the array.
    """

    source: str
    frames: int
    last: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """A stream begins: comes before its first frame.

    Attributes:
        source: name of the stream.
        info: what is known of it.
        resume: where an interrupted run left off, which this one goes on from.
        memory: what was remembered at the end of another file, whose continuation this one is.
    """

    source: str
    info: StreamInfo
    resume: Checkpoint | None = None
    memory: Checkpoint | None = None

    @property
    def goes_on_from(self) -> Checkpoint | None:
        """What is remembered of it; memory of pictures of another size is of no use."""
        if self.resume is not None or self.memory is None:
            return self.resume
        return self.memory if self.memory.facts["detect"]["size"] == [self.info.width, self.info.height] else None


@dataclass(frozen=True, slots=True)
class StreamGap:
    """Time was lost: memory and tracks of this stream start anew. `session` is the one that follows."""

    source: str
    session: int
    reason: str
    lost_s: float | None = None


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """A stream is over: its outputs are closed and its state is dropped.

    Attributes:
        frames: frames that the source delivered.
        dropped: frames that were dropped on purpose.
        undecodable: packets that could not be decoded.
        error: why it ended early, one line without credentials; None at a regular end.
    """

    source: str
    frames: int
    dropped: int = 0
    undecodable: int = 0
    error: str | None = None


Marker = StreamStarted | StreamGap | Checkpoint | StreamEnded


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """B streams x T consecutive frames, all of one size and no stream twice: what a detector takes at once."""

    streams: tuple[tuple[Frame, ...], ...]

    def __post_init__(self) -> None:
        lengths = {len(frames) for frames in self.streams}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"a clip needs equally many frames of every stream, got {sorted(lengths)}")
        names = [frames[0].source for frames in self.streams]
        if len(set(names)) != len(names):
            raise ValueError(f"a clip holds a stream once, got {names}")

    @property
    def source(self) -> str:
        """Name of the first stream; what an error message points at."""
        return self.streams[0][0].source

    @property
    def index(self) -> int:
        """Index of the first frame; what an error message points at."""
        return self.streams[0][0].index

    def __iter__(self) -> Iterator[tuple[Frame, ...]]:
        return iter(self.streams)
