"""What a file of detections holds, in numbers and pictures. Memory grows with the number of tracks, not of frames."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.result import Result

_GRID = (96, 54)  # columns and rows of the heat map
_MOST_BINS = 600
_MARGIN, _PLOT = 60, (960, 320)


@dataclass(slots=True)
class ClassCount:
    """What was counted of one class.

    Attributes:
        boxes: in all frames.
        scores: their sum.
        frames: with at least one.
        most: in one frame.
    """

    boxes: int = 0
    scores: float = 0.0
    frames: int = 0
    most: int = 0


@dataclass(slots=True)
class _Track:
    first_s: float
    last_s: float
    classes: Counter[str] = field(default_factory=Counter)

    @property
    def class_name(self) -> str:
        """That of most of its boxes."""
        return max(self.classes, key=lambda name: self.classes[name])

    @property
    def frames(self) -> int:
        """That it is in."""
        return self.classes.total()


class Timeline:
    """How many boxes there were in each bin of time; bins get twice as long when there are too many.

    Args:
        bin_s: length of a bin at the start, seconds.
    """

    def __init__(self, bin_s: float = 1.0) -> None:
        self.bin_s = bin_s
        self.frames: NDArray[np.int64] = np.zeros(_MOST_BINS, np.int64)
        self.boxes: dict[str, NDArray[np.int64]] = {}
        self._first_s: float | None = None
        self.used = 0

    def add(self, time_s: float, counts: dict[str, int]) -> None:
        """A frame, and how many boxes of each class are in it."""
        self._first_s = time_s if self._first_s is None else self._first_s
        while (place := int(max(0.0, time_s - self._first_s) / self.bin_s)) >= _MOST_BINS:
            self.bin_s *= 2
            self.frames = _halved(self.frames)
            self.boxes = {name: _halved(row) for name, row in self.boxes.items()}
        self.used = max(int(np.flatnonzero(self.frames)[-1]) + 1 if self.frames.any() else 0, place + 1)
        self.frames[place] += 1
        for name, count in counts.items():
            self.boxes.setdefault(name, np.zeros(_MOST_BINS, np.int64))[place] += count

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Boxes of each class in a frame, on average, in each bin that was used."""
        frames = np.maximum(self.frames[: self.used], 1)
        return {name: row[: self.used] / frames for name, row in self.boxes.items()}


