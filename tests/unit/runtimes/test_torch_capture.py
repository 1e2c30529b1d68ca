"""What a CUDA graph asks of the step, as far as it shows without a GPU.

Tensors of FakeTensorMode have a device, a shape and a type but no values, so that they may be on a GPU that is not
there.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from streamdet.runtimes.cuda import step_in, with_weights_in

DTYPES = [None, torch.bfloat16, torch.float16]


def values(state):
    return [state.age, *state.hidden, *state.cell]


_OF_DATA = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class OnlyOnTheGpu(TorchDispatchMode):
    """Fails where an operator touches a tensor on the CPU, or gives what the CPU would have to wait for."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert not _OF_DATA & set(func.tags), f"{func} waits for its result"
        result = func(*args, **(kwargs or {}))
        where = {x.device.type for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor)}
        assert where <= {"cuda"}, f"{func} is on {where}"
        return result


class Recorded(TorchDispatchMode):
    """Operators that ran, to run again on the same memory, as a graph does; on the CPU."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    def replay(self):
        for func, args, kwargs, result in self.calls:
            for held, new in zip(tree_leaves(result), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(held, torch.Tensor):
                    held.copy_(new)


@pytest.fixture
def gpu(monkeypatch):
    """Tensors of a GPU without values; and torch believes that it does autocast."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    with FakeTensorMode(), torch.device("cuda"):
        yield


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("streams", "frames", "height", "width"), [(3, 1, 64, 96), (2, 2, 50, 70)])
def test_step_stays_on_the_gpu(gpu, make_model, dtype, streams, frames, height, width):
    model = make_model()
    images = torch.zeros(streams, frames, height, width, 3, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    state = model.zero_state(streams, height + -height % 32, width + -width % 32)
    dt_s = torch.ones(streams, frames)
    step_in(dtype, model, images, state, dt_s)  # the anchors of a size are uploaded once, before a capture
    with OnlyOnTheGpu():
        outputs, after = step_in(dtype, model, images, state, dt_s)
    assert outputs.boxes.shape[:2] == outputs.scores.shape[:2] == (streams, frames)
    for x in (outputs.boxes, outputs.scores, *after.hidden, *after.cell):
        assert (x.device.type, x.dtype) == ("cuda", torch.float32)


def test_autocast_is_on(gpu, make_model):
    """Else the test above would look at float32 three times."""
    model = make_model()
    seen = []
    model.backbone.register_forward_hook(lambda module, inputs, maps: seen.append(maps[0].dtype))
    for dtype in DTYPES:
        images = torch.zeros(1, 1, 3, 64, 96, dtype=torch.uint8)
        step_in(dtype, model, images, model.zero_state(1, 64, 96), torch.ones(1, 1))
    assert seen == [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x * torch.ones(4, device="cpu").to(x.device),
        lambda x: x * torch.tensor((1.0, 2.0, 3.0, 4.0), device=x.device),
        lambda x: x * x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.cpu(),
    ],
    ids=["made on the CPU", "numbers uploaded", "item", "mask", "nonzero", "downloaded"],
)
def test_what_leaves_the_gpu_fails(gpu, wrong):
    x = torch.ones(4)
    with OnlyOnTheGpu(), pytest.raises((AssertionError, DataDependentOutputException, DynamicOutputShapeException)):
        wrong(x)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize(("streams", "frames", "height", "width"), [(2, 1, 64, 96), (1, 3, 50, 70)])
@torch.inference_mode()
def test_step_run_again_on_the_same_memory_is_a_step(make_model, clip, dtype, streams, frames, height, width):
    """Nothing of the first images, memory and times is left in it: streams begin, go on and are at another pace."""
    model = make_model()
    images, dt_s = torch.zeros(streams, frames, 3, height, width, dtype=torch.uint8), torch.full((streams, frames), 0.1)
    zeros = model.zero_state(streams, height + -height % 32, width + -width % 32)
    state = zeros.each(torch.clone)
    with Recorded() as graph:
        outputs, after = step_in(dtype, model, images, state, dt_s)
    expected = zeros
    for seed, pace_s in ((1, 0.1), (2, 0.4), (3, 0.03)):
        given, before = clip(streams, frames, height, width, seed), expected
        fresh, expected = step_in(dtype, model, given, before, torch.full_like(dt_s, pace_s))
        images.copy_(given)
        dt_s.fill_(pace_s)
        for x, value in zip(values(state), values(before), strict=True):
            x.copy_(value)
        graph.replay()
        assert torch.equal(outputs.boxes, fresh.boxes)
        assert torch.equal(outputs.scores, fresh.scores)
        for x, value in zip(values(after), values(expected), strict=True):
            assert torch.equal(x, value)


class Casts(TorchDispatchMode):
    """Counts how often weights are cast."""

    def __init__(self, model):
        super().__init__()
        self.count, self._weights = 0, {weight.data_ptr() for weight in model.parameters() if weight.ndim > 1}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.to):
            self.count += args[0].data_ptr() in self._weights
        return func(*args, **(kwargs or {}))


def test_weights_are_cast_once_and_not_at_every_step(make_model):
    model = make_model().eval()
    images = torch.randint(0, 255, (1, 1, 3, 32, 32), dtype=torch.uint8)
    counts, results = [], []
    for each in (model, with_weights_in(torch.bfloat16, model)):
        with torch.inference_mode(), Casts(each) as casts:
            results.append(step_in(torch.bfloat16, each, images, None, torch.full((1, 1), 0.04)))
        counts.append(casts.count)
    assert counts[0] > 10
    assert counts[1] == 0
    (one, one_after), (other, other_after) = results
    torch.testing.assert_close([one.boxes, one.scores], [other.boxes, other.scores], rtol=0, atol=0)
    torch.testing.assert_close(values(one_after), values(other_after), rtol=0, atol=0)
    assert next(model.parameters()).dtype == torch.float32
