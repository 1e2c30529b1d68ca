"""Which frames training sees: random clips from a zero state, and streams that continue from step to step.

Shapes: B lanes, T frames, H, W pixels, K classes, M boxes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdet.training.augment import ClipAugmentation, Strength
from streamdet.training.footage import Footage
from streamdet.training.loss import Targets
from streamdet.training.paint import Painter

_STREAM_FRAMES = 240
"""A streaming lane moves to another place after this many frames, so that all footage gets its turn."""
_HIDDEN_SHARE = 0.65


@dataclass(frozen=True, slots=True, eq=False)
class ClipBatch:
    """What one training step takes.

    Attributes:
        images: (B, T, 3, H, W) uint8 RGB, where the painter left it.
        dt_s: (B, T) float32, seconds since the frame before.
        targets: B lists of T.
        continues: (B,) bool, whether a lane continues where the step before left it.
        spoilt: (S, 2) int64, lane and frame of the pictures that are in a spell of bad frames.
        sound: (S, 3, H, W) uint8 RGB, those as they would look without it; none where nobody asked for them.
    """

    images: Tensor
    dt_s: Tensor
    targets: list[list[Targets]]
    continues: Tensor
    spoilt: Tensor
    sound: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """One lane's part of a batch; shapes as there, without B."""

    images: Tensor
    dt_s: NDArray[np.float32]
    targets: list[Targets]
    spoilt: list[int]
    sound: Tensor


class Lane:
    """One row of the batches: draws a place in the footage, then gives its frames in order."""

    def __init__(
        self,
        rng: np.random.Generator,
        footages: Sequence[Footage],
        weights: Sequence[float],
        canvas: tuple[int, int],
        strength: Strength,
    ) -> None:
        self._rng, self._footages, self._canvas, self._strength = rng, footages, canvas, strength
        self._shares = np.array(weights, np.float64) / sum(weights)
        self.restart(1)

    def restart(self, frames: int) -> None:
        """Draw another place that has at least this many frames, if the set has one."""
        footage = self._footages[self._rng.choice(len(self._footages), p=self._shares)]
        self._footage = footage
        self._video = footage.draw_video(self._rng)
        times = footage.videos[self._video].times_s
        self._still = len(times) == 1
        self._step = 0 if self._still else int(self._rng.choice((1, 1, 1, 2, 3))) * int(self._rng.choice((1, 1, 1, -1)))
        segments = footage.videos[self._video].segments
        lengths = np.array([stop - start for start, stop in segments], np.float64)
        self._segment = segments[self._rng.choice(len(segments), p=lengths / lengths.sum())]
        reach = (frames - 1) * abs(self._step)
        low, high = self._segment[0], max(self._segment[0], self._segment[1] - 1 - reach)
        self._index = int(self._rng.integers(low, high + 1))
        if self._step < 0:
            self._index = min(self._index + reach, self._segment[1] - 1)
        self._still_dt_s = float(self._rng.choice((0.033, 0.04, 0.1, 0.2)))
        self._before_s: float | None = None
        self._seen: dict[int, bool] = {}
        height, width = footage.frame(self._video, self._index).shape[:2]
        shake = 0.15 if self._still else 0.0
        self._augment = ClipAugmentation(self._rng, (height, width), self._canvas, self._strength, shake)
        self._given = 0

    def has(self, frames: int) -> bool:
        """Whether the stream can continue for as many frames."""
        if self._given + frames > _STREAM_FRAMES:
            return False
        end = self._index + (frames - 1) * self._step
        return self._segment[0] <= end < self._segment[1]

    def take(self, frames: int, painter: Painter, *, with_sound: bool) -> _Clip:
        """The next frames; with_sound: also the spoilt ones as they would look without their spell."""
        dt_s = np.empty(frames, np.float32)
        targets, plans = [], []
        for t in range(frames):
            index = min(max(self._index, self._segment[0]), self._segment[1] - 1)
            dt_s[t] = self._elapsed_s(index)
            plan = self._augment.next_frame(float(dt_s[t]))
            painter.add(self._footage, self._video, index, plan, self._rng)
            plans.append((index, plan))
            targets.append(self._targets(index))
            self._index = index + self._step
            if self._step and self._rng.random() < 0.05:
                self._index += self._step  # a dropped frame: the next dt_s is longer
        self._given += frames
        images = painter.finish()
        spoilt = [t for t, (_, plan) in enumerate(plans) if plan.spoilt and with_sound]
        for t in spoilt:
            painter.add(self._footage, self._video, plans[t][0], plans[t][1].sound(), self._rng)
        return _Clip(images, dt_s, targets, spoilt, painter.finish() if spoilt else images[:0])

    def _elapsed_s(self, index: int) -> float:
        if self._still:
            return self._still_dt_s
        time_s = float(self._footage.videos[self._video].times_s[index])
        before_s, self._before_s = self._before_s, time_s
        return 0.1 if before_s is None else float(np.clip(abs(time_s - before_s), 0.01, 1.6))

    def _targets(self, index: int) -> Targets:
        marks = self._footage.marks(self._video, index)
        if marks is None:
            return _no_targets(self._footage.class_count)
        boxes, visible = self._augment.boxes(marks.boxes)
        hidden = self._augment.hidden_share(boxes) > _HIDDEN_SHARE
        known = np.array([self._seen.get(int(t), False) for t in marks.track_ids], bool)
        # A hidden object is asked for only where an earlier frame of the stream showed it.
        asked = visible & (~hidden | (known & (marks.track_ids >= 0)))
        for track, shown in zip(marks.track_ids, visible & ~hidden, strict=True):
            if track >= 0 and shown:
                self._seen[int(track)] = True
        ignore, _ = self._augment.boxes(marks.ignore)
        return Targets(
            boxes=torch.from_numpy(boxes[asked]),
            class_ids=torch.from_numpy(marks.class_ids[asked]),
            ignore=torch.from_numpy(np.concatenate([ignore, boxes[~asked]])),
            labelled=torch.from_numpy(marks.labelled),
        )


