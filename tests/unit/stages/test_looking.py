"""Which frames the detector looks at, and what is said of the others."""

import numpy as np
import pytest
from pydantic import ValidationError

from streamdet.detections import Detections
from streamdet.stages.detect import DetectSettings
from streamdet.stages.looking import MAX_INTERVAL_S, Looking

STEP_S = 0.04


def looks(looking, frames, found=lambda index: [100]):
    """Indices of the frames that are looked at."""
    taken = []
    for index in frames:
        if looking.due(index * STEP_S):
            taken.append(index)
            boxes = [(left, 0, left + 100, 100) for left in found(index)]
            looking.looked(Detections.of(boxes, [0.9] * len(boxes), [0] * len(boxes), ("car",)), index * STEP_S)
    return taken


def test_every_third():
    assert looks(Looking(3), range(10)) == [0, 3, 6, 9]
    assert looks(Looking(1), range(3)) == [0, 1, 2]


def test_auto_rests_on_what_stands_and_hurries_after_what_is_fast():
    still, fast = looks(Looking("auto"), range(50)), looks(Looking("auto"), range(50), lambda n: [100 + 12 * n])
    assert still[:2] == [0, 1]
    assert max(np.diff(still)) * STEP_S == pytest.approx(MAX_INTERVAL_S)
    assert len(still) < 20 < len(fast)


@pytest.mark.parametrize(
    "change", [lambda n: [100] if n < 25 else [100, 400], lambda n: [100, 400] if n < 25 else [100]]
)
def test_auto_looks_again_at_once_at_what_is_new_or_lost(change):
    taken = looks(Looking("auto"), range(50), change)
    first = next(index for index in taken if index >= 25)
    assert first + 1 in taken


def test_it_continues_where_it_was_saved():
    whole = looks(Looking("auto"), range(40))
    first, second = Looking("auto"), Looking("auto")
    taken = looks(first, range(20))
    second.restore(first.snapshot())
    assert taken + looks(second, range(20, 40)) == whole
    second.reset()
    assert second.due(0.0)


@pytest.mark.parametrize(("text", "every"), [("4", 4), (4, 4), ("auto", "auto")])
def test_how_often_is_a_number_or_auto(text, every):
    assert DetectSettings(every=text).every == every


@pytest.mark.parametrize("text", ["0", "often", 101, 2.5, True])
def test_another_word_for_how_often_is_refused(text):
    with pytest.raises(ValidationError, match="expected auto or a whole number from 1 to 100, got"):
        DetectSettings(every=text)
