"""Labelled videos with their frames at hand, in the classes of the detector."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.frames import Image
from streamdet.training.frame_cache import FrameCache


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What is marked in one frame, in pixels of the cached frame and classes of the detector.

    Attributes:
        boxes: (M, 4) float32, xyxy.
        class_ids, track_ids: (M,) int64.
        ignore: (I, 4) float32, xyxy.
        labelled: (K,) bool.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    ignore: NDArray[np.float32]
    labelled: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """What of a set's labels cannot be trusted.

    Attributes:
        below_px: boxes with a side shorter than this, pixels of the original.
        areas: (x1, y1, x2, y2) fractions of the picture where marks are missing.
    """

    below_px: float = 0.0
    areas: tuple[tuple[float, float, float, float], ...] = ()


class Footage:
    """One set to train on, its classes those of the detector.

    Attributes:
        cache: its frames.
    """

    def __init__(
        self,
        labelled_set: LabelledSet,
        cache_folder: Path,
        *,
        weight: float = 1.0,
        rule: IgnoreRule | None = None,
        longest_side: int = 640,
    ) -> None:
        self.name = labelled_set.name
        self.videos: tuple[LabelledVideo, ...] = labelled_set.videos
        self.weight = weight
        self.class_count = len(labelled_set.classes)
        self._rule = rule or IgnoreRule()
        self.cache = FrameCache(cache_folder, self.name, self.videos, longest_side)
        frames = np.array([sum(label is not None for label in v.labels) for v in self.videos], np.float64)
        # By the root of their length: a long clip has more to show, but not in proportion.
        self._video_shares = np.sqrt(frames) / np.sqrt(frames).sum()

    def draw_video(self, rng: np.random.Generator) -> int:
        """A video at random."""
        return int(rng.choice(len(self.videos), p=self._video_shares))

    def frame(self, video: int, index: int) -> Image:
        """(H, W, 3) uint8 RGB, as cached."""
        return self.cache.frame(video, index)

    def marks(self, video: int, index: int) -> Marks | None:
        """What is marked in a frame; None where it has no labels."""
        labels = self.videos[video].labels[index]
        if labels is None:
            return None
        scale, source = self.cache.scales[video], self.videos[video]
        small = (labels.boxes[:, 2:] - labels.boxes[:, :2]).min(axis=1, initial=np.inf) < self._rule.below_px
        kept = ~small
        size = np.array([source.width, source.height] * 2, np.float32)
        areas = np.array(self._rule.areas, np.float32).reshape(-1, 4) * size
        labelled = np.zeros(self.class_count, bool)
        labelled[sorted(source.labelled)] = True
        return Marks(
            boxes=labels.boxes[kept] * np.float32(scale),
            class_ids=labels.class_ids[kept],
            track_ids=labels.track_ids[kept],
            ignore=np.concatenate([labels.ignore, labels.boxes[small], areas]) * np.float32(scale),
            labelled=labelled,
        )
