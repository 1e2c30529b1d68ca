"""Ways to look at a stream: fully at every k-th frame, and lightly, blindly or not at all in between.

fast_slow.py measures them. Shapes: B streams, T frames, C channels, H, W pixels or cells.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import process_time
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamdet.boxes import Letterbox
from streamdet.datasets.labels import LabelledVideo
from streamdet.detections import Detections
from streamdet.evaluation.memory_gain import TRACKED_SCORE
from streamdet.evaluation.predict import LOWEST_SCORE, MAX_DETECTIONS
from streamdet.frames import Image
from streamdet.models.contract import Detector
from streamdet.models.recurrent.detector import Outputs, RecurrentDetector
from streamdet.models.recurrent.state import State
from streamdet.runtimes.letterbox import shrink
from streamdet.tracking import kalman
from streamdet.tracking.byte_tracker import ByteTracker

FULL_SIZE, SMALLER_SIZES, LIGHT_SIZE = 320, (288, 256, 224, 192, 160), 192
EVERY = (2, 3, 5)

Between = Literal["hold", "move", "forget", "read", "update", "again", "alone"]
BETWEEN: Mapping[Between, str] = {
    "hold": "boxes held",
    "move": "boxes moved",
    "forget": "light look without memory",
    "read": "light look, memory only read",
    "update": "light look, memory updated",
    "again": "memory shown the last features again",
    "alone": "memory alone",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How the frames of a stream are looked at.

    Attributes:
        size: longer side of the picture of a full look, pixels.
        every: k: every k-th frame is looked at fully.
        between: what is done with the frames between.
        light_size: longer side of the picture of a light look, pixels; 0 where there is none.
        torch: in torch, which the memory alone needs.
    """

    size: int = FULL_SIZE
    every: int = 1
    between: Between = "hold"
    light_size: int = 0
    torch: bool = False

    @property
    def label(self) -> str:
        """For tables."""
        name = f"{self.size} every frame" if self.every == 1 else f"k = {self.every}, {BETWEEN[self.between]}"
        return name + (f", at {self.light_size}" if self.light_size else "") + (" (torch)" if self.torch else "")


SKIPS: tuple[Between, ...] = ("hold", "move")
LOOKS: tuple[Between, ...] = ("forget", "read", "update")
BLIND: tuple[Between, ...] = ("again", "alone")
SINGLE, TORCH_SINGLE = Way(), Way(torch=True)
RIVALS = (SINGLE, *(Way(size) for size in SMALLER_SIZES))
WAYS = (
    *RIVALS,
    *(Way(every=k, between=between) for between in SKIPS for k in EVERY),
    *(Way(every=k, between=look, light_size=LIGHT_SIZE) for look in LOOKS for k in EVERY),
    TORCH_SINGLE,
    *(Way(every=k, between=between, torch=True) for between in BLIND for k in EVERY),
)


