"""Run a detector over labelled videos, with the memory treated as a judgement asks.

Shapes: B streams, T frames.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledVideo
from streamdet.detections import Detections
from streamdet.models.detector import Outputs
from streamdet.models.state import State
from streamdet.runtimes.contract import Detector
from streamdet.runtimes.letterbox import Letterbox

Memory = Literal["carry", "reset", "shuffle"]
CHUNK_FRAMES = 8
_LOWEST_SCORE = 0.02
_MAX_DETECTIONS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a detector found in one video.

    Attributes:
        video: the labelled video.
        detections: one a frame, in the video's order.
        latency_s: (F,) float64, seconds of computing a frame.
    """

    video: LabelledVideo
    detections: list[Detections]
    latency_s: NDArray[np.float64]


def predict(
    detector: Detector,
    video: LabelledVideo,
    *,
    memory: Memory = "carry",
    image_size: int | None = None,
    seed: int = 0,
) -> Prediction:
    """Find objects in every frame of a video.

    Args:
        detector: the model.
        memory: carry = as in a run; reset = forget after every frame; shuffle = carry over the frames in random
            order (what a memory gains must vanish).
        image_size: longer side of the model image in pixels; the model's own when None.
        seed: of the shuffled order.
    """
    letterbox = Letterbox.fit(video.width, video.height, image_size or detector.image_size)
    frames = len(video)
    images = np.empty((frames, letterbox.model_height, letterbox.model_width, 3), np.uint8)
    for index, image in enumerate(video.frames.read(0, frames)):
        fitting = letterbox if image.shape[:2] == (video.height, video.width) else None
        if fitting is None:
            raise ValueError(f"{video.name}: frame {index} is {image.shape[1]}x{image.shape[0]}, not as labelled")
        letterbox.shrink(image, images[index])
    order = np.random.default_rng(seed).permutation(frames) if memory == "shuffle" else np.arange(frames)
    dt_s = np.diff(video.times_s, prepend=video.times_s[:1] - detector.training_dt_s)
    detections: list[Detections] = [Detections.empty(detector.classes)] * frames
    latency_s = np.zeros(frames)
    starts = {start for start, _ in video.segments}
    for places, outputs, seconds in _chunks(detector, images[order], dt_s, starts, memory):
        found = [row for lane in _kept(outputs) for row in lane]
        for place, row in zip(places, found, strict=True):
            detections[order[place]] = row.with_boxes(letterbox.restore(row.boxes))
            latency_s[order[place]] = seconds / len(places)
    return Prediction(video, detections, latency_s)


def _kept(outputs: Outputs) -> list[list[Detections]]:
    return outputs.detections(conf=_LOWEST_SCORE, iou=0.6, max_detections=_MAX_DETECTIONS)


def _chunks(
    detector: Detector, images: NDArray[np.uint8], dt_s: NDArray[np.float64], starts: set[int], memory: Memory
) -> Iterator[tuple[Sequence[int], Outputs, float]]:
    state: State | None = None
    first = 0
    while first < len(images):
        last = first + 1
        while last < len(images) and last - first < CHUNK_FRAMES and last not in starts:
            last += 1
        if first in starts:
            state = None
        chunk = torch.from_numpy(images[first:last]).permute(0, 3, 1, 2)
        begun_s = time.perf_counter()
        if memory == "reset":
            outputs, _ = detector.step(chunk[:, None])
        else:
            elapsed = torch.from_numpy(dt_s[None, first:last].clip(min=1e-3)).float()
            outputs, state = detector.step(chunk[None], state, elapsed)
        yield range(first, last), outputs, time.perf_counter() - begun_s
        first = last
