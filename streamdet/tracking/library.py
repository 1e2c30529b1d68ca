"""The trackers of the package `trackers` (OC-SORT, BoT-SORT, C-BIoU, ByteTrack) as a Tracker."""

import inspect
from typing import Any

import numpy as np

from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.tracking.options import TrackOptions

_CLASSES = {
    "botsort": "BoTSORTTracker",
    "bytetrack": "ByteTrackTracker",
    "cbiou": "CBIoUTracker",
    "ocsort": "OCSORTTracker",
}
NAMES = tuple(_CLASSES)

_BUFFER_PER_S = 30  # what the package divides its lost_track_buffer by to get seconds
_LEAST_STEP_S = 1e-3


class LibraryTracker:
    """A tracker of the package; it cannot be saved. It knows no classes: a track may change its class.

    Args:
        options: high_score, start_score and lost_s are used; for the rest the package's own values are taken, and
            the camera's motion is not compensated.
        conf: lowest score of the boxes that it will get.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, options: TrackOptions, conf: float) -> None:
        try:
            import trackers
        except ModuleNotFoundError as error:
            if error.name != "trackers":
                raise
            raise ConfigError(
                f"track.tracker {options.tracker} needs the package trackers: pip install 'streamdet[trackers]'"
            ) from error
        kind = getattr(trackers, _CLASSES[options.tracker])
        known = inspect.signature(kind).parameters
        thresholds = options.thresholds(conf)
        wanted = {
            "high_conf_det_threshold": thresholds.high_score,
            "track_activation_threshold": max(thresholds.start_score, thresholds.high_score),
            "lost_track_buffer": round(options.lost_s * _BUFFER_PER_S),
            "enable_cmc": False,
        }
        self._tracker: Any = kind(**{name: value for name, value in wanted.items() if name in known})
        self._time_s = -np.inf
        self._first_id = self._next_id = 1

    def update(self, detections: Detections, time_s: float, size: tuple[int, int] | None = None) -> Detections:
        """See Tracker."""
        import supervision

        usable = np.flatnonzero(
            np.isfinite(detections.boxes).all(axis=1) & (detections.boxes[:, 2:] > detections.boxes[:, :2]).all(axis=1)
        )
        given = supervision.Detections(
            xyxy=detections.boxes[usable].astype(np.float64),
            confidence=detections.scores[usable],
            class_id=detections.class_ids[usable].astype(int),
            data={"row": usable},
        )
        self._time_s = max(time_s, self._time_s + _LEAST_STEP_S)
        tracked = self._tracker.update(given, timestamp=self._time_s)
        track_ids = np.full(len(detections), -1, np.int64)
        if len(tracked):
            found = np.asarray(tracked.tracker_id, np.int64)
            track_ids[tracked.data["row"]] = np.where(found >= 0, found + self._first_id, -1)
            self._next_id = max(self._next_id, int(track_ids.max()) + 1)
        return detections.with_track_ids(track_ids)

    def reset(self) -> None:
        """See Tracker."""
        self._tracker.reset()
        self._time_s = -np.inf
        self._first_id = self._next_id