def _halved(row: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([row.reshape(-1, 2).sum(axis=1), np.zeros(_MOST_BINS // 2, np.int64)])


@dataclass(slots=True)
class Statistics:
    """What was counted.

    Attributes:
        frames: with or without boxes.
        sources: names of the sources.
        classes: by name.
        tracks: by source and id.
        heat: (rows, columns) float64, how often each cell of a grid over the picture was inside a box.
        timeline: boxes over time; of all sources together.
        size: of the first picture, pixels.
    """

    frames: int = 0
    sources: dict[str, int] = field(default_factory=dict)
    classes: dict[str, ClassCount] = field(default_factory=dict)
    tracks: dict[tuple[str, int], _Track] = field(default_factory=dict)
    heat: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_GRID[::-1]))
    timeline: Timeline = field(default_factory=Timeline)
    size: tuple[int, int] = (16, 9)

    def add(self, result: Result) -> None:
        """Count a frame."""
        if self.frames == 0:
            self.size = result.width, result.height
        self.frames += 1
        self.sources[result.source] = self.sources.get(result.source, 0) + 1
        counts: dict[str, int] = {}
        for found in result.detections:
            counts[found.class_name] = counts.get(found.class_name, 0) + 1
            self.classes.setdefault(found.class_name, ClassCount()).scores += found.score
            if found.track_id >= 0:
                key = result.source, found.track_id
                track = self.tracks.setdefault(key, _Track(result.pts_s, result.pts_s))
                track.last_s = result.pts_s
                track.classes[found.class_name] += 1
        for name, count in counts.items():
            mine = self.classes[name]
            mine.boxes, mine.frames, mine.most = mine.boxes + count, mine.frames + 1, max(mine.most, count)
        self._warm(result)
        self.timeline.add(result.pts_s, counts)

    def to_dict(self) -> dict[str, Any]:
        """All figures."""
        return {
            "frames": self.frames,
            "sources": self.sources,
            "classes": {name: self._class(name, count) for name, count in sorted(self.classes.items())},
            "timeline": {
                "bin_s": self.timeline.bin_s,
                "boxes_per_frame": {name: row.round(3).tolist() for name, row in self.timeline.means().items()},
            },
        }

    def _class(self, name: str, count: ClassCount) -> dict[str, Any]:
        mine = [track for track in self.tracks.values() if track.class_name == name]
        lengths = np.array([track.frames for track in mine] or [0])
        return {
            "boxes": count.boxes,
            "frames": count.frames,
            "most_in_a_frame": count.most,
            "mean_score": round(count.scores / count.boxes, 4),
            "tracks": len(mine),
            "track_frames": {"median": float(np.median(lengths)), "longest": int(lengths.max())},
            "track_s": {"longest": round(max((track.last_s - track.first_s for track in mine), default=0.0), 3)},
        }

    def _warm(self, result: Result) -> None:
        if len(result.detections) == 0:
            return
        scale = np.array([_GRID[0] / result.width, _GRID[1] / result.height] * 2)
        boxes = result.detections.finite().boxes * scale
        low, high = np.floor(boxes[:, :2]).astype(int), np.ceil(boxes[:, 2:]).astype(int)
        for (left, top), (right, bottom) in zip(np.maximum(low, 0).tolist(), high.tolist(), strict=True):
            self.heat[top:bottom, left:right] += 1


def count(results: Iterable[Result]) -> Statistics:
    """Count all frames."""
    statistics = Statistics()
    for result in results:
        statistics.add(result)
    return statistics


def heat_map(statistics: Statistics) -> Image:
    """Where boxes were, as a picture of the frame's shape: (H, W, 3) uint8 RGB, 960 pixels wide."""
    width, height = statistics.size
    size = 960, max(1, round(960 * height / width))
    share = np.sqrt(statistics.heat / max(1.0, float(statistics.heat.max())))  # what is rarely walked on shows, too
    grey = cv2.resize((255 * share).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[..., ::-1], np.uint8)


def timeline_chart(statistics: Statistics) -> Image:
    """Boxes a frame over time, a line for each class: (H, W, 3) uint8 RGB."""
    width, height = _PLOT
    image = np.full((height + 2 * _MARGIN, width + 2 * _MARGIN, 3), 255, np.uint8)
    means = statistics.timeline.means()
    top = max((float(row.max()) for row in means.values()), default=0.0) or 1.0
    seconds = statistics.timeline.used * statistics.timeline.bin_s
    for part in range(5):
        y, x = _MARGIN + height - height * part // 4, _MARGIN + width * part // 4
        cv2.line(image, (_MARGIN, y), (_MARGIN + width, y), (225, 225, 225), 1)
        _write(image, f"{top * part / 4:.3g}", (10, y + 5))
        _write(image, _clock(seconds * part / 4), (x - 20, _MARGIN + height + 22))
    _write(image, "boxes a frame", (_MARGIN, 22))
    for number, (name, row) in enumerate(sorted(means.items())):
        colour = _hue(number)
        along = _MARGIN + (np.arange(len(row)) + 0.5) * width / max(1, len(row))
        points = np.stack([along, _MARGIN + height - row / top * height], axis=1).round().astype(np.int32)
        if len(points) == 1:
            points = np.array([[_MARGIN, points[0, 1]], [_MARGIN + width, points[0, 1]]], np.int32)
        cv2.polylines(image, [points], False, colour, 2, cv2.LINE_AA)
        _write(image, name, (_MARGIN + 160 + 150 * number, 22), colour)
    return image


def _write(image: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int] = (90, 90, 90)) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
        if seconds >= 3600
        else f"{whole // 60}:{whole % 60:02}"
    )


def _hue(number: int) -> tuple[int, int, int]:
    hsv = np.array([[[(number * 0.618033988749895 % 1) * 179, 200, 190]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue
