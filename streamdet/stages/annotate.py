"""annotate: draws what was found on a copy of each picture."""

from collections.abc import Iterator

from streamdet.drawing.annotators import StreamAnnotator
from streamdet.drawing.options import AnnotateOptions
from streamdet.flow import Inbox, Stage
from streamdet.frames import Marker, StreamEnded, StreamGap
from streamdet.result import Result

Item = Result | Marker


def annotate(options: AnnotateOptions | None = None) -> Stage:
    """Result to Result with another picture; markers pass."""
    return Stage("annotate", lambda inbox: _process(inbox, options or AnnotateOptions()))


def _process(inbox: Inbox[Item], options: AnnotateOptions) -> Iterator[Item]:
    annotators: dict[str, StreamAnnotator] = {}
    for item in inbox:
        if isinstance(item, Result):
            annotator = annotators.setdefault(item.source, StreamAnnotator(options))
            yield item.with_picture(annotator.annotate(item.frame.picture, item.detections, item.pts_s))
            continue
        if isinstance(item, StreamGap) and item.source in annotators:
            annotators[item.source].reset()
        elif isinstance(item, StreamEnded):
            annotators.pop(item.source, None)
        yield item
