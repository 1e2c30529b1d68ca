"""What travels from stage to stage: frames, clips and the markers of a stream's life.

All of it is in band and in order: StreamStarted, then frames, gaps and checkpoints, then StreamEnded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

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
        live: True where frames cannot be read again (camera, network).
        path: the local file that audio can be copied from, None where there is none.
        track_index: of the video in that file; None where it is not known.
        pixel_aspect: width of a pixel over its height, as displayed; DVDs and DV tapes have other ones than 1.
        colour: (matrix, range, primaries, transfer), FFmpeg's integers of the source's tags.
        pictures: of a folder of images: the file names of its frames, by their number.
        start_s, end_s: the part of the source that is read, in seconds from its start; None: from its start, to its
            end.
        packets: of a live stream: its last packets as they came, a `media.packets.PacketRing`, where a stage of the job
            asks for them.
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
    track_index: int | None = None
    pixel_aspect: Fraction = Fraction(1)
    colour: tuple[int, int, int, int] = (2, 0, 2, 2)
    pictures: tuple[str, ...] = ()
    start_s: float | None = None
    end_s: float | None = None
    packets: Any = None


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
        pixel_aspect: width of a pixel over its height, as displayed: detectors see the picture as people do.
        decoded_s: time.perf_counter() when its source gave it; None where it was not timed.
        decoded: False: nobody asked for its picture, and what is there instead is that of a frame before it.
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
    pixel_aspect: Fraction = Fraction(1)
    decoded_s: float | None = None
    decoded: bool = True

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


@dataclass(frozen=True)
class StateSection:
    """Base of what a stage saves of one stream, so that another run can continue it there.

    A stage declares a dataclass of its own: fields are facts (what JSON holds), numpy arrays, or mappings from names to
    numpy arrays. Only that stage reads it.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """How far a live stream was when another process read it.

    Attributes:
        session, index: of its last frame.
        last_s: presentation time of that frame in seconds.
        at: when that frame was taken, seconds since 1970.
        exact: all state of the stream at that frame comes with it, so that no gap is needed where little time is lost.
    """

    session: int
    index: int
    last_s: float
    at: float
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All stages have done what came before this: each adds its section, with what it needs to continue from here.

    Attributes:
        source: name of the stream.
        frames: that it delivered so far.
        size: (width, height) of its last frame in pixels, as displayed; (0, 0) before the first one.
        last_s: presentation time of its last frame in seconds; None before the first one.
        step_s: seconds from its last frame to the one that is due next; 0 where unknown.
        last: no frame follows: outputs add nothing.
        sections: by name of the stage.
        place: of a live stream, for another process that continues it; None of files.
    """

    source: str
    frames: int
    size: tuple[int, int] = (0, 0)
    last_s: float | None = None
    step_s: float = 0.0
    last: bool = False
    sections: dict[str, StateSection] = field(default_factory=dict)
    place: Place | None = None


Saved = TypeVar("Saved", bound=StateSection)


@dataclass(frozen=True, slots=True)
class SavedState(Generic[Saved]):
    """What a stage saved of the stream that starts now.

    Attributes:
        section: as the stage gave it.
        step_s: None: the stream continues exactly there. Otherwise it follows another file, which ended there: its
            times start again, and its first frame comes so many seconds after the last one of the other file.
    """

    section: Saved
    step_s: float | None = None


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """A stream starts: comes before its first frame.

    Attributes:
        source: name of the stream.
        info: what is known of it.
        continues: the checkpoint that it continues from; None where it starts from nothing.
        other_file: the checkpoint is the end of another file, which this one follows; otherwise an interrupted run of
            this very stream has left it.
        outputs: files and addresses that are written of it, by name of the stage that writes them.
    """

    source: str
    info: StreamInfo
    continues: Checkpoint | None = None
    other_file: bool = False
    outputs: Mapping[str, Path | str] = field(default_factory=dict)

    def saved(self, stage: str) -> SavedState[Any] | None:
        """What a stage has saved of it; None where it starts from nothing."""
        if self.continues is None or stage not in self.continues.sections:
            return None
        return SavedState(self.continues.sections[stage], self.continues.step_s if self.other_file else None)

    @property
    def frames_before(self) -> int:
        """Frames of it that an interrupted run has delivered."""
        return 0 if self.continues is None or self.other_file else self.continues.frames


@dataclass(frozen=True, slots=True)
class StreamGap:
    """Time was lost: memory and tracks of this stream start again. `session` is the one that follows."""

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
        drops: dropped frames by cause; of live sources.
    """

    source: str
    frames: int
    dropped: int = 0
    undecodable: int = 0
    error: str | None = None
    drops: Mapping[str, int] = field(default_factory=dict)


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
