"""Which frames of a stream the detector looks at, where the object memory carries the others."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from streamdet.boxes import box_iou
from streamdet.detections import Detections
from streamdet.models.options import KEEP

_MAX_EVERY = 100


def _every(value: Any) -> int | Literal["auto"]:
    """Read N, "N" or "auto"."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if value == "auto" or (type(number) is int and 1 <= number <= _MAX_EVERY):
        return "auto" if value == "auto" else number
    raise ValueError(f"expected auto or a whole number from 1 to {_MAX_EVERY}, got {json.dumps(value)}")


Every = Annotated[Any, AfterValidator(_every)]
"""Look at every N-th frame, an int; or "auto"."""

MAX_INTERVAL_S = 0.2
"""Of auto: at most this long without a look, so that what is new is seen soon."""
_MAX_CHANGE = 0.25  # 1 - IoU that an object may gather until the next look
_SAME_IOU = 0.3
_SURE_SCORE, _WEAK_SCORE = KEEP.conf, 0.12


class Looking:
    """Decides for one stream.

    Args:
        every: look at every N-th frame; auto: sooner where objects are fast, new or lost, at most 0.2 s apart.
    """

    def __init__(self, every: int | Literal["auto"]) -> None:
        self._every = every
        self.reset()

    def reset(self) -> None:
        """Look at the next frame, whatever was before."""
        self._passed = 0  # frames since the last look
        self._time_s, self._interval_s = np.nan, 0.0
        self._boxes, self._scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)

    def due(self, time_s: float) -> bool:
        """Whether to look at the frame of this time, the next one of the stream."""
        if np.isnan(self._time_s):
            return True
        self._passed += 1
        if self._every != "auto":
            return self._passed >= self._every
        return time_s - self._time_s >= self._interval_s - 1e-6 or time_s < self._time_s

    def looked(self, found: Detections, time_s: float) -> None:
        """What was found in a frame that was looked at."""
        if self._every == "auto":
            self._interval_s = self._next_interval_s(found, time_s)
            self._boxes, self._scores = found.boxes, found.scores
        self._passed, self._time_s = 0, time_s

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """What `restore` needs."""
        numbers = np.array([self._passed, self._time_s, self._interval_s])
        return {"numbers": numbers, "boxes": self._boxes.copy(), "scores": self._scores.copy()}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Continue where `snapshot` was taken."""
        passed, self._time_s, self._interval_s = map(float, saved["numbers"])
        self._passed, self._boxes, self._scores = int(passed), saved["boxes"], saved["scores"]

    def _next_interval_s(self, found: Detections, time_s: float) -> float:
        """How long the memory can carry what is there: the fastest object counts."""
        if np.isnan(self._time_s):
            return 0.0
        overlap = box_iou(found.boxes, self._boxes)
        new = (overlap * (self._scores >= _WEAK_SCORE)).max(axis=1, initial=0.0)[found.scores >= _SURE_SCORE]
        lost = (overlap.T * (found.scores >= _WEAK_SCORE)).max(axis=1, initial=0.0)[self._scores >= _SURE_SCORE]
        least = float(np.concatenate([new, lost]).min(initial=1.0))
        if least < _SAME_IOU:
            return 0.0
        passed_s = max(time_s - self._time_s, 1e-3)
        return min(MAX_INTERVAL_S, passed_s * _MAX_CHANGE / max(1 - least, 1e-3))