def _no_targets(classes: int) -> Targets:
    return Targets(
        torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, 4), torch.zeros(classes, dtype=torch.bool)
    )


def clip_batches(
    footages: Sequence[Footage],
    weights: Sequence[float],
    *,
    canvas: tuple[int, int],
    lanes: int,
    streaming_lanes: int,
    frames: int,
    strength: Strength,
    seed: Sequence[int],
    painter: Painter,
    with_sound: bool = False,
    share: tuple[int, int] = (0, 1),
) -> Iterator[ClipBatch]:
    """Endless batches of one size; the first streaming_lanes lanes continue, the others start again each time.

    A clip is of each footage as often as its weight says, relative to the others.

    Args:
        painter: makes the pictures.
        with_sound: whether the batches hold spoilt frames as they would look without their spell, too.
        share: (rank, world): of several processes, each makes every world-th lane. A lane draws by its own seed, so
            that all of them together make the same batch, however many they are.
    """
    rank, world = share
    numbers = range(rank, lanes, world)
    rngs = [np.random.default_rng([*seed, lane]) for lane in numbers]
    rows = [Lane(rng, footages, weights, canvas, strength) for rng in rngs]
    while True:
        taken: list[_Clip] = []
        continues = []
        for number, lane in zip(numbers, rows, strict=True):
            goes_on = number < streaming_lanes and lane.has(frames)
            if not goes_on:
                lane.restart(frames)
            continues.append(goes_on)
            taken.append(lane.take(frames, painter, with_sound=with_sound))
        spoilt = [(row, t) for row, clip in enumerate(taken) for t in clip.spoilt]
        yield ClipBatch(
            images=torch.stack([clip.images for clip in taken]).contiguous(),
            dt_s=torch.from_numpy(np.stack([clip.dt_s for clip in taken])),
            targets=[clip.targets for clip in taken],
            continues=torch.tensor(continues),
            spoilt=torch.tensor(spoilt, dtype=torch.long).reshape(-1, 2),
            sound=torch.cat([clip.sound for clip in taken]),
        )
