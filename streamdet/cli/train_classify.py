"""`streamdet train --task classify`: clips in folders named by their class in, a classifier of clips out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log
from streamdet.cli.progress import make_progress
from streamdet.errors import ConfigError
from streamdet.models.classify.backbone import DEFAULT
from streamdet.models.classify.network import ClipClassifier
from streamdet.models.classify.spec import ClassifierSpec
from streamdet.runtimes.torch import resolve_device
from streamdet.training.classify.clips import ClipSet, read_clips
from streamdet.training.classify.config import ClassifyConfig
from streamdet.training.classify.figures import Row
from streamdet.training.classify.fit import ClipFit
from streamdet.training.saved_run import saved_run
from streamdet.yaml_file import find_yaml, load_yaml

if TYPE_CHECKING:
    import torch


def train_classify(
    recipe: Path, settings: Sequence[str], output: Path | None, *, resume: bool, device: str, progress: bool | None
) -> int:
    """Train a classifier of clips by a recipe.

    Args:
        recipe: a file, or the name of one in the package.
        settings: key=value, on top of it.
        output: the folder of the run; None: runs/<name>.
        resume: continue the run in that folder.
        device: auto, cpu, cuda or cuda:N.
        progress: as in `make_progress`.

    Raises:
        ConfigError: the recipe is wrong, or the folder holds a run already.
    """
    config = load_yaml(find_yaml(recipe, "configs"), ClassifyConfig, settings)
    _spec(config, ("a", "b"))  # what it says of the model is checked before anything is read
    folder = output or Path("runs") / config.name
    if saved_run(folder).exists() and not resume:
        raise ConfigError(f"{folder} already holds a run: --resume continues it, --output DIR starts another")
    clips = read_clips(config, folder / "cache", log.info)
    fit = ClipFit(_model(config, clips, resolve_device(device)), clips, config)
    if resume and not fit.resume(folder):
        log.info("no saved run in %s: starting from the beginning", folder)
    with make_progress(progress, 1, "epochs") as bar:
        bar.begin(config.name, config.epochs, fit.epoch)

        def say(row: Row) -> None:
            bar.advance(config.name)
            log.info(
                "epoch %d: loss %.3f, accuracy %.3f; validation: loss %.3f, accuracy %.3f",
                *(row[name] for name in ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")),
            )

        fit.run(folder, say)
    path = folder / f"{config.name}.safetensors"
    log.info("best accuracy %.3f; wrote %s; use it with --classify %s", fit.best, path, path)
    return DONE


def _spec(config: ClassifyConfig, classes: tuple[str, ...]) -> ClassifierSpec:
    try:
        return config.spec(classes)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']}") from error


def _model(config: ClassifyConfig, clips: ClipSet, device: "torch.device") -> ClipClassifier:
    import torch

    torch.manual_seed(config.seed)
    weights = config.weights
    if weights not in (None, DEFAULT):
        weights = str(config.data / str(weights))
    model = ClipClassifier(_spec(config, clips.classes), weights)
    model.backbone.check_size(*config.size)
    return model.to(device)
