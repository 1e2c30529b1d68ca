from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamdet.scenes.events import render_event
from streamdet.scenes.scene import CLASSES, SceneSpec

SPEC = SceneSpec(seed=3, width=96, height=64, fps=Fraction(4), frames=8, noise=0.0, shake=0.0, drift=0.0, hour=0.2)


def _frames(event, **keys):
    return list(render_event(event, replace(SPEC, **keys)))


def test_a_car_backs_out_the_way_that_it_turns_in() -> None:
    turns, backs = _frames("car_turns_in"), _frames("car_backs_out")
    for one, other in zip(turns, backs[::-1], strict=True):
        assert [CLASSES[number] for number in one.class_ids] == ["car"]
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
    assert np.abs(turns[0].boxes - turns[-1].boxes).max() > 10


@pytest.mark.parametrize(("event", "first"), [("person_then_car", "person"), ("car_then_person", "car")])
def test_one_acts_after_the_other(event, first) -> None:
    who = [[CLASSES[number] for number in frame.class_ids] for frame in _frames(event)]
    second = "car" if first == "person" else "person"
    assert all(set(names) <= {first} for names in who[:4])
    assert all(set(names) <= {second} for names in who[4:])
    assert [first] in who
    assert [second] in who


def test_takes_are_by_others_on_the_same_street() -> None:
    two = list(render_event("car_turns_in", SPEC, takes=2))
    assert len(two) == 16
    assert np.abs(two[0].boxes - two[8].boxes).max() > 1
    for one, other in zip(two, _frames("car_turns_in"), strict=False):
        assert np.array_equal(one.image, other.image)
