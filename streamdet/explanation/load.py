"""The detector to be explained, in torch where it can be: only there its gates can be seen."""

from streamdet.errors import ConfigError
from streamdet.models.contract import Detector
from streamdet.runtimes.devices import has_torch
from streamdet.runtimes.loading import load


def load_for_explaining(model: str, device: str = "auto") -> Detector:
    """Load a detector.

    Args:
        model, device: as of `streamdet.load`.

    Raises:
        CheckpointError: there is no such model.
        ConfigError: the device is not available.
    """
    if has_torch():
        try:
            return load(model, device=device, runtime="torch", precision="fp32")
        except ConfigError:  # an .onnx, or a detector of another package: its boxes can be explained, its gates not
            pass
    return load(model, device=device)
