"""Between which values the inputs of layers lie, so that a runtime can compute these layers in eight bits.

Shapes: B streams, T frames, H, W pixels.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from streamdet.models.recurrent.detector import RecurrentDetector

_OUTLIERS = 1e-4
"""Share of a clip's values at either end that are cut off, so that a single bright spot does not coarsen all others."""


def int8_layers(detector: RecurrentDetector) -> dict[str, nn.Conv2d]:
    """The layers that are computed in eight bits, by name: convolutions that mix many channels, nearly all of the work.

    The others have little to gain. In one that mixes no channels, the conversions take what eight bits save. And the
    first one, which sees the whole range of a picture, needs sums of more than the 16 bits that processors without
    VNNI have for them: computed so, it costs 0.1 AP50.
    """
    return {
        name: layer
        for name, layer in detector.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer is not detector.backbone.conv1[0]
    }


def calibrate(detector: RecurrentDetector, clips: Iterable[Tensor]) -> None:
    """Look at clips and note the ranges in the detector's int8_ranges; training later on makes them untrue.

    Args:
        detector: on the CPU or a GPU.
        clips: (B, T, 3, H, W) uint8 RGB each, of anything that resembles what the detector will see; each begins
            without memory.

    Raises:
        ValueError: if there are none.
    """
    seen: dict[str, tuple[float, float]] = {}

    def note(name: str, x: Tensor) -> None:
        values = x.detach().float().flatten()
        cut = int(_OUTLIERS * len(values))
        lowest = float(values.kthvalue(cut + 1).values)
        highest = float(values.kthvalue(len(values) - cut).values)
        before = seen.get(name, (0.0, 0.0))  # eight bits always hold 0 exactly: it is what convolutions pad with
        seen[name] = (min(before[0], lowest), max(before[1], highest))

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs[0]))
        for name, layer in int8_layers(detector).items()
    ]
    try:
        for images_BTCHW in clips:
            detector.step(images_BTCHW)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise ValueError("calibration needs a clip at least")
    detector.int8_ranges = seen


def check_ranges(detector: RecurrentDetector, ranges: dict[str, tuple[float, float]]) -> None:
    """Refuse with a ValueError what are no ranges of this detector's layers."""
    wrong = sorted(set(ranges) ^ set(int8_layers(detector)))
    wrong += [name for name, (lowest, highest) in ranges.items() if not -torch.inf < lowest <= 0 <= highest < torch.inf]
    if wrong:
        raise ValueError(f"the range of {wrong[0]} is missing, not a range, or of no such layer")
