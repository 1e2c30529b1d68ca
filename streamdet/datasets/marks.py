"""Turns the rows of any annotation format into the common form, and checks them on the way."""

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import FrameReader, LabelledVideo, Labels, Shape
from streamdet.errors import ConfigError

# In formats whose classes a person names, this name marks regions in which nothing counts.
IGNORE = "ignore"
XYXY = tuple[float, float, float, float]
# Formats round to whole pixels and some count from 1, so a box may reach a pixel over the edge without being wrong.
EDGE_TOLERANCE = 1.0
GAP_STEPS = 3.0


class Marks:
    """Collects what is marked in one video; boxes are clipped to the picture, those without area are dropped."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._boxes: dict[int, list[tuple[XYXY, int, int, Shape | None]]] = {}
        self._ignore: dict[int, list[XYXY]] = {}
        self._identities: dict[Hashable, int] = {}
        self._faults: Counter[str] = Counter()

    def annotated(self, frame: int) -> None:
        """Somebody looked at this frame, whether or not anything is marked in it."""
        self._boxes.setdefault(frame, [])

    def box(
        self, frame: int, xyxy: XYXY, class_id: int, identity: Hashable | None = None, shape: Shape | None = None
    ) -> None:
        """A box in pixels; identity is the format's own, None where it has none, as is the shape."""
        rows = self._boxes.setdefault(frame, [])
        clipped = self._clip(xyxy)
        if clipped:
            track = -1 if identity is None else self._identities.setdefault(identity, len(self._identities))
            rows.append((clipped, class_id, track, shape))

    def ignore(self, frame: int, xyxy: XYXY) -> None:
        """A region in which nothing counts."""
        self.annotated(frame)
        clipped = self._clip(xyxy)
        if clipped:
            self._ignore.setdefault(frame, []).append(clipped)

    def fault(self, what: str) -> None:
        """Something that the common form cannot hold or that is wrong, and was left out."""
        self._faults[what] += 1

    def video(
        self,
        name: str,
        frames: FrameReader,
        times_s: NDArray[np.float64],
        labelled: Iterable[int],
        segments: tuple[tuple[int, int], ...] | None = None,
    ) -> LabelledVideo:
        """The video with all marks; segments None: split where time jumps.

        Raises:
            ConfigError: if times do not ascend.
        """
        backwards = np.flatnonzero(np.diff(times_s) <= 0)
        if len(backwards):
            frame = int(backwards[0]) + 1
            raise ConfigError(f"{name}: frame {frame} at {times_s[frame]:.3f} s is not after the frame before it")
        return LabelledVideo(
            name=name,
            width=self._size[0],
            height=self._size[1],
            times_s=times_s,
            labels=tuple(self._labels_of(frame) if frame in self._boxes else None for frame in range(len(times_s))),
            labelled=frozenset(labelled),
            segments=segments or unbroken_segments(times_s),
            frames=frames,
            faults=dict(self._faults),
        )

    def still(self, name: str, frames: FrameReader, labelled: Iterable[int]) -> LabelledVideo:
        """A video of one frame."""
        return self.video(name, frames, np.zeros(1), labelled)

    def _labels_of(self, frame: int) -> Labels:
        rows = self._boxes[frame]
        return Labels(
            boxes=np.array([box for box, _, _, _ in rows], np.float32).reshape(-1, 4),
            class_ids=np.array([class_id for _, class_id, _, _ in rows], np.int64),
            track_ids=np.array([track for _, _, track, _ in rows], np.int64),
            ignore=np.array(self._ignore.get(frame, []), np.float32).reshape(-1, 4),
            shapes=tuple(shape or Shape() for *_, shape in rows) if any(row[3] for row in rows) else (),
        )

    def _clip(self, xyxy: XYXY) -> XYXY | None:
        width, height = self._size
        x1, y1, x2, y2 = xyxy
        if not (x1 < x2 and y1 < y2):
            self.fault("boxes without area, dropped")
            return None
        clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
        if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
            self.fault("boxes wholly outside the picture, dropped")
            return None
        if min(x1, y1, width - x2, height - y2) < -EDGE_TOLERANCE:
            self.fault("boxes that reach outside the picture, clipped")
        return clipped


def xywh_to_xyxy(box: Sequence[float]) -> XYXY:
    """Left, top, width, height to left, top, right, bottom."""
    x, y, width, height = box
    return (x, y, x + width, y + height)


def frame_times(known: Mapping[int, float], frames: int, frames_per_second: float) -> NDArray[np.float64]:
    """Seconds of every frame; between known ones evenly spaced, and steady before and after them."""
    if not known:
        return np.arange(frames, dtype=np.float64) / frames_per_second
    indices = np.array(sorted(known), np.int64)
    times = np.array([known[index] for index in indices.tolist()], np.float64)
    step = 1.0 / frames_per_second
    if len(indices) > 1:
        step = float(np.median(np.diff(times) / np.diff(indices)))
    positions = np.arange(frames)
    inside = np.interp(positions, indices, times)
    before = np.minimum(positions - indices[0], 0) * step
    after = np.maximum(positions - indices[-1], 0) * step
    result: NDArray[np.float64] = inside + before + after
    return result


def unbroken_segments(times_s: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """(start, stop) ranges of frames, split where time jumps by more than three times the usual step."""
    frames = len(times_s)
    steps = np.diff(times_s)
    if not len(steps):
        return ((0, frames),)
    breaks = np.flatnonzero(steps > GAP_STEPS * np.median(steps)) + 1
    edges = [0, *breaks.tolist(), frames]
    return tuple(itertools.pairwise(edges))
