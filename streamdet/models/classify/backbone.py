"""Any classification model of torchvision, without its last layer."""

import difflib
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from streamdet.errors import CheckpointError, ConfigError

DEFAULT = "DEFAULT"
_AUXILIARY = ("AuxLogits", "aux1", "aux2")
_SLOW_TO_START = ("googlenet", "inception_v3")  # torchvision warns that their first weights take minutes


class Backbone(nn.Module):
    """Pictures to features.

    Args:
        name: of a torchvision classification model.
        weights: DEFAULT, which torchvision downloads once; a .pth file of its state dict; None: random ones.

    Attributes:
        size: of the features.

    Raises:
        ConfigError: there is no such model.
        CheckpointError: the weights cannot be had, or are those of another model.
    """

    def __init__(self, name: str, weights: str | None) -> None:
        super().__init__()
        self.name = name
        model = _build(name, weights)
        self.size = _behead(model, name)
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float32, normalised as ImageNet's, to (N, F)."""
        return cast(Tensor, self.model(images))

    def check_size(self, height: int, width: int) -> None:
        """Make sure that it takes pictures of this size.

        Raises:
            ConfigError: it does not.
        """
        training = self.training
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, 3, height, width))
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"backbone {self.name} takes no pictures of {height}x{width}: {reason}") from error
        finally:
            self.train(training)


def _build(name: str, weights: str | None) -> nn.Module:
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"backbone {name}: torchvision has no such classification model; "
            + (f"did you mean {near[0]}?" if near else "expected one such as mobilenet_v3_small or resnet18")
        )
    options = {"init_weights": False} if name in _SLOW_TO_START and weights != DEFAULT else {}
    try:
        model: nn.Module = torchvision.models.get_model(
            name, weights=DEFAULT if weights == DEFAULT else None, **options
        )
    except OSError as error:
        raise CheckpointError(
            f"backbone {name}: its weights cannot be downloaded ({error}); download them where there is a network, and "
            "give the file: weights: FILE.pth"
        ) from error
    if weights not in (None, DEFAULT):
        _load(model, Path(str(weights)), name)
    for part in _AUXILIARY:  # heads of training
        if hasattr(model, part):
            setattr(model, part, None)
    for switch in ("aux_logits", "transform_input"):
        if hasattr(model, switch):
            setattr(model, switch, False)
    return model


def _load(model: nn.Module, path: Path, name: str) -> None:
    if not path.is_file():
        raise CheckpointError(f"backbone {name}: no such file: {path}; expected a .pth of its state dict, or DEFAULT")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state)
    except Exception as error:  # torch's unpickler raises almost anything on a damaged file
        raise CheckpointError(f"{path} does not hold the weights of {name}: {str(error).splitlines()[0]}") from error


def _behead(model: nn.Module, name: str) -> int:
    """Take out the last layer, that of ImageNet's classes; gives how many features it took."""
    layers = [(place, layer) for place, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    place, layer = layers[-1]
    parent, _, child = place.rpartition(".")
    setattr(model.get_submodule(parent), child, nn.Identity())
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
