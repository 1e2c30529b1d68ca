"""The detector on a real GPU; run by `pytest -m gpu`, and a failure where there is none."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from streamdet.errors import ModelError
from streamdet.models.memory import MemoryBank
from streamdet.models.options import KEEP, DetectOptions
from streamdet.models.recurrent.boxes import select_boxes_together
from streamdet.models.recurrent.checkpoint import detector_of
from streamdet.models.selection import select_boxes
from streamdet.runtimes.loading import load_weights
from streamdet.runtimes.torch import TorchDetector
from streamdet.scenes.scene import SceneSpec, render

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:Synchronization debug mode")]
DEVICE = "cuda"
PACES_S = (0.04, 0.04, 0.2, 0.04, 1.0, 0.1, 0.04, 0.04)
# Of the worst cell: pixels and score. The graph's own results differ less: they are of the same kernels.
FP32, SAME = (0.5, 0.01), (0.05, 1e-3)


@pytest.fixture(autouse=True)
def _gpu():
    """A GPU that computes fp32 as the CPU does, without TF32."""
    if not torch.cuda.is_available():
        pytest.fail("torch sees no GPU here")
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    usual, convolutions.fp32_precision = convolutions.fp32_precision, "ieee"
    yield
    convolutions.fp32_precision = usual


@pytest.fixture(scope="module")
def scenes():
    """(4, 8, 3, 192, 320) uint8: eight frames of four streets."""
    streets = [SceneSpec(seed=seed, width=320, height=192, fps=Fraction(25), frames=8, hour=0.0) for seed in range(4)]
    images = np.stack([[frame.image for frame in render(street)] for street in streets])
    return torch.from_numpy(images).permute(0, 1, 4, 2, 3)


@pytest.fixture(scope="module")
def on_cpu():
    return TorchDetector(detector_of(load_weights("street")), "cpu", "fp32")


@pytest.fixture
def on_gpu():
    return TorchDetector(detector_of(load_weights("street")), DEVICE, "fp32")


@pytest.fixture
def replays(monkeypatch):
    """One entry for every graph that is replayed."""
    replayed, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: (replayed.append(graph), replay(graph)))
    return replayed


def frame_by_frame(detector, images, paces_s=PACES_S, state=None):
    """Outputs of every step, and the memory after the last."""
    results = []
    for t in range(images.shape[1]):
        dt_s = torch.full((len(images), 1), paces_s[t])
        outputs, state = detector.step(images[:, t : t + 1], state, dt_s)
        results.append(outputs)
    return results, state


def assert_close(got, expected, limits):
    """Boxes and scores of outputs, wherever they are."""
    for x, y, limit in zip((got.boxes, got.scores), (expected.boxes, expected.scores), limits, strict=True):
        assert x.dtype == torch.float32
        torch.testing.assert_close(x.cpu(), y.cpu(), atol=limit, rtol=0)


def to_cpu(outputs):
    return outputs.each(torch.Tensor.cpu)


def assert_same_detections(got, expected):
    for rows, expected_rows in zip(got, expected, strict=True):
        for one, other in zip(rows, expected_rows, strict=True):
            for column in ("boxes", "scores", "class_ids"):
                np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def test_pictures_show_something(on_cpu, scenes):
    """Else equal results would prove little."""
    outputs, _ = on_cpu.step(scenes)
    assert outputs.scores.max() > 0.5
    assert sum(len(row) for rows in outputs.detections() for row in rows) > 20


@pytest.mark.parametrize("streams", [1, 3, 4])
def test_frames_are_the_cpus(on_cpu, on_gpu, scenes, replays, streams):
    """The memory is carried, at a pace that changes, from the first step without a graph into those with one."""
    expected, expected_state = frame_by_frame(on_cpu, scenes[:streams])
    got, state = frame_by_frame(on_gpu, scenes[:streams])
    # At the end, so that results which a later step overwrites show.
    for outputs, other in zip(got, expected, strict=True):
        assert outputs.boxes.is_cuda
        assert_close(outputs, other, FP32)
    for name, x in expected_state.to_arrays().items():
        np.testing.assert_allclose(state.to_arrays()[name], x, atol=0.02, rtol=0)
    assert len(replays) == 7
    assert len(set(replays)) == 1


def test_clips_are_the_cpus(on_cpu, on_gpu, scenes, replays):
    dt_s = torch.tensor([PACES_S])
    expected_state = state = None
    for street in scenes[:3]:
        expected, expected_state = on_cpu.step(street[None], expected_state, dt_s)
        got, state = on_gpu.step(street[None], state, dt_s)
        assert_close(got, expected, FP32)
    assert len(replays) == 2


def test_bf16_is_near(on_cpu, scenes, replays):
    detector = TorchDetector(detector_of(load_weights("street")), DEVICE, "bf16")
    assert detector.runtime == f"torch {DEVICE} bf16"
    expected, _ = frame_by_frame(on_cpu, scenes)
    got, state = frame_by_frame(detector, scenes)
    assert state.cell[0].dtype == torch.float32
    for outputs, other in zip(got, expected, strict=True):
        # Twice to five times what bf16 changes on a CPU.
        assert_close(outputs, other, (20.0, 0.04))
        assert (outputs.scores.cpu() - other.scores).abs().mean() < 1e-3
        sure = other.scores.amax(-1) > 0.3
        assert (outputs.boxes.cpu() - other.boxes)[sure].abs().mean() < 0.25
    assert len(replays) == 7


def test_shapes_in_turn_share_memory_and_nothing_else(on_cpu, on_gpu, scenes, replays):
    """Graphs of several shapes, one after another, with results that are kept."""
    parts = [scenes[:1, :1], scenes[:, :1], scenes[:1], scenes[1:3, 2:4], scenes[:2, :1, :, :101, :205]]
    expected = [on_cpu.step(images)[0] for images in parts]
    kept = [(on_gpu.step(images)[0], other) for _ in range(4) for images, other in zip(parts, expected, strict=True)]
    for outputs, other in kept:
        assert_close(outputs, other, FP32)
    assert len(set(replays)) == len(parts)
    assert len(replays) == 3 * len(parts)


@pytest.mark.parametrize("pinned", [False, True])
def test_images_may_be_overwritten_once_a_step_returns(on_cpu, on_gpu, scenes, pinned):
    expected, _ = frame_by_frame(on_cpu, scenes)
    buffer = torch.empty_like(scenes[:, :1], pin_memory=pinned)
    state, got = None, []
    for t, pace_s in enumerate(PACES_S):
        buffer.copy_(scenes[:, t : t + 1])
        outputs, state = on_gpu.step(buffer, state, torch.full((4, 1), pace_s))
        buffer.fill_(255)
        got.append(outputs)
    for outputs, other in zip(got, expected, strict=True):
        assert_close(outputs, other, FP32)


def test_all_may_be_on_the_gpu_already(on_gpu, scenes):
    expected, _ = frame_by_frame(on_gpu, scenes)
    state = None
    for t, (pace_s, other) in enumerate(zip(PACES_S, expected, strict=True)):
        images, dt_s = scenes[:, t : t + 1].to(DEVICE), torch.full((4, 1), pace_s, device=DEVICE)
        outputs, state = on_gpu.step(images, state, dt_s)
        assert_close(outputs, other, SAME)


def test_memory_that_was_saved_goes_on(on_gpu, scenes):
    """As by --resume and --state-in, into a batch with streams that begin."""
    whole, _ = frame_by_frame(on_gpu, scenes[:1])
    _, state = frame_by_frame(on_gpu, scenes[:1, :4])
    bank = MemoryBank()
    bank.restore("a", on_gpu.state_from_arrays(state.to_arrays()))
    rest, _ = frame_by_frame(on_gpu, scenes[:1, 4:], PACES_S[4:], bank.snapshot("a"))
    for outputs, other in zip(rest, whole[4:], strict=True):
        assert_close(outputs, other, SAME)
    both = bank.gather(["a", "new"], on_gpu.zero_state(1, 192, 320))
    for _ in range(3):
        outputs, _ = on_gpu.step(scenes[[0, 1], 4:5], both, torch.full((2, 1), PACES_S[4]))
        assert_close(outputs.each(lambda x: x[:1]), whole[4], SAME)


def test_memory_of_other_streams_fails(on_gpu, scenes):
    for _ in range(3):
        with pytest.raises(ValueError, match="the state is of other streams or images"):
            on_gpu.step(scenes[:2, :1], on_gpu.zero_state(1, 192, 320))
        on_gpu.step(scenes[:2, :1])


def test_a_step_waits_for_nothing(on_gpu, scenes):
    """Neither the graph, nor the upload before it, nor gathering and scattering memory of a stream among several."""
    _, state = frame_by_frame(on_gpu, scenes[:, :3])
    dt_s = torch.full((4, 1), 0.04)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for t in range(3, 8):
            _, state = on_gpu.step(scenes[:, t : t + 1], state, dt_s)
            state = state.rows([2, 0, 1, 3])
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_threads_share_a_detector(on_cpu, on_gpu, scenes, replays):
    """Each with memory, times and a CUDA stream of its own."""
    expected = [frame_by_frame(on_cpu, scenes[row : row + 1])[0] for row in range(4)]

    def work(row):
        with torch.cuda.stream(torch.cuda.Stream()):
            rounds = [frame_by_frame(on_gpu, scenes[row : row + 1])[0] for _ in range(5)]
            return [to_cpu(outputs) for results in rounds for outputs in results]

    with ThreadPoolExecutor(4) as pool:
        for got, others in zip(pool.map(work, range(4)), expected, strict=True):
            for outputs, other in zip(got, others * 5, strict=True):
                assert_close(outputs, other, FP32)
    assert len(replays) > 100


def test_what_cannot_be_captured_runs_without(on_cpu, on_gpu, scenes, replays, caplog):
    """One that asks the GPU for a number within a step: it warns once, and nothing else changes."""

    def ask(module, inputs, maps):
        maps[0].sum().item()

    on_gpu.model.backbone.register_forward_hook(ask)
    expected, _ = frame_by_frame(on_cpu, scenes)
    got, _ = frame_by_frame(on_gpu, scenes)
    for outputs, other in zip(got, expected, strict=True):
        assert_close(outputs, other, FP32)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "continues without CUDA graphs" in caplog.text
    assert replays == []
    # The thread is on its own stream again, and the GPU well.
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    other_detector = TorchDetector(detector_of(load_weights("street")), DEVICE, "fp32")
    for outputs, other in zip(frame_by_frame(other_detector, scenes)[0], expected, strict=True):
        assert_close(outputs, other, FP32)


def test_no_memory_left_fails_and_the_next_step_goes_on(on_cpu, on_gpu, scenes):
    expected, _ = on_cpu.step(scenes[:, :1])
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.005)
    try:
        for _ in range(2):
            with pytest.raises(ModelError, match=f"{DEVICE} failed: .*out of memory"):
                on_gpu.step(torch.zeros(16, 1, 3, 1088, 1920, dtype=torch.uint8))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    for _ in range(3):
        assert_close(on_gpu.step(scenes[:, :1])[0], expected, FP32)


@pytest.mark.parametrize("wanted", [None, ("person", "bus", "truck")])
@pytest.mark.parametrize("conf", [0.02, 0.25, 0.99])
def test_detections_are_the_cpus(on_gpu, scenes, conf, wanted):
    """Of the same outputs, to the bit."""
    options = DetectOptions(conf=conf, classes=wanted)
    outputs, _ = on_gpu.step(scenes)
    assert_same_detections(outputs.detections(options), to_cpu(outputs).detections(options))


@pytest.mark.parametrize("sure", [0.0, 0.01, 0.05])
def test_boxes_of_many_frames_are_each_frames(sure):
    generator = torch.Generator().manual_seed(1)
    corners = (torch.rand(32, 1260, 2, generator=generator) * 60).round()
    boxes = torch.cat((corners, corners + 5 + (40 * torch.rand(32, 1260, 2, generator=generator)).round()), dim=2)
    scores = torch.rand(32, 1260, 3, generator=generator) * (torch.rand(32, 1260, 3, generator=generator) < sure)
    wanted = np.array([True, True, True])
    for frame, kept in enumerate(select_boxes_together(boxes.to(DEVICE), scores.to(DEVICE), KEEP, wanted)):
        alone = select_boxes(boxes[frame].numpy(), scores[frame].numpy(), KEEP, wanted)
        for got, expected in zip(kept, alone, strict=True):
            np.testing.assert_array_equal(got, expected)
