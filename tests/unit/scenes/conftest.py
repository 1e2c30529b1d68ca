from fractions import Fraction

import numpy as np
import pytest

from streamdet.scenes.render.shading import Lighting
from streamdet.scenes.scene import SceneFrame, SceneSpec, render
from streamdet.scenes.world.camera import Camera
from streamdet.scenes.world.light import Light

WIDTH, HEIGHT = 192, 112


@pytest.fixture(scope="session")
def scene_spec() -> SceneSpec:
    return SceneSpec(seed=4, width=WIDTH, height=HEIGHT, fps=Fraction(10), frames=12, view="bridge", hour=0.2)


@pytest.fixture(scope="session")
def scene_frames(scene_spec: SceneSpec) -> list[SceneFrame]:
    return list(render(scene_spec))


@pytest.fixture
def daylight() -> Light:
    sun = np.array([0.4, -0.5, 0.8])
    grey = np.full(3, 0.5)
    return Light(
        sun_direction=sun / np.linalg.norm(sun),
        sun=grey,
        sky=grey,
        bounce=grey * 0.4,
        zenith=grey,
        horizon=grey,
        lamp=np.zeros(3),
        dark=0.0,
        exposure=1.0,
    )


@pytest.fixture
def lighting(daylight: Light) -> Lighting:
    return Lighting(daylight, sunlit=1.0, lamp=0.0)


@pytest.fixture
def camera() -> Camera:
    """Two metres up at y = 0, looks along the street."""
    return Camera.looking((0.0, 0.0, 2.0), yaw=0.0, pitch=0.05, focal=300.0, size=(320, 192))
