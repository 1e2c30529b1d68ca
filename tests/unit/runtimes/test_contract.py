"""What every runtime promises, for all of them: the model's numbers, with the memory as a value."""

import pytest
import torch

from streamdet.models.recurrent.checkpoint import load_checkpoint
from streamdet.models.recurrent.state import State, concatenate
from streamdet.runtimes.loading import load
from streamdet.runtimes.openvino import openvino_core

BF16 = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
needs_bf16 = pytest.mark.skipif(not BF16, reason="the processor does not compute in bf16")
RUNTIMES = [
    "torch fp32",
    "torch bf16",
    "openvino fp32",
    pytest.param("openvino bf16", marks=needs_bf16),
    "openvino int8",
    "onnxruntime fp32",
]
# Pixels, scores and memory (-6 to 6): what rounding may change. This model is of noise, far more sensitive than a
# trained one.
TOLERANCES = {"fp32": (0.02, 1e-4, 0.03), "bf16": (12.0, 0.12, 4.0), "int8": (24.0, 0.2, 4.0)}


@pytest.fixture(scope="module", params=RUNTIMES)
def detector(request, model_path):
    runtime, precision = request.param.split()
    detector = load(model_path, device="cpu", runtime=runtime, precision=precision)
    assert detector.runtime == f"{runtime} cpu {precision}"
    return detector


@pytest.fixture(scope="module")
def model(model_path):
    return load_checkpoint(model_path)[0]


@pytest.fixture
def same(detector):
    """Compares outputs, and states if there are any, as closely as the precision allows."""
    px, score, memory = TOLERANCES[detector.runtime.split()[-1]]

    def compare(got, expected, got_state=None, expected_state=None):
        torch.testing.assert_close(got.boxes, expected.boxes, atol=px, rtol=0)
        torch.testing.assert_close(got.scores, expected.scores, atol=score, rtol=0)
        assert got.scores.dtype == got.boxes.dtype == torch.float32
        assert got.classes == expected.classes
        if expected_state is not None:
            for name, x in expected_state.tensors().items():
                torch.testing.assert_close(got_state.tensors()[name], x, atol=memory, rtol=0)

    return compare


def test_describes_itself(detector, model):
    assert (detector.name, detector.classes, detector.image_size) == ("small", ("person", "car", "bus"), 128)
    assert detector.training_dt_s == pytest.approx(0.1)
    assert detector.sha256 == model.sha256 != ""


@pytest.mark.parametrize(("streams", "frames"), [(1, 1), (1, 8), (1, 11), (2, 9), (9, 2), (3, 1)])
def test_step_is_the_models(detector, model, clip, same, streams, frames):
    images = clip(streams, frames)
    dt_s = 0.02 + 0.4 * torch.rand(streams, frames, generator=torch.Generator().manual_seed(1))
    expected, expected_state = model.step(images, None, dt_s)
    assert expected.scores.std() > 0.03
    outputs, state = detector.step(images, None, dt_s)
    same(outputs, expected, state, expected_state)
    again, state_again = model.step(images, expected_state, dt_s)
    assert (again.scores - expected.scores).abs().max() > 0.001, "memory must matter here"
    outputs, state = detector.step(images, state, dt_s)
    same(outputs, again, state, state_again)


@pytest.mark.parametrize(("height", "width"), [(50, 70), (32, 32), (96, 65)])
def test_images_of_any_size(detector, model, clip, same, height, width):
    images = clip(1, 2, height, width)
    outputs, state = detector.step(images)
    same(outputs, *model.step(images)[:1])
    assert outputs.boxes[..., 2].max() <= width
    assert outputs.boxes[..., 3].max() <= height
    zeros = detector.zero_state(1, height + -height % 32, width + -width % 32)
    assert [h.shape for h in state.hidden] == [h.shape for h in zeros.hidden]


def test_images_of_decoders_and_of_torch_are_the_same(detector, clip, same):
    images = clip(1, 8)
    rows = images.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    same(detector.step(images)[0], detector.step(rows)[0])


def test_chunk_is_frame_by_frame(detector, clip, same):
    images = clip(1, 11)
    dt_s = torch.linspace(0.03, 0.3, 11)[None]
    chunk, chunk_state = detector.step(images, None, dt_s)
    state = None
    for t in range(11):
        frame, state = detector.step(images[:, t : t + 1], state, dt_s[:, t : t + 1])
        assert frame.boxes.shape == (1, 1, *chunk.boxes.shape[2:])
        torch.testing.assert_close(frame.scores[0, 0], chunk.scores[0, t], atol=0.12, rtol=0)
    assert state is not None
    same(frame, type(chunk)(chunk.boxes[:, -1:], chunk.scores[:, -1:], chunk.classes), state, chunk_state)


def test_streams_know_nothing_of_each_other(detector, clip, same):
    one, other = clip(1, 3, seed=1), clip(1, 3, seed=2)
    alone = [detector.step(images) for images in (one, other)]
    together, state = detector.step(torch.cat((one, other)))
    for row, (outputs, its_state) in enumerate(alone):
        part = type(outputs)(together.boxes[row : row + 1], together.scores[row : row + 1], together.classes)
        same(part, outputs, state.rows([row]), its_state)


def test_state_is_a_value(detector, clip):
    """A step changes no state that it was given, nor one that it gave before; a saved one goes on the same."""
    images = clip(1, 2)
    _, first = detector.step(images)
    kept = {name: x.clone() for name, x in first.tensors().items()}
    expected, _ = detector.step(images, first)
    detector.step(clip(1, 2, seed=9), first)
    for name, x in first.tensors().items():
        torch.testing.assert_close(x, kept[name], atol=0, rtol=0)
    again, _ = detector.step(images, State.of_tensors(kept))
    torch.testing.assert_close(again.scores, expected.scores, atol=0, rtol=0)


def test_streams_come_and_go(detector, clip, same):
    """Rows of states are gathered in any order, as StateBank does."""
    _, states = detector.step(clip(2, 1))
    images = clip(3, 1, seed=5)
    mixed = concatenate([states.rows([1]), detector.zero_state(1, 64, 96), states.rows([0])])
    outputs, _ = detector.step(images, mixed)
    for row, state in ((0, states.rows([1])), (1, None), (2, states.rows([0]))):
        alone, _ = detector.step(images[row : row + 1], state)
        same(type(alone)(outputs.boxes[row : row + 1], outputs.scores[row : row + 1], outputs.classes), alone)


def test_usual_time_is_the_trainings(detector, clip):
    images = clip(1, 2)
    outputs, _ = detector.step(images)
    timed, _ = detector.step(images, None, torch.full((1, 2), 0.1))
    torch.testing.assert_close(timed.scores, outputs.scores, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8),
        torch.zeros(1, 1, 3, 64, 64),
    ],
)
def test_other_images_fail(detector, images):
    with pytest.raises(ValueError, match=r"\(B, T, 3, H, W\) uint8"):
        detector.step(images)
