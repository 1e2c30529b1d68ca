import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.explanation.support import feature_support, joined

BOX = [10.0, 10.0, 30.0, 30.0]
CLASSES = ("car",)


def _found(*scores: float, shift: float = 0.0) -> Detections:
    return Detections.of([[value + shift for value in BOX]] * len(scores), scores, [0] * len(scores), CLASSES)


@pytest.mark.parametrize(
    ("seen", "alone", "support"),
    [
        (_found(0.8), _found(0.8), 0.0),  # new: the frame shows all of it
        (_found(0.8), _found(), 1.0),  # hidden: nothing is left without the state
        (_found(0.8), _found(0.2), 0.75),
        (_found(0.8), _found(0.8, shift=60.0), 1.0),  # what is elsewhere is another object
        (_found(0.4), _found(0.8), 0.0),  # the state does not help
        (_found(), _found(), 0.0),  # held by the object memory alone
    ],
)
def test_the_part_of_the_score_that_is_lost_without_the_state(seen, alone, support) -> None:
    box = np.array([BOX], np.float32)
    assert feature_support(box, seen, alone) == pytest.approx([support])


def test_either_memory_is_enough() -> None:
    assert joined(np.array([0.0, 1.0, 0.5]), np.array([0.0, 0.3, 0.5])) == pytest.approx([0.0, 1.0, 0.75])
