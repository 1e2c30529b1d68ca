"""The cell against a transcription of its equations that shares no code with it."""

import numpy as np
import pytest
import torch

from streamdet.models.recurrent.convlstm import ConvLSTM
from streamdet.models.recurrent.layout import CELL_LIMIT

N, C, D, H, W = 2, 5, 4, 6, 7


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _convolve(x, weight):
    """A k x k convolution with zero padding, written as its sum: x (N, C, H, W), weight (O, C, k, k)."""
    reach = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    out = np.zeros((len(x), len(weight), *x.shape[2:]))
    for dy in range(weight.shape[2]):
        for dx in range(weight.shape[3]):
            window = padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]]
            out += np.einsum("oc,nchw->nohw", weight[:, :, dy, dx], window)
    return out


@pytest.fixture
def cell():
    torch.manual_seed(0)
    cell = ConvLSTM(C, D).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_(0, 0.5)
    return cell


def _equations(cell, x, h, c):
    """Equations (1) to (6) of the module's docstring, gate by gate, with W_h as one full 3 x 3 convolution."""
    w_x = cell.from_input.weight.detach().numpy()
    b = cell.from_input.bias.detach().numpy()
    depthwise = cell.hidden_depthwise.weight.detach().numpy()[:, 0]
    pointwise = cell.hidden_pointwise.weight.detach().numpy()[:, :, 0, 0]
    w_h = np.einsum("od,dyx->odyx", pointwise, depthwise)
    w_c = cell.peephole.detach().numpy()[:, None, :, None, None]

    def gate(k):
        rows = slice(k * D, (k + 1) * D)
        return _convolve(x, w_x[rows]) + _convolve(h, w_h[rows]) + b[rows][None, :, None, None]

    i = _sigmoid(gate(0) + w_c[0] * c)
    f = _sigmoid(gate(1) + w_c[1] * c)
    o = _sigmoid(gate(2) + w_c[2] * c)
    c = np.clip(f * c + i * np.tanh(gate(3)), -CELL_LIMIT, CELL_LIMIT)
    return o * np.tanh(c), c


def test_cell_follows_its_equations(cell):
    rng = np.random.default_rng(1)
    h, c = np.zeros((N, D, H, W)), np.zeros((N, D, H, W))
    hidden, memory = torch.from_numpy(h), torch.from_numpy(c)
    for _ in range(7):
        x = rng.normal(size=(N, C, H, W))
        h, c = _equations(cell, x, h, c)
        _, (hidden, memory) = cell(torch.from_numpy(x), hidden, memory, torch.ones(N).double())
        np.testing.assert_allclose(hidden.detach().numpy(), h, rtol=0, atol=1e-12)
        np.testing.assert_allclose(memory.detach().numpy(), c, rtol=0, atol=1e-12)


def test_gates_explain_the_step(cell):
    rng = np.random.default_rng(2)
    x, h, c = (torch.from_numpy(rng.normal(size=(N, k, H, W))) for k in (C, D, D))
    i, f, o, g = cell.preactivations(cell.from_input(x), h, c, torch.ones(N).double())
    hidden, (_, memory) = cell(x, h, c, torch.ones(N).double())
    expected = f.sigmoid() * c + i.sigmoid() * g.tanh()
    torch.testing.assert_close(memory, expected)
    torch.testing.assert_close(hidden, o.sigmoid() * expected.tanh())


def test_cell_state_stays_within_its_limit(cell):
    with torch.no_grad():
        cell.peephole.zero_()
        cell.from_input.bias += 50.0  # every gate open, candidate at 1: c would grow by 1 a step
    h = c = torch.zeros(1, D, H, W).double()
    for _ in range(30):
        _, (h, c) = cell(torch.ones(1, C, H, W).double(), h, c, torch.ones(1).double())
    assert float(c.detach().abs().max()) == CELL_LIMIT
    assert torch.isfinite(h).all()


