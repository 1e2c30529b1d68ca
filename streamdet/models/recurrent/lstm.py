"""The LSTM with peepholes, for vectors; `convlstm` has the one for maps.

    i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + w_ci . c_{t-1} + b_i)
    f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + w_cf . c_{t-1} + b_f)
    o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + w_co . c_{t-1} + b_o)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = f_t . c_{t-1} + i_t . g_t
    h_t = o_t . tanh(c_t)

Shapes: B streams, T frames, D inputs, H hidden; 4H gates in the order i f g o.
Source: Gers and Schmidhuber 2000; here all three gates see the cell before the step.
"""

import torch
from torch import Tensor, nn

LstmState = tuple[Tensor, Tensor]
"""Hidden and cell, (B, H) float32 each."""


def peephole_step(gates: Tensor, cell: Tensor, peepholes: Tensor) -> LstmState:
    """One step.

    Args:
        gates: (B, 4H) what stands inside sigmoid and tanh, but for the peepholes.
        cell: (B, H) before the step.
        peepholes: (3, H) weights of the cell in i, f and o.

    Returns:
        hidden and cell after it, (B, H) each.
    """
    i, f, g, o = gates.chunk(4, 1)
    input_gate = torch.sigmoid(i + peepholes[0] * cell)
    forget_gate = torch.sigmoid(f + peepholes[1] * cell)
    output_gate = torch.sigmoid(o + peepholes[2] * cell)
    cell = forget_gate * cell + input_gate * torch.tanh(g)
    return output_gate * torch.tanh(cell), cell


class PeepholeLSTM(nn.Module):
    """One layer, for a clip; state goes in and comes out."""

    def __init__(self, in_size: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.from_input = nn.Linear(in_size, 4 * size)
        self.from_hidden = nn.Linear(size, 4 * size, bias=False)
        self.peepholes = nn.Parameter(torch.zeros(3, size))
        with torch.no_grad():  # remember at first: Jozefowicz et al. 2015
            self.from_input.bias[size : 2 * size] += 1.0

    def zero_state(self, streams: int) -> LstmState:
        """Of streams that start."""
        zeros = torch.zeros(streams, self.size, device=self.peepholes.device)
        return zeros, zeros

    def forward(self, x: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """The next frames of B streams; a clip gives what its frames give one by one.

        Args:
            x: (B, T, D) float32.
            state: of the frame before; `zero_state` at a stream's start.

        Returns:
            h of each frame, (B, T, H) float32, and the state after the last one.
        """
        hidden, cell = state
        projected = self.from_input(x)  # needs no state: all at once
        steps = []
        for t in range(x.shape[1]):
            hidden, cell = peephole_step(projected[:, t] + self.from_hidden(hidden), cell, self.peepholes)
            steps.append(hidden)
        return torch.stack(steps, 1), (hidden, cell)
