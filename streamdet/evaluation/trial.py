"""One detector run over labelled videos: what is judged."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledVideo
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.evaluation import predict as predicting
from streamdet.evaluation.follow import follow, remember
from streamdet.evaluation.predict import CHUNK_FRAMES, OBJECTS, OPINIONS, Prediction, predict, shuffled_order
from streamdet.evaluation.streaming import streaming_average_precision, taken_frames
from streamdet.models.contract import Detector

Memory = Literal["carry", "reset", "shuffle", "both", "objects", "features", "none"]
"""Which memories are used: of objects and of features, or one of them. carry is both, reset is none, shuffle is both
over frames in random order."""
_FEATURES: dict[Memory, predicting.Memory] = {
    "carry": "carry",
    "both": "carry",
    "features": "carry",
    "reset": "reset",
    "none": "reset",
    "objects": "reset",
    "shuffle": "shuffle",
}
_OBJECTS: tuple[Memory, ...] = ("carry", "both", "objects", "shuffle")


@dataclass(frozen=True, slots=True)
class Way:
    """How a detector is run; see streamdet.evaluation.predict.predict.

    Attributes:
        memory: see Memory.
        image_size: longer side of the model image, or its height and width, in pixels; the model's own when None.
        chunk_frames: how many frames the detector gets at once; 1 to measure the latency of a live stream.
        only: names of the classes that are looked for, so that others take no box's place; all when None.
    """

    memory: Memory = "carry"
    image_size: int | tuple[int, int] | None = None
    chunk_frames: int = CHUNK_FRAMES
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What came of it.

    Attributes:
        pairs: the videos, with one Detections a frame.
        latencies_s: for each video (F,) float64, seconds from a decoded frame to its boxes.
        elapsed_s: seconds that all took, decoding included.
        tracked: whether objects were followed.
    """

    pairs: list[tuple[LabelledVideo, list[Detections]]]
    latencies_s: list[NDArray[np.float64]]
    elapsed_s: float
    tracked: bool

    def labelled_by(self, videos: Sequence[LabelledVideo]) -> list[tuple[LabelledVideo, list[Detections]]]:
        """The same detections with other labels of the same frames."""
        return [(video, found) for video, (_, found) in zip(videos, self.pairs, strict=True)]


def run_trial(detector: Detector, videos: Sequence[LabelledVideo], way: Way, *, tracked: bool = True) -> Trial:
    """Run a detector over videos.

    Args:
        tracked: give identities to what a run would show; without it there is no object memory.

    Raises:
        ConfigError: if a frame cannot be read or is not of the size that the labels are for.
        ModelError: if the device fails.
    """
    started_s = time.perf_counter()
    pairs, latencies_s = [], []
    for video in videos:
        seen = _run(detector, video, way, tracked=tracked)
        pairs.append((video, seen.detections))
        latencies_s.append(seen.latency_s)
    return Trial(pairs, latencies_s, time.perf_counter() - started_s, tracked)


def _run(
    detector: Detector, video: LabelledVideo, way: Way, *, tracked: bool, taken: NDArray[np.bool_] | None = None
) -> Prediction:
    objects = tracked and way.memory in _OBJECTS
    seen = predict(
        detector,
        video,
        memory=_FEATURES[way.memory],
        image_size=way.image_size,
        chunk_frames=way.chunk_frames,
        taken=taken,
        options=(OBJECTS if objects else OPINIONS).model_copy(update={"classes": way.only}),
    )
    if objects:
        order = shuffled_order(len(video)) if way.memory == "shuffle" else None
        return replace(seen, detections=remember(video, seen.detections, taken=taken, order=order))
    return replace(seen, detections=follow(video, seen.detections)) if tracked else seen


def streaming_figures(
    detector: Detector,
    trial: Trial,
    way: Way,
    classes: Sequence[str],
    *,
    latency_s: float | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Any]:
    """AP of the same detector if the videos came live: late results count for the frames that are shown by then.

    Where there is no time for every frame, the detector is run again over those that it has time for, so that its
    memory sees no others.

    Args:
        detector, way: as in the trial.
        classes: names of the set's classes.
        latency_s: seconds that every frame takes; as measured in the trial when None.
        only: names to judge; all by default.

    Returns:
        ap, ap50, ap75, ap_small, ap_medium, ap_large; latency_ms (the median), and taken, the fraction of the frames
        that there was time for. Stills are left out.

    Raises:
        ConfigError: if there are only stills.
    """
    pairs, latencies_s, taken = [], [], []
    for (video, detections), measured_s in zip(trial.pairs, trial.latencies_s, strict=True):
        if len(video) == 1:
            continue
        seconds = measured_s if latency_s is None else np.full(len(video), latency_s)
        here = taken_frames(video, seconds)
        found = detections if here.all() else _run(detector, video, way, tracked=trial.tracked, taken=here).detections
        pairs.append((video, found))
        latencies_s.append(seconds)
        taken.append(here)
    if not pairs:
        raise ConfigError("streaming AP needs videos: the set holds stills")
    figures = streaming_average_precision(pairs, classes, latencies_s, only)
    del figures["per_class"]
    median_ms = float(np.median(np.concatenate(latencies_s))) * 1000
    return {**figures, "latency_ms": median_ms, "taken": float(np.concatenate(taken).mean())}
