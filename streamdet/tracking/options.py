"""Which tracker runs, and its thresholds, on the score scale of the detector."""

from dataclasses import dataclass

from pydantic import Field

from streamdet.yaml_file import Section


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds as scores, 0 to 1; confirm_score is a sum of scores."""

    high_score: float
    start_score: float
    confirm_score: float


class TrackOptions(Section):
    """How boxes of one frame are linked to those of the frames before.

    Score thresholds are fractions of the range above `detect.conf`: 0 is detect.conf, 1 is a score of 1. So they follow
    when another detector or another detect.conf gives other scores.

    Attributes:
        tracker: byte; botsort, bytetrack, cbiou or ocsort of the package trackers; or a plug-in's.
        high: boxes from this score on are associated first; lower ones only continue a track that was seen in the
            frame before.
        start: lowest score of a box that starts a track.
        confirm: a track gets its id when the scores of its boxes add up to this many times the score of `high`: at once
            when the detector is sure, after a second or third box when it is not. For byte only.
        min_iou: least overlap of a box and the track it continues. For byte only.
        min_iou_unsure: the same for boxes below `high`. For byte only.
        lost_s: how long a track that is not seen keeps its id, seconds.
    """

    tracker: str = Field(default="byte", min_length=1)
    high: float = Field(default=1 / 3, ge=0, le=1)
    start: float = Field(default=0.0, ge=0, le=1)
    confirm: float = Field(default=1.4, ge=0, le=100)
    min_iou: float = Field(default=0.2, gt=0, le=1)
    min_iou_unsure: float = Field(default=0.5, gt=0, le=1)
    lost_s: float = Field(default=2.0, ge=0, le=3600)

    def thresholds(self, conf: float) -> Thresholds:
        """The score thresholds for boxes that have at least this score, 0 to 1."""
        high_score, start_score = (conf + fraction * (1 - conf) for fraction in (self.high, self.start))
        return Thresholds(high_score, start_score, self.confirm * high_score)
