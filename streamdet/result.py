"""What detect yields for every frame."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.frames import Frame, Image, Picture
from streamdet.tables import FRAME_COLUMNS, OBJECT_COLUMNS, data_frame, object_row

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class ZoneEvent:
    """Something happened at an area or a line.

    Attributes:
        kind: entered, appeared (inside at first sight), left, line, dwell or crowd.
        zone: name of the area or line.
        time_s: when, presentation time in seconds; not later than that of the frame which tells it.
        track_id, class_name: of the object; None of a crowd.
        direction: of a line: in or out.
        seconds: of left and dwell: how long the object has been inside.
        count: of a crowd: how many are inside.
        speed_mps: of the object, metres a second; None where unknown.
        clip: the video that shows it, in the folder of the stage clips, once it is complete; None: there is none.
    """

    kind: str
    zone: str
    time_s: float
    track_id: int | None = None
    class_name: str | None = None
    direction: str | None = None
    seconds: float | None = None
    count: int | None = None
    speed_mps: float | None = None
    clip: str | None = None


@dataclass(frozen=True, slots=True)
class ZonePlace:
    """An area or a line in one frame.

    Attributes:
        name: of it.
        is_line: False of an area.
        points: x and y of its corners or ends, as shares of the picture's width and height.
        counts: of an area inside (now), entered, appeared and left; of a line in and out.
    """

    name: str
    is_line: bool
    points: tuple[tuple[float, float], ...]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class ZoneReport:
    """What the stage zones says of one frame.

    Attributes:
        places: areas, then lines; column n of the detections' `inside` is of the area n.
        events: told by this frame.
        heat: (h, w) float32, seconds that objects have been at each cell of a grid over the picture, the older the
            less; None without a heat map.
    """

    places: tuple[ZonePlace, ...] = ()
    events: tuple[ZoneEvent, ...] = ()
    heat: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClipClass:
    """What the stage classify says is going on up to a frame.

    Attributes:
        names: of all classes.
        probabilities: (K,) float32, of sum 1.
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float32]

    @property
    def class_id(self) -> int:
        """The likeliest."""
        return int(self.probabilities.argmax())

    @property
    def name(self) -> str:
        """Of the likeliest."""
        return self.names[self.class_id]

    @property
    def probability(self) -> float:
        """Of the likeliest."""
        return float(self.probabilities.max())

    def to_dict(self) -> dict[str, Any]:
        """What JSON Lines hold of it."""
        each = dict(zip(self.names, (round(p, 4) for p in self.probabilities.tolist()), strict=True))
        return {"class": self.name, "probability": each[self.name], "probabilities": each}


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A frame and its detections.

    Attributes:
        frame: the frame; once annotated, its picture has the boxes drawn on it.
        detections: boxes in pixels of the frame.
        latency_s: from capture to here; live sources only.
        zones: of a job with the stage zones: areas and lines with their counts, and what happened there.
        clip_class: of a job with the stage classify: what is going on.
        looked: False for a frame that the detector did not look at, see detect.every.
        cut: the picture has nothing in common with the one before.
        redrawn: its picture is not the source's any more.
    """

    frame: Frame
    detections: Detections
    latency_s: float | None = None
    zones: ZoneReport = field(default_factory=ZoneReport)
    clip_class: ClipClass | None = None
    looked: bool = True
    cut: bool = False
    redrawn: bool = False

    @property
    def source(self) -> str:
        """Name of the stream."""
        return self.frame.source

    @property
    def session(self) -> int:
        """0, one more after each gap of the stream."""
        return self.frame.session

    @property
    def index(self) -> int:
        """Number of the frame in its source, from 0."""
        return self.frame.index

    @property
    def frame_index(self) -> int:
        """The same as index."""
        return self.frame.index

    @property
    def pts(self) -> int:
        """Presentation time in units of frame.time_base."""
        return self.frame.pts

    @property
    def pts_s(self) -> float:
        """Presentation time in seconds."""
        return self.frame.pts_s

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB."""
        return self.frame.image

    @property
    def width(self) -> int:
        """Pixels."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.frame.height

    def with_picture(self, picture: Picture) -> "Result":
        """The same result with another picture."""
        redrawn = self.redrawn or picture is not self.frame.picture
        return replace(self, frame=replace(self.frame, picture=picture), redrawn=redrawn)

    def with_detections(self, detections: Detections) -> "Result":
        """The same frame with other boxes."""
        return replace(self, detections=detections)

    def to_dict(self, masks: bool = False) -> dict[str, Any]:
        """What JSON Lines hold of a frame; boxes and scores that are no numbers are left out.

        Args:
            masks: also those of the objects, where the detector gives some.
        """
        frame = self.frame
        line: dict[str, Any] = {
            "type": "frame",
            "source": frame.source,
            "session": frame.session,
            "frame": frame.index,
            "pts": frame.pts,
            "time_base": f"{frame.time_base.numerator}/{frame.time_base.denominator}",
            "time_s": round(frame.pts_s, 6),
            "width": self.width,
            "height": self.height,
        }
        if frame.pixel_aspect != 1:
            line["pixel_aspect"] = f"{frame.pixel_aspect.numerator}/{frame.pixel_aspect.denominator}"
        if frame.wall_time is not None:  # a live source
            line["wall_time"] = utc_text(frame.wall_time)
            known = self.latency_s is not None and math.isfinite(self.latency_s)
            line["latency_s"] = round(self.latency_s or 0.0, 4) if known else None
            line["dropped_before"] = frame.dropped_before
        if self.clip_class is not None:
            line["clip_class"] = self.clip_class.to_dict()
        areas = [place.name for place in self.zones.places if not place.is_line]
        line["detections"] = self.detections.to_dicts(areas, (self.width, self.height) if masks else None)
        return line

    def to_df(self) -> "pandas.DataFrame":
        """A table with a row for each box: its frame (source, session, frame, pts, time_s), then `Detections.to_df`.

        Masks, where there are some, are in a column `mask`, as COCO's run lengths.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        return data_frame(self.to_rows(masks=True), FRAME_COLUMNS + OBJECT_COLUMNS)

    def to_rows(self, masks: bool = False) -> list[dict[str, Any]]:
        """The rows of `to_df`, without pandas; masks as in `to_dict`."""
        line = self.to_dict(masks)
        frame = {name: line[name] for name in FRAME_COLUMNS}
        return [frame | object_row(detection) for detection in line["detections"]]

    def plot(self, **options: Any) -> Image:
        """The frame with its boxes.

        Args:
            options: of the section annotate of a job, such as labels="id", colour="class", line_width=3.

        Returns:
            (H, W, 3) uint8 RGB; OpenCV's functions want `[..., ::-1]`.

        Raises:
            ValueError: an option is wrong, or the result has no picture, as it was read from a file.
        """
        drawn: Image = _pictures().plot(self, options)
        return drawn

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write `plot` as a picture: .jpg, .png, .webp and what else OpenCV writes; gives the path.

        Raises:
            SinkError: it cannot be written.
            ValueError: as `plot`.
        """
        written: Path = _pictures().save(self.plot(**options), Path(path))
        return written

    def show(self, **options: Any) -> None:
        """Show `plot` in a notebook, or in the program that this computer shows pictures with.

        Raises:
            SinkError: there is none.
            ValueError: as `plot`.
        """
        _pictures().show(self, options)

    def _repr_html_(self) -> str:
        """What a notebook shows where a result is the last expression of a cell."""
        html: str = _pictures().html(self)
        return html


def _pictures() -> Any:
    """What draws stands above what it draws; it is loaded when it is needed."""
    return import_module("streamdet.drawing.pictures")


def utc_text(time: datetime) -> str:
    """ISO 8601 with milliseconds, in UTC."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
