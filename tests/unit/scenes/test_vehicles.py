import numpy as np
import pytest

from streamdet.scenes.world.cars import make_car
from streamdet.scenes.world.heavy import make_bus, make_truck
from streamdet.scenes.world.motorcycles import make_motorcycle

VEHICLES = [(make_car, "car"), (make_bus, "bus"), (make_truck, "truck"), (make_motorcycle, "motorcycle")]


@pytest.mark.parametrize("detail", [0, 1, 2])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("make", "kind"), VEHICLES)
def test_a_vehicle_stands_on_the_ground_and_has_its_size(make, kind, seed, detail):
    vehicle = make(np.random.default_rng(seed), detail)
    low, high = vehicle.mesh.vertices.min(0), vehicle.mesh.vertices.max(0)
    assert vehicle.kind == kind
    assert low[2] == pytest.approx(0, abs=0.02)
    assert high[2] == pytest.approx(vehicle.height, abs=0.08)
    assert high[1] - low[1] == pytest.approx(vehicle.length, abs=0.35)
    assert high[0] - low[0] == pytest.approx(vehicle.width, abs=0.55)  # mirrors stick out
    assert (low[0] + high[0]) / 2 == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("make", "kind"), VEHICLES)
def test_detail_does_not_change_which_vehicle_it_is(make, kind):
    coarse, fine = make(np.random.default_rng(9), 0), make(np.random.default_rng(9), 2)
    assert (coarse.length, coarse.height) == (fine.length, fine.height)
    assert len(coarse.mesh.faces) < len(fine.mesh.faces)
    assert np.abs(np.median(coarse.mesh.colours, 0) - np.median(fine.mesh.colours, 0)).max() < 0.9
