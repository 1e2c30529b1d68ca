import numpy as np
import onnx
import pytest
import torch

from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.models.recurrent.state import State
from streamdet.runtimes.graph.step import StepShape, step_graph
from streamdet.runtimes.openvino import OpenVINOEngine


def shapes(values):
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }


def run(model, shape, images, state, dt_s):
    """The graph's outputs and state; images are (B, T, H, W, 3)."""
    execute = OpenVINOEngine("fp32").compile(step_graph(weights_of(model), shape).SerializeToString())
    memory = [x.numpy() for level in zip(state.hidden, state.cell, strict=True) for x in level]
    inputs = [images.numpy(), dt_s.numpy(), *([state.ages, *memory] if memory else [])]
    boxes, scores, *memory = execute(inputs)
    age, *levels = map(torch.from_numpy, memory or [state.ages + shape.frames])
    return torch.from_numpy(boxes), torch.from_numpy(scores), State(tuple(levels[::2]), tuple(levels[1::2]), age)


@pytest.mark.parametrize("streams", [2, None])
def test_inputs_and_outputs_are_named_and_explicit(make_model, streams):
    graph = step_graph(weights_of(make_model(recurrent_strides=(8, 32))), StepShape(streams, 4, 64, 96))
    onnx.checker.check_model(graph, full_check=True)
    B, anchors = streams or "batch", 3 * (8 * 12 + 4 * 6 + 2 * 3 + 1 * 2 + 1)
    memory = {"8": [B, 10, 8, 12], "32": [B, 10, 2, 3]}
    assert shapes(graph.graph.input) == {
        "images": [B, 4, 64, 96, 3],
        "dt_s": [B, 4],
        "age": [B],
        **{f"{part}_{stride}": shape for stride, shape in memory.items() for part in ("hidden", "cell")},
    }
    assert shapes(graph.graph.output) == {
        "boxes": [B, 4, anchors, 4],
        "scores": [B, 4, anchors, 3],
        "next_age": [B],
        **{f"next_{part}_{stride}": shape for stride, shape in memory.items() for part in ("hidden", "cell")},
    }


@pytest.mark.parametrize(
    ("changes", "alpha"),
    [
        ({}, 0.0),
        ({}, 1.0),
        ({"recurrent_channels": 16}, 0.3),
        ({"recurrent_channels": 0}, 0.3),
        ({"recurrent_strides": (16,)}, 0.3),
        ({"groups": None}, 0.3),
        ({"groups": {"large": ("bus", "car"), "low": ("car", "person")}}, 0.3),
        ({"channels": 24, "classes": ("person",), "groups": None}, 0.3),
    ],
    ids=str,
)
def test_every_architecture_gives_the_models_numbers(make_model, clip, changes, alpha):
    model = make_model(**changes)
    model.set_alpha(alpha)
    images = clip(1, 2, 32, 64)
    dt_s = torch.tensor([[0.04, 0.3]])
    _, state = model.step(images)
    expected, expected_state = model.step(images, state, dt_s)
    boxes, scores, got = run(model, StepShape(1, 2, 32, 64), images.permute(0, 1, 3, 4, 2), state, dt_s)
    torch.testing.assert_close(boxes, expected.boxes, atol=0.01, rtol=0)
    torch.testing.assert_close(scores, expected.scores, atol=1e-5, rtol=0)
    for name, x in expected_state.to_arrays().items():
        np.testing.assert_allclose(got.to_arrays()[name], x, atol=1e-4, rtol=0)


@pytest.mark.parametrize("streams", [3, None])
def test_streams_of_clips_keep_apart(make_model, clip, streams):
    model, images = make_model(), clip(3, 2, 32, 32)
    _, state = model.step(images)
    dt_s = torch.tensor([[0.04, 0.3], [0.1, 0.1], [1.0, 0.2]])
    expected, expected_state = model.step(images, state, dt_s)
    boxes, scores, got = run(model, StepShape(streams, 2, 32, 32), images.permute(0, 1, 3, 4, 2), state, dt_s)
    torch.testing.assert_close(boxes, expected.boxes, atol=0.01, rtol=0)
    torch.testing.assert_close(scores, expected.scores, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.cell[0], expected_state.cell[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("forget", "dt_s"), [(-1e3, 1e-4), (-1e3, 10.0), (-20.0, 1e-2), (12.0, 1e-2), (1e3, 1e-4), (1e3, 10.0)]
)
def test_saturated_gates_stay_the_models(make_model, clip, dt_s, forget):
    """A forget gate near 0 or 1, and times beyond the limits: where expm1 and logsigmoid are needed most."""
    model = make_model()
    D = model.config.recurrent_channels
    for fusion in model.memory.values():
        fusion.cell.from_input.bias.data[D : 2 * D] += forget
    images, elapsed = clip(1, 2, 32, 32), torch.full((1, 2), dt_s)
    _, state = model.step(images)
    _, expected = model.step(images, state, elapsed)
    _, _, got = run(model, StepShape(1, 2, 32, 32), images.permute(0, 1, 3, 4, 2), state, elapsed)
    for name, x in expected.to_arrays().items():
        np.testing.assert_allclose(got.to_arrays()[name], x, atol=1e-3, rtol=1e-3, equal_nan=False)


def test_weights_of_a_cell_are_there_once(make_model):
    model = make_model()
    one, eight = (len(step_graph(weights_of(model), StepShape(1, T, 32, 32)).SerializeToString()) for T in (1, 8))
    assert eight < 1.3 * one


@pytest.mark.parametrize(("height", "width"), [(33, 64), (64, 48)])
def test_sizes_between_cells_fail(make_model, height, width):
    with pytest.raises(ValueError, match="multiples of 32"):
        step_graph(weights_of(make_model()), StepShape(1, 1, height, width))
