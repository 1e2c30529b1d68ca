"""Which tracker runs, and its thresholds, on the score scale of the detector."""

import math
from dataclasses import dataclass

from pydantic import Field

from streamdet.yaml_file import Section

_USUAL_CONF = 0.25


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Score thresholds for one detector, 0 to 1; confirm_score is a sum of scores."""

    high_score: float
    start_score: float
    confirm_score: float


class TrackOptions(Section):
    """How boxes of one frame are linked to those of the frames before.

    `memory` refines what the detector found, see docs/memory.md; the others only give track ids. Their scores are
    those of the detectors that come with streamdet. A `detect.conf` below 0.25 may mean that a detector's scores are
    lower, or that more boxes of the same one are wanted: they are then lowered by the square root of the ratio. None
    is below detect.conf.

    Attributes:
        tracker: memory; byte; botsort, bytetrack, cbiou or ocsort of the package trackers; or a plug-in's.
        weights: of the memory: a file of `streamdet train --task object-memory`; None: that of the package.
        carry_s: how long the memory keeps an object that is not found, seconds.
        high_score: boxes from this score on are associated first; lower ones only continue a track that was seen in
            the frame before.
        start_score: lowest score of a box that starts a track.
        confirm_score: a track gets its id when the scores of its boxes add up to this: at once when the detector is
            sure, after a second or third box when it is not. For byte only.
        min_iou: least overlap of a box and the track it continues. For byte only.
        min_iou_unsure: the same for boxes below high_score. For byte only.
        lost_s: how long a track that is not seen keeps its id, seconds. Not for memory.
    """

    tracker: str = Field(default="memory", min_length=1)
    weights: str | None = Field(default=None, min_length=1)
    carry_s: float = Field(default=1.0, ge=0, le=60)
    high_score: float = Field(default=0.5, ge=0, le=1)
    start_score: float = Field(default=0.4, ge=0, le=1)
    confirm_score: float = Field(default=0.7, ge=0, le=100)
    min_iou: float = Field(default=0.2, gt=0, le=1)
    min_iou_unsure: float = Field(default=0.5, gt=0, le=1)
    lost_s: float = Field(default=2.0, ge=0, le=3600)

    def thresholds(self, conf: float) -> Thresholds:
        """The score thresholds for boxes that have at least this score, 0 to 1."""
        scale = min(1.0, math.sqrt(conf / _USUAL_CONF))
        high_score, start_score = (max(conf, scale * score) for score in (self.high_score, self.start_score))
        return Thresholds(high_score, start_score, scale * self.confirm_score)
