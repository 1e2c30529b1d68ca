import numpy as np
import pytest

from streamdet.scenes.world.light import LightSchedule


def test_the_day_ends_gently():
    schedule = LightSchedule(np.random.default_rng(1), hour=0.3, drift=0.7)
    lights = [schedule.at(t) for t in np.arange(0, 61, 0.04)]
    assert lights[-1].sky.sum() < 0.5 * lights[0].sky.sum()
    assert lights[0].dark == 0
    assert lights[-1].dark == pytest.approx(1)
    assert np.abs(np.diff([light.exposure for light in lights])).max() < 0.08
    assert np.abs(np.diff([light.sky.mean() for light in lights])).max() < 0.02


def test_exposure_steps_now_and_then():
    schedule = LightSchedule(np.random.default_rng(2), hour=0.1, drift=0.0)
    gains = [schedule.at(t).exposure for t in np.arange(0, 60, 0.5)]
    assert 0.05 < max(gains) - min(gains) < 0.5


def test_a_still_light_does_not_differ_and_dusk_does():
    schedule = LightSchedule(np.random.default_rng(3), hour=0.3, drift=0.7)
    assert not schedule.at(0.0).differs(schedule.at(0.001))
    assert schedule.at(0.0).differs(schedule.at(30.0))
