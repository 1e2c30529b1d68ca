"""What turns a picture into features: a classification model of torchvision, or the backbone of the detector street."""

import difflib
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.recurrent.backbone import MobileNetBackbone
from streamdet.models.recurrent.layout import BLOCKS
from streamdet.models.recurrent.weights import read_weights

DEFAULT = "DEFAULT"
STREET = "street"
_ROWS, _COLUMNS = 3, 5  # of the grid in which it sees where things are
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which torchvision's weights expect
_AUXILIARY = ("AuxLogits", "aux1", "aux2")
_SLOW_TO_START = ("googlenet", "inception_v3")  # torchvision warns that their first weights take minutes


class Backbone(nn.Module):
    """Pictures to features.

    Args:
        name: street, or of a torchvision classification model.
        weights: DEFAULT: of street those in the package, of others those that torchvision downloads once; a file: of
            street a model file of its kind, of others a .pth of the state dict; None: random ones.

    Attributes:
        size: of the features.

    Raises:
        ConfigError: there is no such model.
        CheckpointError: the weights are missing, damaged, or those of another model.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, weights: str | None) -> None:
        super().__init__()
        self.name = name
        model: nn.Module
        if name == STREET:
            model, mean, std = _Street(weights), (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)
            self.size = model.size
        else:
            model, mean, std = _build(name, weights), _MEAN, _STD
            self.size = _behead(model, name)
        self.model = model
        self.register_buffer("mean", 255 * torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB to (N, F) float32."""
        return cast(Tensor, self.model((images.float() - self.mean) / self.std))

    def check_size(self, height: int, width: int) -> None:
        """Make sure that it takes pictures of this size.

        Raises:
            ConfigError: it does not.
        """
        training = self.training
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, 3, height, width, dtype=torch.uint8))
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"backbone {self.name} takes no pictures of {height}x{width}: {reason}") from error
        finally:
            self.train(training)


class _Street(nn.Module):
    """The backbone of the recurrent detector: what is in each cell of a grid, and what is in the picture as a whole.

    Args:
        weights: see `Backbone`.

    Attributes:
        size: of the features.
    """

    def __init__(self, weights: str | None) -> None:
        super().__init__()
        self.maps = MobileNetBackbone()
        middle, last = [block.channels for block in BLOCKS if block.tapped][1:]
        self.size = middle * _ROWS * _COLUMNS + last
        if weights == DEFAULT:
            with as_file(files("streamdet") / "weights" / "street.safetensors") as path:
                self._load(path)
        elif weights is not None:
            self._load(Path(weights))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB, 0 to 255, to (N, F)."""
        _, middle, last = self.maps(images)
        rows, columns = (
            _shares(cells, parts).to(middle)
            for cells, parts in ((middle.shape[-2], _ROWS), (middle.shape[-1], _COLUMNS))
        )
        grid = rows @ middle @ columns.T
        return torch.cat([grid.flatten(1), last.mean((2, 3))], dim=1)

    def _load(self, path: Path) -> None:
        prefix = "backbone."
        arrays = read_weights(path).arrays
        own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        self.maps.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in own.items()})


def _shares(cells: int, parts: int) -> Tensor:
    """(parts, cells): the share of each cell in the mean over each of the equal parts of a row of cells."""
    starts = torch.arange(parts)[:, None] * cells / parts
    cell = torch.arange(cells)[None]
    inside = (torch.minimum(cell + 1, starts + cells / parts) - torch.maximum(cell, starts)).clamp(min=0)
    return inside / inside.sum(dim=1, keepdim=True)


def _build(name: str, weights: str | None) -> nn.Module:
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"backbone {name}: torchvision has no such classification model; "
            + (f"did you mean {near[0]}?" if near else f"expected {STREET}, or one such as resnet18")
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
