"""The convolutional LSTM cell.

Shapes: N streams, C input channels, D hidden channels, H, W cells; 4D gates in the order i f o g.

    i_t = sigmoid(W_xi*x_t + W_hi*h_{t-1} + w_ci.c_{t-1} + b_i)
    f_t = sigmoid(W_xf*x_t + W_hf*h_{t-1} + w_cf.c_{t-1} + b_f)
    o_t = sigmoid(W_xo*x_t + W_ho*h_{t-1} + w_co.c_{t-1} + b_o)
    c_t = f_t.c_{t-1} + i_t.tanh(W_xc*x_t + W_hc*h_{t-1} + b_c)
    h_t = o_t.tanh(c_t)

`*` is a convolution, `.` elementwise. W_x is 1 x 1 (what comes in has seen its surroundings already); W_h is a
depthwise 3 x 3 followed by a 1 x 1, which together are one 3 x 3 convolution of low rank.

Source: Shi et al. 2015 (ConvLSTM); peepholes of Gers and Schmidhuber 2000, one weight a channel so that a model
fits every resolution, and c_{t-1} for the output gate too.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamdet.models.recurrent.layout import CELL_LIMIT


class ConvLSTMCell(nn.Module):
    """One recurrent layer; state goes in and comes out."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.from_input = nn.Conv2d(in_channels, 4 * channels, 1)
        self.hidden_depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.hidden_pointwise = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.peephole = nn.Parameter(torch.zeros(3, channels))
        self.decay_exponent = nn.Parameter(torch.ones(channels))
        self.elapsed_weight = nn.Parameter(torch.zeros(4, channels))
        # Remember at first: Jozefowicz et al. 2015.
        self.from_input.bias = nn.Parameter(torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(channels))

    def project_input(self, x_NCHW: Tensor) -> Tensor:
        """W_x*x + b for all gates; it needs no memory and so runs on a whole clip at once.

        Args:
            x_NCHW: (N, C, H, W) float32.

        Returns:
            (N, 4D, H, W) float32.
        """
        projected: Tensor = self.from_input(x_NCHW)
        return projected

    def preactivations(
        self, projected: Tensor, hidden: Tensor, cell: Tensor, dt_ratio: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the gates i, f, o and the candidate g are before sigmoid and tanh; explains the memory.

        Args:
            projected: (N, 4D, H, W) float32, from project_input.
            hidden, cell: (N, D, H, W) float32, of the frame before.
            dt_ratio: (N,) float32, as in forward.

        Returns:
            Four of (N, D, H, W) float32.
        """
        elapsed = dt_ratio.log()[:, None] * self.elapsed_weight.flatten()
        gates = projected + self.hidden_pointwise(self.hidden_depthwise(hidden)) + elapsed[:, :, None, None]
        i, f, o, g = gates.split(self.channels, dim=1)
        w_i, w_f, w_o = self.peephole[:, :, None, None].unbind(0)
        return i + w_i * cell, f + w_f * cell, o + w_o * cell, g

    def forward(self, projected: Tensor, hidden: Tensor, cell: Tensor, dt_ratio: Tensor) -> tuple[Tensor, Tensor]:
        """One step in time.

        The forget gate says what share of c is kept over the training's time between frames. Over another time
        it keeps f^(dt_ratio^b), b learned a channel, and the input gate is scaled so that what c settles at
        stays the same. Each gate also has a learned weight for log dt_ratio: after a long time what is seen counts
        for more than what is remembered. At dt_ratio 1 these are exactly the equations above.

        Args:
            projected: (N, 4D, H, W) float32, from project_input.
            hidden, cell: (N, D, H, W) float32, of the frame before; zeros at a stream's start.
            dt_ratio: (N,) float32, time since the frame before over the training's, > 0.

        Returns:
            hidden and cell of this frame, (N, D, H, W) float32 each.
        """
        i, f, o, g = self.preactivations(projected, hidden, cell, dt_ratio)
        exponent = dt_ratio[:, None, None, None] ** self.decay_exponent[:, None, None]
        # f so near 1 that 1 - f underflows would make the ratio below 0 / 0.
        log_keep = F.logsigmoid(f).clamp(max=-1e-4)
        scaled = exponent * log_keep
        keep = torch.exp(scaled)
        write = torch.sigmoid(i) * (torch.expm1(scaled) / torch.expm1(log_keep))
        cell = (keep * cell + write * torch.tanh(g)).clamp(-CELL_LIMIT, CELL_LIMIT)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        return hidden, cell
