"""How a clip is changed for training: one draw a clip, the same for all its frames.

Geometry (crop, zoom, flip, slow camera drift), colour, and what memory is for: things that pass in front, spells of
blur, noise, darkness and compression. What is drawn here is a plan; paint.py makes pictures of it.

Shapes: H, W pixels of the training image ("canvas"), M boxes.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_areas, box_intersection, clip_boxes

_VISIBLE_SHARE = 0.35
"""A box with less than this fraction inside the canvas or in front of occluders does not count."""

Generator = np.random.Generator
Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Strength:
    """How much is changed.

    Attributes:
        zoom: standard deviation of the logarithm of the scale.
        drift: camera movement, fractions of the canvas a second.
        colour: range of brightness, contrast and saturation.
        occluders: probability that something passes in front in a clip.
        spells: probability that a clip has a spell of bad frames.
    """

    zoom: float = 0.35
    drift: float = 0.1
    colour: float = 0.3
    occluders: float = 0.4
    spells: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Occluder:
    """A bar or block before the picture.

    Attributes:
        box: x1 y1 x2 y2, whole pixels of the canvas.
        texture: (h, w, 3) uint8 RGB, stretched to the box.
    """

    box: tuple[int, int, int, int]
    texture: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class FramePlan:
    """What is done to one frame, in this order.

    Attributes:
        canvas: (height, width) of the training image, pixels.
        halved: whether the frame is made half as large first, by area: sampling every other pixel would alias.
        matrix: (2, 3) float64, from pixels of the (halved) frame to pixels of the canvas; no rotation.
        colours: (1, 256, 3) uint8, what each value of each channel becomes.
        saturation: 1 leaves it.
        occluders: what passes in front.
        blur: (k, k) float32, sum 1; None leaves it sharp.
        brightness: None leaves it.
        jpeg_quality: None leaves it.
        noise: standard deviation, of 255.
        usual_noise: the same, where there is no spell of bad frames.
        spoilt: whether this is a bad frame.
    """

    canvas: tuple[int, int]
    halved: bool
    matrix: NDArray[np.float64]
    colours: NDArray[np.uint8]
    saturation: float
    occluders: tuple[Occluder, ...]
    blur: NDArray[np.float32] | None = None
    brightness: float | None = None
    jpeg_quality: int | None = None
    noise: float = 0.0
    usual_noise: float = 0.0
    spoilt: bool = False

    def sound(self) -> "FramePlan":
        """The same frame as it would look without the spell."""
        return replace(self, blur=None, brightness=None, jpeg_quality=None, noise=self.usual_noise, spoilt=False)


class ClipAugmentation:
    """One draw: plans for the frames of one clip in order."""

    def __init__(
        self, rng: Generator, source: tuple[int, int], canvas: tuple[int, int], strength: Strength, shake: float
    ) -> None:
        """Draw.

        Args:
            source: (height, width) of the frames that come, pixels.
            canvas: (height, width) wanted, pixels.
            shake: extra camera movement for stills, fractions of the canvas a second.
        """
        self._rng, self._canvas = rng, canvas
        height, width = canvas
        fit = min(height / source[0], width / source[1])
        self._scale = fit * float(np.exp(rng.normal(0.1, strength.zoom)))
        self._flip = bool(rng.random() < 0.5)
        room = np.array([width - source[1] * self._scale, height - source[0] * self._scale])
        self._offset = room * rng.uniform(0, 1, 2) + np.array([width, height]) * rng.normal(0, 0.05, 2)
        moving = strength.drift * (rng.random() < 0.5) + shake
        self._velocity = rng.normal(0, 1, 2) * moving * max(canvas)
        self._zoom_rate = float(rng.normal(0, 1)) * moving * 0.5
        self._source_width = source[1]
        self._colours = _colour_table(rng, strength.colour)
        self._saturation = float(rng.uniform(1 - strength.colour, 1 + strength.colour))
        self._occluders = _Occluders(rng, canvas) if rng.random() < strength.occluders else None
        self._spells = _Spells(rng, strength.spells)
        self._time_s = 0.0

    def next_frame(self, dt_s: float) -> FramePlan:
        """What is done to the next frame, dt_s seconds after the one before."""
        self._time_s += dt_s
        halved = self._scale < 0.5
        plan = FramePlan(
            canvas=self._canvas,
            halved=halved,
            matrix=self._matrix(0.5 if halved else 1.0),
            colours=self._colours,
            saturation=self._saturation,
            occluders=() if self._occluders is None else self._occluders.move(dt_s),
        )
        return self._spells.spoil(plan)

    def boxes(self, boxes: Boxes) -> tuple[Boxes, NDArray[np.bool_]]:
        """Where boxes of the frame given last lie on the canvas.

        Args:
            boxes: (M, 4) float32, xyxy, pixels of the frame.

        Returns:
            (M, 4) float32, clipped to the canvas; and (M,) bool, whether enough of each can be seen.
        """
        matrix = self._matrix(1.0)
        x = boxes[:, [0, 2]] * matrix[0, 0] + matrix[0, 2]
        y = boxes[:, [1, 3]] * matrix[1, 1] + matrix[1, 2]
        moved = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1).astype(np.float32)
        height, width = self._canvas
        clipped = clip_boxes(moved, width, height)
        share = box_areas(clipped) / np.maximum(box_areas(moved), 1e-6)
        big_enough = (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf) >= 3.0
        return clipped, (share >= _VISIBLE_SHARE) & big_enough

    def hidden_share(self, boxes: Boxes) -> NDArray[np.float32]:
        """(M,) float32, fraction of each box, on the canvas, that occluders of the last frame cover."""
        return np.zeros(len(boxes), np.float32) if self._occluders is None else self._occluders.cover(boxes)

    def _matrix(self, shrunk: float) -> NDArray[np.float64]:
        scale = self._scale * float(np.exp(np.clip(self._zoom_rate * self._time_s, -0.5, 0.5)))
        limit = 0.35 * max(self._canvas)
        x, y = self._offset + np.clip(self._velocity * self._time_s, -limit, limit)
        sign = 1.0
        if self._flip:
            sign, x = -1.0, x + self._source_width * scale
        return np.array([[sign * scale / shrunk, 0, x], [0, scale / shrunk, y]])


def _colour_table(rng: Generator, colour: float) -> NDArray[np.uint8]:
    """Brightness, contrast, gamma and white balance as one table of 256 x 3."""
    x = np.linspace(0, 1, 256)[:, None]
    gamma = np.exp(rng.normal(0, colour * 0.6))
    contrast = rng.uniform(1 - colour, 1 + colour)
    balance = rng.normal(1, colour * 0.2, 3)
    y = ((x**gamma - 0.5) * contrast + 0.5 + rng.normal(0, colour * 0.25)) * balance
    table: NDArray[np.uint8] = (y * 255).clip(0, 255).astype(np.uint8)[None]
    return table


class _Occluders:
    """Bars and blocks that cross the picture."""

    def __init__(self, rng: Generator, canvas: tuple[int, int]) -> None:
        self._height, self._width = canvas
        count = int(rng.integers(1, 4))
        w = rng.uniform(0.04, 0.16, count) * self._width
        h = np.where(rng.random(count) < 0.5, self._height * 1.2, rng.uniform(0.2, 0.5, count) * self._height)
        x = rng.uniform(0, self._width, count)
        y = np.where(h > self._height, -0.1 * self._height, rng.uniform(0, self._height, count) - h / 2)
        self._boxes = np.stack([x, y, x + w, y + h], axis=1)
        self._velocity = rng.normal(0, 0.3, count) * self._width
        self._texture = [
            np.asarray(
                cv2.resize(rng.integers(0, 255, (4, 3, 3), np.uint8) // 2 + int(rng.integers(0, 120)), (32, 64)),
                np.uint8,
            )
            for _ in range(count)
        ]

    def move(self, dt_s: float) -> tuple[Occluder, ...]:
        """Where they are a moment later, as far as they can be seen."""
        self._boxes[:, [0, 2]] += (self._velocity * min(dt_s, 0.5))[:, None]
        seen = []
        clipped = clip_boxes(self._boxes, self._width, self._height)
        for box, texture in zip(clipped, self._texture, strict=True):
            x1, y1, x2, y2 = (int(v) for v in box)
            if x2 - x1 >= 2 and y2 - y1 >= 2:
                seen.append(Occluder((x1, y1, x2, y2), texture))
        return tuple(seen)

    def cover(self, boxes: Boxes) -> NDArray[np.float32]:
        """Fraction of each box that is covered; overlapping occluders count once each, at most 1."""
        covered = box_intersection(boxes, self._boxes).sum(axis=1) / np.maximum(box_areas(boxes), 1e-6)
        return np.asarray(np.minimum(covered, 1.0), np.float32)


class _Spells:
    """Runs of one to four frames that are blurred, noisy, dark or badly compressed."""

    def __init__(self, rng: Generator, probability: float) -> None:
        self._rng = rng
        self._rate = 0.14 if rng.random() < probability else 0.0
        self._noise = float(rng.uniform(2, 8)) if rng.random() < 0.6 * probability else 0.0
        self._left, self._kind = 0, 0

    def spoil(self, plan: FramePlan) -> FramePlan:
        """The plan with what is bad about this frame."""
        if self._left == 0 and self._rng.random() < self._rate:
            self._left, self._kind = int(self._rng.integers(1, 5)), int(self._rng.integers(0, 4))
        plan = replace(plan, noise=self._noise, usual_noise=self._noise, spoilt=self._left > 0)
        if self._left == 0:
            return plan
        self._left -= 1
        match self._kind:
            case 0:
                return replace(plan, blur=self._motion_kernel())
            case 1:
                return replace(plan, noise=float(self._rng.uniform(20, 60)))
            case 2:
                noise = float(self._rng.uniform(1, 7))
                return replace(plan, noise=noise, brightness=float(self._rng.uniform(0.06, 0.4)))
            case _:
                return replace(plan, jpeg_quality=int(self._rng.integers(3, 14)))

    def _motion_kernel(self) -> NDArray[np.float32]:
        size = int(self._rng.integers(7, 24)) | 1
        kernel = np.zeros((size, size), np.float32)
        angle = self._rng.uniform(0, np.pi)
        reach = np.array([np.cos(angle), np.sin(angle)]) * (size // 2)
        centre = size // 2
        start, end = (np.rint(centre + sign * reach).astype(int).tolist() for sign in (-1, 1))
        cv2.line(kernel, start, end, 1.0)
        return np.asarray(kernel / kernel.sum(), np.float32)
