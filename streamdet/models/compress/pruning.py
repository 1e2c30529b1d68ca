"""Narrower units in the backbone: fewer channels to compute, and fewer weights.

Only the channels inside a unit go, between the first and the last convolution of its branch2. What goes into a unit and
out of it keeps its width, so that nothing else of a detector knows about it.
"""

from typing import Any

import torch
from torch import Tensor

from streamdet.models.recurrent.backbone import ShuffleUnit
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.layout import INNER_WIDTHS

_WIDTH_STEP = 16
"""Engines compute this many channels at once; other widths cost as much as the next multiple (research/prune.md)."""
_LAST_CONV = 5
"""Of a unit's branch2; the layers before it have inner channels."""


@torch.no_grad()
def prune(detector: RecurrentDetector, share: float) -> RecurrentDetector:
    """A detector without the inner channels that matter least.

    What a channel adds to its unit's output is judged by the weights alone: the mean square that its batch norm gives
    it, times the weights that read it. Channels of all units are compared by their fraction of the unit's sum, which
    loses far less than taking as many from every unit.

    Args:
        detector: is left as it is. One that was pruned may be pruned further.
        share: of the inner channels that go, above 0 and below 1; every width is then rounded to a multiple of 16, at
            least 16, or stays.

    Returns:
        a detector on the CPU in evaluation mode, exactly the given one where the channels that went were zero.

    Raises:
        ValueError: for a share that is not between 0 and 1.

    Source: Liu et al. 2017 (network slimming) ranks channels of all layers by the scale of their batch norm.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1, got {share}")
    units = {name: unit for name, unit in detector.named_modules() if isinstance(unit, ShuffleUnit)}
    kept = dict(zip(units, _kept([_importance(unit) for unit in units.values()], share), strict=True))
    tensors = detector.state_dict()
    for name, channels in kept.items():
        for layer, module in enumerate(units[name].branch2[: _LAST_CONV + 1]):
            for key, value in module.state_dict().items():
                if value.ndim > 0:
                    narrow = value[:, channels] if layer == _LAST_CONV else value[channels]
                    tensors[f"{name}.branch2.{layer}.{key}"] = narrow
    widths = tuple(len(channels) for channels in kept.values())
    pruned = build_detector(detector.config.model_copy(update={"inner_widths": widths}))
    pruned.load_state_dict(tensors)
    return pruned.eval()


def parameters(detector: RecurrentDetector) -> int:
    """How many weights there are to train."""
    return sum(parameter.numel() for parameter in detector.parameters())


def inner_channels(detector: RecurrentDetector) -> int:
    """How many channels there are inside all units."""
    return sum(detector.config.inner_widths or INNER_WIDTHS)


def _importance(unit: ShuffleUnit) -> Tensor:
    """(inner,) float32, >= 0: what each inner channel adds to the unit's output; a mean square over its channels."""
    layers: list[Any] = list(unit.branch2[_LAST_CONV - 1 : _LAST_CONV + 2])
    norm, conv, last_norm = layers
    given = norm.weight.square() + norm.bias.square()
    read = conv.weight.flatten(1) * (last_norm.weight / (last_norm.running_var + last_norm.eps).sqrt())[:, None]
    importance: Tensor = given * read.square().sum(dim=0)
    return importance


def _kept(importances: list[Tensor], share: float) -> list[Tensor]:
    """Which channels of each unit stay, in their order."""
    relative = [importance / importance.sum().clamp(min=1e-30) for importance in importances]
    order = torch.cat(relative).argsort(stable=True)
    stays = torch.ones(len(order), dtype=torch.bool)
    stays[order[: round(share * len(order))]] = False
    counts = [int(part.sum()) for part in torch.split(stays, [len(part) for part in relative])]
    widths = [_width(count, len(part)) for count, part in zip(counts, relative, strict=True)]
    return [part.topk(width).indices.sort().values for part, width in zip(relative, widths, strict=True)]


def _width(wanted: int, unpruned: int) -> int:
    """The nearest width that an engine likes."""
    liked = [*range(_WIDTH_STEP, unpruned, _WIDTH_STEP), unpruned]
    nearest: int = min(liked, key=lambda width: (abs(width - wanted), width))
    return nearest
