"""The usual cure for a per-frame detector that flickers: smooth what it found along the tracks that a tracker made.

It is the rival that a memory inside the detector has to beat, so it is no straw man. Places are smoothed about where
the object is expected, so a steady motion does not lag behind; and it smooths over a time, not over a number of frames,
so that at a few frames a second, where objects leave their own boxes from one frame to the next, it hardly touches
them. But it only improves on boxes that were found: where the detector finds nothing, not even with a low score, it
adds nothing, and it does not look ahead, as a live stream could not.

Source: Holt 1957 (forecasting by exponentially weighted averages); as an alpha-beta filter Kalata 1984.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.evaluation.judged import VideoLabels

BOX_S = 0.1
"""Seconds over which places and sizes are smoothed. Of the values tried (0.05 to 0.15) this one served a per-frame
model best on the footage that configs/street.yaml keeps for judging; that favours the rival."""
SCORE_S = 0.4
"""The same of scores (0.25 to 0.6 tried)."""


@dataclass(slots=True)
class _Smoothed:
    """One track: time, centre and velocity (x, y; pixels, pixels a second), size (width, height), score."""

    time_s: float
    centre: NDArray[np.float64]
    velocity: NDArray[np.float64] | None
    size: NDArray[np.float64]
    score: float

    def follow(self, time_s: float, centre: NDArray[np.float64], size: NDArray[np.float64], score: float) -> None:
        """Update with the detection of a later frame."""
        dt_s = max(time_s - self.time_s, 1e-3)
        weight = _weight(dt_s, BOX_S)
        if self.velocity is None:
            self.velocity, self.centre = (centre - self.centre) / dt_s, centre
        else:
            expected = self.centre + self.velocity * dt_s
            self.centre = expected + weight * (centre - expected)
            # This share balances noise and lag (Benedict and Bordner 1962).
            self.velocity = self.velocity + weight**2 / (2 - weight) * (centre - expected) / dt_s
        self.size = self.size + weight * (size - self.size)
        self.score += _weight(dt_s, SCORE_S) * (score - self.score)
        self.time_s = time_s


def _weight(dt_s: float, time_constant_s: float) -> float:
    """How much of what is new goes into an exponentially weighted average."""
    return 1 - math.exp(-dt_s / time_constant_s)


def smooth(video: VideoLabels, followed: Sequence[Detections]) -> list[Detections]:
    """Smooth boxes and scores along tracks, exponentially; smoothing restarts after a break in time.

    Args:
        video: tells the times and the breaks.
        followed: one Detections a frame, with identities; a box without one stays as it is.
    """
    begins = {start for start, _ in video.segments}
    tracks: dict[int, _Smoothed] = {}
    result = []
    for index, found in enumerate(followed):
        if index in begins:
            tracks.clear()
        boxes, scores = found.boxes.astype(np.float64), found.scores.copy()
        for row in np.flatnonzero(found.track_ids >= 0).tolist():
            centre, size = (boxes[row, :2] + boxes[row, 2:]) / 2, boxes[row, 2:] - boxes[row, :2]
            track, score, time_s = int(found.track_ids[row]), float(scores[row]), float(video.times_s[index])
            if track in tracks:
                tracks[track].follow(time_s, centre, size, score)
            else:
                tracks[track] = _Smoothed(time_s, centre, None, size, score)
            smoothed = tracks[track]
            boxes[row] = np.concatenate([smoothed.centre - smoothed.size / 2, smoothed.centre + smoothed.size / 2])
            scores[row] = smoothed.score
        order = np.argsort(-scores, kind="stable")
        result.append(Detections.of(boxes, scores, found.class_ids, found.classes, found.track_ids)[order])
    return result