class Stream:
    """One way along one stream, frame by frame as a live one is looked at.

    Attributes:
        cpu_s: CPU seconds that detector, memory and moving took so far; pictures, selection of boxes and tracks, which
            a run has in any case, do not count.
    """

    def __init__(self, way: Way, detector: Detector, video: LabelledVideo) -> None:
        self.cpu_s = 0.0
        self._way, self._detector = way, detector
        self._full, self._light = (
            Letterbox.fit(video.width, video.height, size) for size in (way.size, way.light_size or way.size)
        )
        self._limit = np.array([video.width, video.height] * 2, np.float32)
        self.begin()

    def begin(self) -> None:
        """Start anew, as after a break in time."""
        self._number = 0
        self._state: State | None = None
        self._state_box, self._state_s = self._full, 0.0
        self._found_s, self._found = 0.0, Detections.empty(self._detector.classes)
        # It gives an identity to every box that could belong to an object.
        self._tracker = ByteTracker(start_score=TRACKED_SCORE, confirm_score=0)

    def look(self, image: Image, time_s: float) -> Detections:
        """What is found in the next frame."""
        full, between = self._number % self._way.every == 0, self._way.between
        self._number += 1
        if full:
            self._found, self._found_s = self._see(image, self._full, time_s), time_s
            if between == "move":
                self._found = self._tracker.update(self._found, time_s)
            return self._found
        if between in LOOKS:
            return self._see(image, self._light, time_s, remembers=between != "forget", writes=between == "update")
        with self._timed():
            return self._moved(time_s) if between == "move" else self._found

    def _see(
        self, image: Image, box: Letterbox, time_s: float, *, remembers: bool = True, writes: bool = True
    ) -> Detections:
        picture = shrunk(image, box)
        with self._timed():
            state, dt_s = None, self._detector.training_dt_s
            if remembers and self._state is not None:
                state = resized(self._state, self._state_box, box)
                dt_s = max(time_s - self._state_s, 1e-3)
            outputs, state = self._detector.step(picture, state, torch.tensor([[dt_s]]))
            if writes:
                self._state, self._state_box, self._state_s = state, box, time_s
        return select(outputs, box)

    def _moved(self, time_s: float) -> Detections:
        """The boxes found last, each moved as its track is expected to; those without a track stay."""
        tracks = self._tracker.state_dict()
        means, covariances = np.asarray(tracks["mean"]), np.asarray(tracks["covariance"])
        later, _ = kalman.predict(means, covariances, time_s - self._found_s)
        steps = kalman.boxes_of(later) - kalman.boxes_of(means)
        same = self._found.track_ids[:, None] == np.asarray(tracks["id"])[None, :]
        boxes = np.clip(self._found.boxes + same @ steps, 0, self._limit)
        return self._found.with_boxes(boxes)[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun_s = process_time()
        yield
        self.cpu_s += process_time() - begun_s


class BlindStream(Stream):
    """The same where the memory goes on by itself between full looks: it costs no backbone.

    `again` shows it the features of the last full look once more; `alone` shows it nothing: zeros.
    """

    def __init__(self, way: Way, detector: Detector, video: LabelledVideo, model: RecurrentDetector) -> None:
        self._model = model
        self._features: list[Tensor] = []
        super().__init__(way, detector, video)

    def look(self, image: Image, time_s: float) -> Detections:
        full = self._number % self._way.every == 0
        dt_s = self._detector.training_dt_s if self._number == 0 else max(time_s - self._state_s, 1e-3)
        self._number += 1
        picture, box = shrunk(image, self._full) if full else None, self._full
        with torch.inference_mode(), self._timed():
            model, state = self._model, self._state or self._model.zero_state(1, box.model_height, box.model_width)
            if picture is not None:
                self._features = features = model.features(picture)
            elif self._way.between == "again":
                features = self._features
            else:
                features = [torch.zeros_like(level) for level in self._features]
            fused, self._state = model.fuse(features, state, torch.tensor([[dt_s]]))
            outputs = model.decode(model.read(fused), box.model_height, box.model_width)
            self._state_s = time_s
        return select(outputs, box)


def shrunk(image: Image, box: Letterbox) -> Tensor:
    """(1, 1, 3, H, W) uint8, a model image."""
    out = np.empty((box.model_height, box.model_width, 3), np.uint8)
    shrink(image, box, out)
    return torch.from_numpy(out).permute(2, 0, 1)[None, None]


def select(outputs: Outputs, box: Letterbox) -> Detections:
    """The boxes of one frame, in pixels of the frame."""
    found = outputs.detections(conf=LOWEST_SCORE, iou=0.6, max_detections=MAX_DETECTIONS)[0][0]
    return found.with_boxes(box.restore(found.boxes))


def resized(state: State, source: Letterbox, target: Letterbox) -> State:
    """Memory of model images of one size for those of another: bilinear, and what was seen stays at its place.

    Model images are filled up to multiples of 32, so the maps as a whole would not lie on each other.
    """
    if source == target:
        return state
    hidden: list[Tensor] = []
    cell: list[Tensor] = []
    for h, c in zip(state.hidden, state.cell, strict=True):
        places = _places(source, target, source.model_height // h.shape[2])
        both = F.grid_sample(torch.cat((h, c), dim=1), places, padding_mode="border", align_corners=False)
        for part, x in zip((hidden, cell), both.chunk(2, dim=1), strict=True):
            part.append(x)
    return State(tuple(hidden), tuple(cell))


@cache
def _places(source: Letterbox, target: Letterbox, stride: int) -> Tensor:
    """(1, H, W, 2): where the cells of the target's map lie in the source's, x y, -1 to 1."""
    x, y = (
        ((torch.arange(cells) + 0.5) * stride * scale * 2 / side - 1).float()
        for cells, scale, side in (
            (target.model_width // stride, source.scaled_width / target.scaled_width, source.model_width),
            (target.model_height // stride, source.scaled_height / target.scaled_height, source.model_height),
        )
    )
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
