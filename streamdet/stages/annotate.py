"""annotate: draws detections on a copy of each picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from streamdet.drawing.annotators import StreamAnnotator
from streamdet.drawing.options import AnnotateOptions
from streamdet.flow import Stage
from streamdet.frames import SavedState, StateSection, StreamGap, StreamInfo
from streamdet.result import Result
from streamdet.stages.classes import check_classes
from streamdet.stages.entry import StageContext, StageEntry
from streamdet.stages.per_stream import StreamWorker, per_stream


@dataclass(frozen=True)
class AnnotateState(StateSection):
    """The paths that are drawn in one stream.

    Attributes:
        paths: `StreamAnnotator.state_dict`.
    """

    paths: Mapping[str, NDArray[Any]]


class _Pictures(StreamWorker[AnnotateState]):
    def __init__(self, options: AnnotateOptions) -> None:
        self._annotator = StreamAnnotator(options)

    def start(self, info: StreamInfo, saved: SavedState[AnnotateState] | None) -> None:
        if saved is not None and saved.step_s is None:  # another file's pictures show paths of their own
            self.restore(saved.section)

    def process(self, result: Result) -> Result:
        picture = self._annotator.annotate(
            result.frame.picture, result.detections, result.pts_s, result.zones, result.clip_class
        )
        return result.with_picture(picture)

    def gap(self, gap: StreamGap) -> None:
        self._annotator.reset()

    def snapshot(self) -> AnnotateState:
        return AnnotateState(self._annotator.state_dict())

    def restore(self, section: AnnotateState) -> None:
        self._annotator.load_state_dict(section.paths)


def annotate(options: AnnotateOptions | None = None) -> Stage:
    """Result to Result with another picture; markers pass."""
    return per_stream("annotate", lambda: _Pictures(options or AnnotateOptions()))


def _build(options: AnnotateOptions, context: StageContext) -> Stage:
    check_classes(options.hide, context.detector.spec.classes)
    return annotate(options)


STAGE = StageEntry(
    "annotate",
    _build,
    settings=AnnotateOptions,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids", "zones", "anonymity", "clip_class"}),
    gives=frozenset({"drawing"}),
    state=AnnotateState,
)
