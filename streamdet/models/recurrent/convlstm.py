"""The convolutional LSTM, for frames at any distance in time.

At the training's time between frames:

    i_t = sigmoid(W_xi * x_t + W_hi * h_{t-1} + w_ci . c_{t-1} + b_i)      (1)
    f_t = sigmoid(W_xf * x_t + W_hf * h_{t-1} + w_cf . c_{t-1} + b_f)      (2)
    o_t = sigmoid(W_xo * x_t + W_ho * h_{t-1} + w_co . c_{t-1} + b_o)      (3)
    g_t = tanh(W_xg * x_t + W_hg * h_{t-1} + b_g)                          (4)
    c_t = f_t . c_{t-1} + i_t . g_t                                        (5)
    h_t = o_t . tanh(c_t)                                                  (6)

At r times that time, u log r is added inside each of (1) to (4), and (5) becomes, with e = r^a,

    c_t = f_t^e . c_{t-1} + i_t . (1 - f_t^e) / (1 - f_t) . g_t            (5')

f_t says what fraction of c is kept over the training's time; over r of it, f_t^e is kept, and what c settles at under
constant input, i g / (1 - f), does not depend on r. a and u are learned, one each a channel (and gate): after a long
time, what is seen counts for more than what is remembered. For r = 1, (5') is (5).

`*` is a convolution, `.` elementwise. W_x is 1 x 1 (what comes in has seen its surroundings already); W_h is a
depthwise 3 x 3 followed by a 1 x 1, which together are one 3 x 3 convolution of low rank. |c| is at most CELL_LIMIT.

Shapes: B streams, T frames, C input channels, D hidden channels, H, W cells; 4D gates in the order i f o g.

Source: Shi et al. 2015 (ConvLSTM); peepholes of Gers and Schmidhuber 2000, one weight a channel so that a model
fits every resolution, and c_{t-1} for the output gate too. (5') is this project's.
"""

import torch
from torch import Tensor, nn

from streamdet.models.recurrent.layout import CELL_LIMIT
from streamdet.models.recurrent.numerics import decay


class ConvLSTM(nn.Module):
    """One recurrent layer, for a frame or a clip; state goes in and comes out."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.from_input = nn.Conv2d(in_channels, 4 * channels, 1)  # W_x, b
        self.hidden_depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)  # W_h, first
        self.hidden_pointwise = nn.Conv2d(channels, 4 * channels, 1, bias=False)  # W_h, second
        self.peephole = nn.Parameter(torch.zeros(3, channels))  # w_ci, w_cf, w_co
        self.decay_exponent = nn.Parameter(torch.ones(channels))  # a
        self.elapsed_weight = nn.Parameter(torch.zeros(4, channels))  # u
        # Remember at first: Jozefowicz et al. 2015.
        self.from_input.bias = nn.Parameter(torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(channels))

    def forward(
        self, x: Tensor, hidden: Tensor, cell: Tensor, dt_ratio: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The next frames of B streams; a clip gives what its frames give one by one.

        Args:
            x: (B, T, C, H, W) float32, a clip; or (B, C, H, W), a frame.
            hidden, cell: (B, D, H, W) float32, of the frame before; zeros at a stream's start.
            dt_ratio: (B, T) float32, or (B,) for a frame: time since the frame before over the training's, > 0.

        Returns:
            h of each frame, (B, T, D, H, W) or (B, D, H, W) float32; and hidden and cell of the last one.
        """
        if x.ndim == 4:
            return self._step(self.from_input(x), hidden, cell, dt_ratio)
        B, T, C, H, W = x.shape
        projected = self.from_input(x.reshape(B * T, C, H, W)).view(B, T, -1, H, W)  # needs no state: all at once
        steps = []
        for t in range(T):
            h, (hidden, cell) = self._step(projected[:, t], hidden, cell, dt_ratio[:, t])
            steps.append(h)
        return torch.stack(steps, dim=1), (hidden, cell)

    def preactivations(
        self, projected: Tensor, hidden: Tensor, cell: Tensor, dt_ratio: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What stands inside sigmoid and tanh of (1) to (4); explains the memory.

        Args:
            projected: (B, 4D, H, W) float32, W_x * x + b.
            hidden, cell: (B, D, H, W) float32, of the frame before.
            dt_ratio: (B,) float32, r.

        Returns:
            i, f, o, g, (B, D, H, W) float32 each.
        """
        elapsed = dt_ratio.log()[:, None] * self.elapsed_weight.flatten()  # (B, 4D): u log r
        gates = projected + self.hidden_pointwise(self.hidden_depthwise(hidden)) + elapsed[:, :, None, None]
        i, f, o, g = gates.split(self.channels, dim=1)
        w_i, w_f, w_o = self.peephole[:, :, None, None].unbind(0)
        return i + w_i * cell, f + w_f * cell, o + w_o * cell, g

    def _step(
        self, projected: Tensor, hidden: Tensor, cell: Tensor, dt_ratio: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        i, f, o, g = self.preactivations(projected, hidden, cell, dt_ratio)  # (1) to (4), before sigmoid and tanh
        e = dt_ratio[:, None, None, None] ** self.decay_exponent[:, None, None]  # (B, D, 1, 1): r^a
        keep, gain = decay(f, e)  # f^e, (1 - f^e) / (1 - f)
        write = torch.sigmoid(i) * gain
        cell = (keep * cell + write * torch.tanh(g)).clamp(-CELL_LIMIT, CELL_LIMIT)  # (5')
        hidden = torch.sigmoid(o) * torch.tanh(cell)  # (6)
        return hidden, (hidden, cell)