def test_longer_time_forgets_more(cell):
    x = torch.zeros(1, C, H, W).double()
    h = torch.zeros(1, D, H, W).double()
    c = torch.full((1, D, H, W), 2.0).double()
    with torch.no_grad():
        cell.peephole.zero_()
        cell.from_input.bias[3 * D :] = 0.0  # candidate 0: only the decay is left
        cell.decay_exponent.fill_(1.0)
        cell.elapsed_weight.zero_()
    forget = torch.sigmoid(cell.from_input.bias[D : 2 * D])[:, None, None]
    for ratio in (0.25, 1.0, 4.0):
        _, (_, after) = cell(x, h, c, torch.tensor([ratio]).double())
        torch.testing.assert_close(after, (forget**ratio * c).expand_as(after))


def test_two_short_steps_settle_like_one_long(cell):
    """What c settles at under constant input does not depend on the frame rate."""
    with torch.no_grad():
        cell.hidden_pointwise.weight.zero_()
        cell.peephole.zero_()
        cell.from_input.bias[D : 2 * D] = 0.5
        cell.elapsed_weight.zero_()
    x = torch.ones(1, C, H, W).double() * 0.3
    settled = []
    for ratio in (0.2, 1.0, 3.0):
        h = c = torch.zeros(1, D, H, W).double()
        for _ in range(600):
            _, (h, c) = cell(x, h, c, torch.tensor([ratio]).double())
        settled.append(c)
    torch.testing.assert_close(settled[0], settled[1])
    torch.testing.assert_close(settled[2], settled[1])


def test_gates_know_how_much_time_has_passed(cell):
    x, h, c = (torch.from_numpy(np.random.default_rng(3).normal(size=(N, k, H, W))) for k in (C, D, D))
    projected, ratio = cell.from_input(x), torch.tensor([0.5, 8.0]).double()
    elapsed = cell.preactivations(projected, h, c, ratio)
    neutral = cell.preactivations(projected, h, c, torch.ones(N).double())
    for gate, with_time, without in zip(cell.elapsed_weight, elapsed, neutral, strict=True):
        expected = ratio.log()[:, None] * gate
        torch.testing.assert_close(with_time - without, expected[:, :, None, None].expand_as(without))


def test_saturated_forget_gate_is_finite(cell):
    with torch.no_grad():
        cell.from_input.bias[D : 2 * D] = 1e4
    h = c = torch.zeros(1, D, H, W).double()
    _, (h, c) = cell(torch.ones(1, C, H, W).double(), h, c, torch.tensor([3.0]).double())
    assert torch.isfinite(h).all()
    assert torch.isfinite(c).all()


def test_a_clip_is_its_frames_one_by_one(cell):
    rng = np.random.default_rng(4)
    x, ratio = torch.from_numpy(rng.normal(size=(N, 5, C, H, W))), torch.from_numpy(rng.uniform(0.2, 4, (N, 5)))
    h, c = (torch.from_numpy(rng.normal(size=(N, D, H, W))) for _ in range(2))
    whole, (last, memory) = cell(x, h, c, ratio)
    for t in range(5):
        frame, (h, c) = cell(x[:, t], h, c, ratio[:, t])
        torch.testing.assert_close(frame, whole[:, t])
    torch.testing.assert_close(h, last)
    torch.testing.assert_close(c, memory)


def test_another_time_follows_its_equation(cell):
    """(5') as it is written, where nothing is near 0 or 1."""
    rng = np.random.default_rng(5)
    x, h, c = (torch.from_numpy(rng.normal(size=(N, k, H, W)) / 2) for k in (C, D, D))
    ratio = torch.tensor([0.4, 3.0]).double()
    i, f, o, g = cell.preactivations(cell.from_input(x), h, c, ratio)
    f = f.sigmoid()
    kept = f ** (ratio[:, None] ** cell.decay_exponent)[:, :, None, None]
    expected = kept * c + i.sigmoid() * (1 - kept) / (1 - f) * g.tanh()
    hidden, (_, memory) = cell(x, h, c, ratio)
    torch.testing.assert_close(memory, expected.clamp(-CELL_LIMIT, CELL_LIMIT))
    torch.testing.assert_close(hidden, o.sigmoid() * memory.tanh())
