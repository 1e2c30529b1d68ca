"""annotate: draws what was found on a copy of each picture."""

from streamdet.drawing.annotators import StreamAnnotator
from streamdet.drawing.options import AnnotateOptions
from streamdet.flow import Stage
from streamdet.frames import StateSection, StreamGap
from streamdet.result import Result
from streamdet.stages.entry import StageEntry
from streamdet.stages.per_stream import StreamWorker, per_stream


class _Pictures(StreamWorker[StateSection]):
    def __init__(self, options: AnnotateOptions) -> None:
        self._annotator = StreamAnnotator(options)

    def process(self, result: Result) -> Result:
        return result.with_picture(self._annotator.annotate(result.frame.picture, result.detections, result.pts_s))

    def gap(self, gap: StreamGap) -> None:
        self._annotator.reset()


def annotate(options: AnnotateOptions | None = None) -> Stage:
    """Result to Result with another picture; markers pass."""
    return per_stream("annotate", lambda: _Pictures(options or AnnotateOptions()))


STAGE = StageEntry(
    "annotate",
    lambda settings, context: annotate(settings),
    settings=AnnotateOptions,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids"}),
    gives=frozenset({"drawing"}),
)
