import numpy as np
import pytest

from streamdet.scenes.render.lens import Sensor, Shake


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
def test_shake_stays_within_its_margin(strength):
    shake = Shake(np.random.default_rng(4), 320, 192, strength)
    corners = np.array([[0, 0], [320, 0], [0, 192], [320, 192]], np.float64)
    furthest = 0.0
    for t in np.arange(0, 60, 0.1):
        matrix = shake.matrix(t)
        furthest = max(furthest, np.abs(corners @ matrix[:, :2].T + matrix[:, 2] - corners).max())
    assert furthest <= shake.margin
    assert (furthest > 0) == (strength > 0)


def test_brighter_light_and_more_exposure_give_brighter_pictures():
    sensor = Sensor(np.random.default_rng(5), 64, 48, noise=0, softness=0, jpeg_quality=None)
    ramp = np.repeat(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))[..., None], 3, 2)
    normal, longer = sensor.expose(ramp, 1.0, 0.0), sensor.expose(ramp, 1.3, 0.0)
    assert (np.diff(normal[0, :, 0].astype(int)) >= 0).all()
    assert longer.mean() > normal.mean()


def test_noise_grows_in_the_dark_and_changes_every_frame():
    flat = np.full((48, 64, 3), 90, np.uint8)
    sensor = Sensor(np.random.default_rng(6), 64, 48, noise=1.0, softness=0, jpeg_quality=None)
    day, again, night = (sensor.expose(flat, 1.0, dark).astype(float) for dark in (0.0, 0.0, 1.0))
    assert 1.0 < day.std() < 6.0
    assert night.std() > 1.5 * day.std()
    assert (day != again).mean() > 0.5
