"""Powers of a gate, exact where it is nearly shut or nearly open."""

import torch
import torch.nn.functional as F
from torch import Tensor

from streamdet.models.recurrent.layout import MAX_LOG_KEEP


def decay(forget: Tensor, exponent: Tensor) -> tuple[Tensor, Tensor]:
    """What a forget gate keeps over another time than the training's, and how much more is then written.

    Args:
        forget: float, the gate before its sigmoid: f = sigmoid(forget).
        exponent: float, e > 0, of a shape that fits.

    Returns:
        keep = f^e, and gain = (1 - f^e) / (1 - f), both 0 to infinity and of the common shape.
    """
    log_f = F.logsigmoid(forget).clamp(max=MAX_LOG_KEEP)
    scaled = exponent * log_f
    return torch.exp(scaled), torch.expm1(scaled) / torch.expm1(log_f)
