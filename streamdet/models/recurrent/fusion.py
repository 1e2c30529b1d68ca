"""Memory between backbone and neck: one ConvLSTM a level, blended in by a learnt gate.

Shapes: B streams, T frames, C channels, D recurrent channels, H, W cells.

The first C - D channels pass by. Of the last D, a share is replaced by what the memory makes of the whole map:
y = x + alpha gate (P(h) - x), with gate = sigmoid(W * [x, P(h)] + b) for every channel and place, so that a clear
view of something that moved can count more than where it was, a memory more than a blurred view. alpha is a ramp in
training: at 0 the detector is the per-frame one, bit for bit. So it is at a stream's first frame, and for stills.
"""

from typing import cast

import torch
from torch import Tensor, nn

from streamdet.models.recurrent.convlstm import ConvLSTM

_FIRST_GATE = 0.4
"""Of every channel and place before training, a fraction of 0.6."""


class RecurrentFusion(nn.Module):
    """Memory of one level."""

    alpha: Tensor

    def __init__(self, channels: int, recurrent_channels: int) -> None:
        super().__init__()
        if not 0 < recurrent_channels <= channels:
            raise ValueError(f"recurrent_channels must be 1..{channels}, got {recurrent_channels}")
        self.passed_channels = channels - recurrent_channels
        self.recurrent_channels = recurrent_channels
        self.cell = ConvLSTM(channels, recurrent_channels)
        self.project = nn.Conv2d(recurrent_channels, recurrent_channels, 1)
        self.gate = nn.Conv2d(2 * recurrent_channels, recurrent_channels, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(cast(Tensor, self.gate.bias), _FIRST_GATE)
        self.register_buffer("alpha", torch.zeros(()))

    def remember(
        self, x_BTCHW: Tensor, hidden: Tensor, cell: Tensor, dt_ratio: Tensor, new: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What memory makes of a clip, given what came before it.

        Args:
            x_BTCHW: (B, T, C, H, W) float32.
            hidden, cell: (B, D, H, W) float32.
            dt_ratio: (B, T) float32, time since the frame before over the training's, > 0.
            new: (B,) bool, the streams whose first frame this clip starts with.

        Returns:
            P(h), (B, T, D, H, W) float32, or the features themselves at a stream's first frame, when there is nothing
            to remember; hidden and cell after the last frame.
        """
        B, T, _, H, W = x_BTCHW.shape
        h_BTDHW, (hidden, cell) = self.cell(x_BTCHW, hidden, cell, dt_ratio)
        remembered = self.project(h_BTDHW.reshape(B * T, -1, H, W)).view(B, T, -1, H, W)
        nothing_yet = torch.zeros(B, T, dtype=torch.bool, device=x_BTCHW.device)
        nothing_yet[:, 0] = new
        remembered = torch.where(nothing_yet[:, :, None, None, None], x_BTCHW[:, :, self.passed_channels :], remembered)
        return remembered, hidden, cell

    def blend(self, x_BTCHW: Tensor, remembered: Tensor) -> Tensor:
        """Put what is remembered, (B, T, D, H, W), in the place of the last D of the C channels, by the gate."""
        passed, seen = x_BTCHW[:, :, : self.passed_channels], x_BTCHW[:, :, self.passed_channels :]
        both = torch.cat((seen, remembered), dim=2)
        share = self.alpha * torch.sigmoid(self.gate(both.flatten(0, 1))).view_as(seen)
        return torch.cat((passed, seen + share * (remembered - seen)), dim=2)

    @torch.no_grad()
    def start_as_moving_average(self, feature_scale: float) -> None:
        """Set the weights so that P(h) starts as a moving average of the features it will replace.

        A ramp to a random memory would destroy a trained head's input; from here training only has to find out
        what to keep longer, what to move and what to forget.

        Args:
            feature_scale: standard deviation of the features, which sets the working range of tanh.
        """
        D, C = self.recurrent_channels, self.passed_channels + self.recurrent_channels
        gain = 0.4 / feature_scale
        write, output = torch.sigmoid(torch.tensor(0.0)), torch.sigmoid(torch.tensor(2.0))
        # In place: an optimizer may hold these already.
        parameters = dict(self.named_parameters())
        weight = parameters["cell.from_input.weight"].mul_(0.1)
        weight[3 * D :] *= 0.1
        weight[3 * D :, C - D :, 0, 0] += gain * torch.eye(D, device=weight.device)
        # i = f = 1/2: a mean over about two frames that neither grows nor shrinks.
        parameters["cell.from_input.bias"].copy_(torch.tensor([0.0, 0.0, 2.0, 0.0]).repeat_interleave(D))
        parameters["cell.hidden_pointwise.weight"].mul_(0.1)
        project = parameters["project.weight"].mul_(0.1)
        project[:, :, 0, 0] += torch.eye(D, device=project.device) / (gain * output * 2 * write)
        parameters["project.bias"].zero_()
