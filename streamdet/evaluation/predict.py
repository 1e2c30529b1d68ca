"""Run a detector over labelled videos, with the recurrent state carried, reset or shuffled.

A video is read, scaled and processed chunk by chunk, so its length does not matter; only shuffled order needs all of
its model images at hand.

Shapes: B streams, T frames.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import Letterbox
from streamdet.datasets.labels import LabelledVideo
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.frames import Image, RgbPicture
from streamdet.models.contract import Detector
from streamdet.models.contract import Memory as State
from streamdet.models.options import DetectOptions
from streamdet.runtimes.letterbox import shrink

Memory = Literal["carry", "reset", "shuffle"]
CHUNK_FRAMES = 8
LOWEST_SCORE = 0.02
MAX_DETECTIONS = 100
# Not what a run shows: AP of a class counts second opinions on an object for what they are worth.
OPINIONS = DetectOptions(conf=LOWEST_SCORE, iou=0.6, exclusive=(), max_detections=MAX_DETECTIONS)
OBJECTS = DetectOptions(conf=LOWEST_SCORE, iou=0.6, max_detections=MAX_DETECTIONS)
"""One box for each object, as the object memory needs them."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a detector found in one video.

    Attributes:
        video: the labelled video.
        detections: one a frame, in the video's order.
        latency_s: (F,) float64, seconds from a decoded frame to its boxes, the mean of its chunk; 0 for a frame that
            was not processed.
    """

    video: LabelledVideo
    detections: list[Detections]
    latency_s: NDArray[np.float64]


def predict(
    detector: Detector,
    video: LabelledVideo,
    *,
    memory: Memory = "carry",
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
    chunk_frames: int = CHUNK_FRAMES,
    taken: NDArray[np.bool_] | None = None,
    options: DetectOptions = OPINIONS,
) -> Prediction:
    """Find objects in every frame of a video.

    Args:
        detector: the model.
        memory: carry = as in a run; reset = empty the state at every frame; shuffle = carry over the frames in random
            order (what a memory gains must vanish).
        image_size: longer side of the model image, or its height and width, in pixels; the model's own when None.
        seed: of the shuffled order.
        chunk_frames: how many frames the detector gets at once; 1 is how a live stream is run. The boxes are the same.
        taken: (F,) bool, the frames that the detector looks at; it knows the time that passed in between. Nothing is
            found in the others.
        options: which boxes are kept.

    Raises:
        ConfigError: if a frame is not of the size that the labels are for.
    """
    letterbox = detector.spec.input.letterbox(video.width, video.height, image_size, video.pixel_aspect)
    places = np.arange(len(video)) if taken is None else np.flatnonzero(taken)
    shrunk, shown = _shrink(video, letterbox, detector.spec.input.padding, places), places
    if memory == "shuffle":
        order = shuffled_order(len(places), seed)
        held = list(shrunk)
        shrunk, shown = (held[index] for index in order), places[order]
    detections: list[Detections] = [Detections.empty(detector.spec.classes)] * len(video)
    latency_s = np.zeros(len(video))
    timing, shaped = _Timing.of(video, places, detector), video.has_shapes
    for span, rows, seconds in _look(detector, shrunk, timing, memory, chunk_frames, options):
        for place, row in zip(shown[span], rows, strict=True):
            found = row.restored(letterbox)
            detections[place] = found if shaped else replace(found, masks=None, keypoints=None)
        latency_s[shown[span]] = seconds / len(rows)
    return Prediction(video, detections, latency_s)


def shuffled_order(frames: int, seed: int = 0) -> NDArray[np.int64]:
    """(F,) int64: which frame is shown at each moment of a shuffled video."""
    return np.random.default_rng(seed).permutation(frames)


@dataclass(frozen=True, slots=True, eq=False)
class _Timing:
    """Of the N frames that are processed: (N,) float32 seconds since the frame before, and where segments start."""

    dt_s: NDArray[np.float32]
    starts: NDArray[np.bool_]

    @classmethod
    def of(cls, video: LabelledVideo, places: NDArray[np.int64], detector: Detector) -> "_Timing":
        times_s = video.times_s[places]
        dt_s = np.diff(times_s, prepend=times_s[:1] - detector.spec.training_dt_s).clip(min=1e-3)
        segment = np.searchsorted([start for start, _ in video.segments], places, side="right")
        return cls(dt_s.astype(np.float32), np.diff(segment, prepend=0) > 0)


def _shrink(
    video: LabelledVideo, letterbox: Letterbox, padding: int, places: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Model images of these frames in order, and the seconds that each took once it was decoded."""
    stop = int(places[-1]) + 1 if len(places) else 0
    wanted = set(places.tolist())
    for index, image in enumerate(video.frames.read(0, stop)):
        _check_size(video, index, image)
        if index in wanted:
            started_s = time.perf_counter()
            out = np.empty((letterbox.model_height, letterbox.model_width, 3), np.uint8)
            shrink(RgbPicture(image), letterbox, padding, out)
            yield out, time.perf_counter() - started_s


def _check_size(video: LabelledVideo, index: int, image: Image) -> None:
    height, width = image.shape[:2]
    if (width, height) != (video.width, video.height):
        raise ConfigError(
            f"{video.name}: frame {index} has {width}x{height} pixels, but its labels are for "
            f"{video.width}x{video.height}; label a video that changes its size as one video for each size"
        )


def _look(
    detector: Detector,
    shrunk: Iterator[tuple[NDArray[np.uint8], float]],
    timing: _Timing,
    memory: Memory,
    chunk_frames: int,
    options: DetectOptions,
) -> Iterator[tuple[slice, list[Detections], float]]:
    """Which frames, the detections of each, and the seconds that they took together."""
    state: State | None = None
    first, frames = 0, len(timing.dt_s)
    while first < frames:
        last = first + 1
        while last < min(frames, first + chunk_frames) and not timing.starts[last]:
            last += 1
        images, seconds = zip(*islice(shrunk, last - first), strict=True)
        started_s = time.perf_counter()
        chunk = np.stack(images).transpose(0, 3, 1, 2)
        if memory == "reset":
            outputs, _ = detector.step(chunk[:, None])
        else:
            before = None if timing.starts[first] else state
            outputs, state = detector.step(chunk[None], before, timing.dt_s[None, first:last])
        found = [row for lane in outputs.detections(options) for row in lane]
        yield slice(first, last), found, time.perf_counter() - started_s + sum(seconds)
        first = last
