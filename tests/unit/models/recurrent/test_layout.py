import pytest

from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.layout import tensor_shapes


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"recurrent_channels": 0},
        {"recurrent_channels": 1, "recurrent_strides": (16, 32)},
        {"channels": 40, "recurrent_channels": 40, "classes": ("a", "b", "c")},
        {"classes": ("a", "b", "c"), "groups": {"x": ("a", "b"), "y": ("b", "c")}},
    ],
    ids=str,
)
def test_tensors_are_those_of_torch(changes):
    config = ModelConfig(**{"name": "x", "classes": ("a",)} | changes)
    state = build_detector(config).state_dict()
    expected = {name: tuple(x.shape) for name, x in state.items()}
    assert tensor_shapes(config) == expected
