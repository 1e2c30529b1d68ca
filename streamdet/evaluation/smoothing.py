"""The usual cure for a per-frame detector that flickers: smooth what it found along the tracks that a tracker made.

It is the rival that a memory inside the detector has to beat, so it is no straw man: places are smoothed about where
the object is expected, so a steady motion does not lag behind. But it only improves on boxes that were found: where
the detector finds nothing, not even with a low score, it adds nothing, and it does not look ahead, as a live stream
could not.

Source: Holt 1957 (forecasting by exponentially weighted averages); as an alpha-beta filter Kalata 1984.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.evaluation.judged import VideoLabels

PLACE_WEIGHT = 0.5
"""How far the centre follows what was found in a frame, from where it was expected."""
MOTION_WEIGHT = PLACE_WEIGHT**2 / (2 - PLACE_WEIGHT)
"""The same of the velocity; this one balances noise and lag for that PLACE_WEIGHT (Benedict and Bordner 1962)."""
SIZE_WEIGHT = 0.3
"""The same of width and height."""
SCORE_WEIGHT = 0.3
"""The same of the score."""


@dataclass(slots=True)
class _Smoothed:
    """One track: time, centre and velocity (x, y; pixels, pixels a second), size (width, height), score."""

    time_s: float
    centre: NDArray[np.float64]
    velocity: NDArray[np.float64] | None
    size: NDArray[np.float64]
    score: float

    def follow(self, time_s: float, centre: NDArray[np.float64], size: NDArray[np.float64], score: float) -> None:
        """Take what was found in a later frame."""
        dt_s = max(time_s - self.time_s, 1e-3)
        if self.velocity is None:
            self.velocity, self.centre = (centre - self.centre) / dt_s, centre
        else:
            expected = self.centre + self.velocity * dt_s
            self.centre = expected + PLACE_WEIGHT * (centre - expected)
            self.velocity = self.velocity + MOTION_WEIGHT * (centre - expected) / dt_s
        self.size = self.size + SIZE_WEIGHT * (size - self.size)
        self.score += SCORE_WEIGHT * (score - self.score)
        self.time_s = time_s


def smooth(video: VideoLabels, followed: Sequence[Detections]) -> list[Detections]:
    """Smooth boxes and scores along tracks, exponentially; a break in time begins anew.

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
