import numpy as np

from streamdet.detections import Detections
from streamdet.drawing.annotators import draw
from streamdet.drawing.memory import PAST
from streamdet.drawing.options import AnnotateOptions

IMAGE = np.full((100, 200, 3), 90, np.uint8)
OPTIONS = AnnotateOptions(memory=True, labels="none")


def _found(support, carried=(False, False)) -> Detections:
    boxes = [[10, 10, 60, 90], [110, 10, 160, 90]]
    return Detections.of(boxes, [0.9, 0.9], [0, 0], ("car",), support=support, carried=carried)


def _past(image) -> np.ndarray:
    """(2,) pixels that are painted as past in each half."""
    painted = (image == PAST).all(axis=2)
    return np.array([painted[:, :100].sum(), painted[:, 100:].sum()])


def test_a_bar_is_filled_as_far_as_a_box_is_due_to_the_past() -> None:
    quarter, whole = _past(draw(IMAGE, _found([0.25, 1.0]), OPTIONS))
    assert 0.2 < quarter / whole < 0.3
    assert (_past(draw(IMAGE, _found([0.0, 0.0]), OPTIONS)) == 0).all()
    assert (_past(draw(IMAGE, _found([0.5, 0.5]), AnnotateOptions(labels="none"))) == 0).all()


def test_what_is_held_is_tinted() -> None:
    image = draw(IMAGE, _found([1.0, 1.0], [True, False]), OPTIONS)
    assert image[50, 40, 0] > image[50, 140, 0] + 20
