"""annotate: draws what was found on a copy of each picture."""

from collections.abc import Iterator

from streamdet.drawing.boxes import draw_on
from streamdet.drawing.canvas import canvas_of
from streamdet.flow import Inbox, Stage
from streamdet.frames import Marker
from streamdet.result import Result

Item = Result | Marker


def annotate() -> Stage:
    """Result to Result with another picture; markers pass."""
    return Stage("annotate", _process)


def _process(inbox: Inbox[Item]) -> Iterator[Item]:
    for item in inbox:
        yield _annotated(item) if isinstance(item, Result) else item


def _annotated(result: Result) -> Result:
    if len(result.detections) == 0:
        return result
    picture = result.frame.picture.copy()
    draw_on(canvas_of(picture), result.detections)
    return result.with_picture(picture)
