import pytest

from streamdet.errors import ModelError
from streamdet.models.compress.int8 import calibrate
from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.runtimes.graph.step import StepShape, step_graph
from streamdet.runtimes.openvino import OpenVINOEngine
from streamdet.runtimes.parity import compare

SHAPE = StepShape(1, 4, 32, 64)


@pytest.fixture
def frames(clip):
    return list(clip(1, 16, 32, 64)[0].permute(0, 2, 3, 1).contiguous().numpy())


@pytest.fixture
def calibrated(make_model, clip):
    model = make_model()
    calibrate(model, [clip(1, 8, 32, 64, seed=seed) for seed in range(3)])
    return model


def execute(model):
    return OpenVINOEngine("int8").compile(step_graph(weights_of(model), SHAPE, int8=True).SerializeToString())


def test_int8_is_near_on_average_over_all_frames(cache, calibrated, frames):
    parity = compare(calibrated, SHAPE, execute(calibrated), "here", frames, int8=True)
    assert (parity.frames, parity.runtime) == (16, "here")
    assert 1e-3 < parity.box_px < 2
    assert 1e-4 < parity.score < 0.05


def test_int8_within_ranges_that_are_not_the_models_fails(cache, calibrated, frames):
    calibrated.head.groups.weight.data *= 30  # scores that show every difference
    calibrated.int8_ranges = {name: (low / 20, high / 20) for name, (low, high) in calibrated.int8_ranges.items()}
    with pytest.raises(ModelError, match="differs from torch"):
        compare(calibrated, SHAPE, execute(calibrated), "here", frames, int8=True)


def test_frames_in_which_nothing_is_found_tell_nothing(cache, calibrated, frames):
    calibrated.head.groups.bias.data -= 20
    with pytest.raises(ModelError, match="nothing was detected in these frames"):
        compare(calibrated, SHAPE, execute(calibrated), "here", frames, int8=True)
