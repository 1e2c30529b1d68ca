"""Between which values the inputs of layers lie, so that a runtime can compute these layers in eight bits.

Shapes: B streams, T frames, H, W pixels.
"""

from collections.abc import Iterable

from torch import Tensor

from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.layout import int8_layers

_OUTLIERS = 1e-4
"""Fraction of a clip's values cut off at either end, so that a single bright spot does not coarsen all others."""


def calibrate(detector: RecurrentDetector, clips: Iterable[Tensor]) -> None:
    """Look at clips and note the ranges in the detector's int8_ranges; training later on makes them untrue.

    Args:
        detector: on the CPU or a GPU.
        clips: (B, T, 3, H, W) uint8 RGB each, of anything that resembles what the detector will see; each starts
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
        detector.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs[0]))
        for name in int8_layers(detector.config)
    ]
    try:
        for images_BTCHW in clips:
            detector.step(images_BTCHW)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise ValueError("calibration needs at least one clip")
    detector.int8_ranges = seen
