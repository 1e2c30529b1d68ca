"""Model files of detectors of other libraries with a memory, and how one is made to be trained.

They are safetensors, as those of streamdet's own: all weights, of the network and of the memory, and the epsilon of
each norm, which state dicts leave out.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save

from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.foreign.memory import LevelMemory
from streamdet.models.foreign.model import ForeignModel, Network, map_shapes
from streamdet.models.recurrent.weights import FOREIGN_FORMAT
from streamdet.models.safetensors_file import FORMAT, file_sha256, read_file, write_file
from streamdet.runtimes import huggingface
from streamdet.runtimes.torchvision import PREFIX, TorchvisionNetwork, empty_network, start_from

_EPS = TypeAdapter(dict[str, float])
_PROBED = (128, 128)


def save_foreign(path: Path, model: ForeignModel, config: ForeignConfig, training: Mapping[str, Any]) -> str:
    """Write a model file; it appears under its name only when whole.

    Args:
        path: the file, usually *.safetensors.
        model: what is written.
        config: of it.
        training: facts about how it came to be; anything JSON can hold.

    Returns:
        the file's SHA-256.
    """
    header = {
        FORMAT: str(FOREIGN_FORMAT),
        "model": config.model_dump_json(exclude_none=True),
        "eps": json.dumps({name: float(norm.eps) for name, norm in _norms(model.network)}, sort_keys=True),
        "network": json.dumps(dict(model.network.facts), sort_keys=True),
        "training": json.dumps(dict(training), sort_keys=True),
    }
    tensors = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    return write_file(path, save(tensors, metadata=header))


def load_foreign(path: Path) -> tuple[ForeignModel, ForeignConfig]:
    """Read a model file; on the CPU, in evaluation mode.

    Raises:
        CheckpointError: if the file is damaged, or does not hold the tensors of its model.
    """
    header, arrays = read_file(path)
    try:
        config = ForeignConfig.model_validate_json(header.get("model", ""))
        eps = _EPS.validate_json(header.get("eps", "{}"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise CheckpointError(f"{path} has a wrong description of its model: {where}: {first['msg']}") from error
    try:
        network = _empty(config, file_sha256(path), json.loads(header.get("network", "{}")))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} has a wrong description of its model: {error}") from error
    model = ForeignModel(network, LevelMemory({}, 1))
    model.memory = _memory(model.network, config)
    tensors = {name: torch.from_numpy(x) for name, x in arrays.items()}
    try:
        wrong = model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{path} does not hold the tensors of its model: {reason}") from error
    missing = [name for name in wrong.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or wrong.unexpected_keys:
        differ = ", ".join([*missing, *wrong.unexpected_keys][:3])
        raise CheckpointError(f"{path} does not hold the tensors of its model: {differ} differ")
    for name, norm in _norms(model.network):
        norm.eps = eps.get(name, norm.eps)
    return model.eval(), config


def new_foreign(
    config: ForeignConfig, initialise: str | None, data: Path, seed: int, say: Callable[[str], None]
) -> ForeignModel:
    """A detector to train.

    Args:
        config: of it.
        initialise: see training.config.ForeignRecipe.
        data: folder that a file is relative to.
        seed: draws what the weights do not have.
        say: called with the classes that the weights do not know.

    Raises:
        CheckpointError: if there is no such detector or weights.
        ConfigError: if it has no such levels, or cannot be trained on boxes.
    """
    torch.manual_seed(seed)
    network: Network
    if config.detector.startswith(huggingface.PREFIX):
        if initialise not in ("DEFAULT", None):
            raise ConfigError(f"initialise: {config.detector} starts from DEFAULT, its own, or null, not {initialise}")
        network, new = huggingface.new_network(config, with_weights=initialise is not None)
    else:
        network, new = _empty(config, "", {}), []
        if initialise is not None and isinstance(network, TorchvisionNetwork):
            weights = str(data / initialise) if Path(initialise).suffix else initialise
            new = start_from(network, config.detector, weights)
    if new and initialise is not None:
        say(f"{config.detector} does not know {', '.join(new)}: trained from nothing")
    return ForeignModel(network, _memory(network, config))


def _empty(config: ForeignConfig, sha256: str, facts: Mapping[str, Any]) -> Network:
    if config.detector.startswith(huggingface.PREFIX):
        return huggingface.empty_network(config, facts, sha256)
    if not config.detector.startswith(PREFIX):
        raise ConfigError(f"{config.detector}: expected {PREFIX}NAME or hf:OWNER/NAME as the detector that is trained")
    if config.detector.removeprefix(PREFIX).startswith(("maskrcnn", "keypointrcnn")):
        raise ConfigError(
            f"{config.detector} is trained on masks or keypoints, which labelled video does not have; "
            f"expected one of boxes alone, such as {PREFIX}fasterrcnn_resnet50_fpn"
        )
    return empty_network(config, sha256)


def _memory(network: Network, config: ForeignConfig) -> LevelMemory:
    if not network.taps:
        raise ConfigError(f"{config.detector} has no feature maps that a memory could be put into")
    probed = network.spec.input.letterbox(*_PROBED, image_size=None if network.spec.input.fixed else _PROBED)
    shapes = map_shapes(network, probed.model_height, probed.model_width)
    unknown = [name for name in config.levels or () if name not in shapes]
    if unknown:
        raise ConfigError(f"{config.detector} has the levels {', '.join(shapes)}, not {', '.join(unknown)}")
    channels = {name: shape[0] for name, shape in shapes.items() if name in (config.levels or shapes)}
    return LevelMemory(channels, config.recurrent_channels)


def _norms(network: Network) -> list[tuple[str, Any]]:
    return [(name, module) for name, module in network.model.named_modules() if hasattr(module, "eps")]
