"""annotate: draws what was found on a copy of each picture."""

from collections.abc import Iterator

from streamdet.flow import Inbox, Stage
from streamdet.frames import Marker
from streamdet.stages.drawing import draw
from streamdet.stages.result import Result

Item = Result | Marker


def annotate() -> Stage:
    """Result to Result with another picture; markers pass."""
    return Stage("annotate", _process)


def _process(inbox: Inbox[Item]) -> Iterator[Item]:
    for item in inbox:
        yield item.with_image(draw(item.image, item.detections)) if isinstance(item, Result) else item
