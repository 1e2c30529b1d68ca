"""`streamdet train --task object-memory`: labelled videos in, the weights of an object memory out."""

import logging
from collections.abc import Sequence
from pathlib import Path

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log
from streamdet.cli.progress import make_progress
from streamdet.errors import ConfigError
from streamdet.runtimes.loading import load
from streamdet.tracking.memory.network import load_weights
from streamdet.tracking.memory.tracker import PACKAGED
from streamdet.training.object_memory.config import MemoryConfig
from streamdet.training.object_memory.fit import Fit, save_memory, start_network
from streamdet.training.object_memory.looks import numpy_looks
from streamdet.training.object_memory.prepare import columns_of, fit_look, open_clips
from streamdet.yaml_file import find_yaml, load_yaml


def train_memory(
    recipe: Path, settings: Sequence[str], output: Path | None, *, resume: bool, device: str, progress: bool | None
) -> int:
    """Train an object memory by a recipe.

    Args:
        recipe: a file, or the name of one in the package.
        settings: key=value, on top of it.
        output: the folder of the run; None: runs/<name>.
        resume: continue the run in that folder.
        device: where the detector runs; the memory is trained on the CPU.
        progress: as in `make_progress`.

    Raises:
        ConfigError: the recipe is wrong, or the folder holds a run already.
    """
    config = load_yaml(find_yaml(recipe, "configs"), MemoryConfig, settings)
    folder = output or Path("runs") / config.name
    checkpoint = folder / "resume.pt"
    if checkpoint.exists() and not resume:
        raise ConfigError(f"{folder} already holds a run: --resume continues it, --output DIR starts another")
    clips = open_clips(config, load(config.detector, device=device), folder / "cache", log.info)
    looks = fit_look(clips)
    columns = columns_of(clips, config, None if looks is None else numpy_looks(looks))
    log.info("%d steps of %d tracks in %d videos", len(columns), int(columns.starts.sum()), len(clips))
    fit = Fit(start_network(columns, first=_first(config), forgetful=config.fit.forgetful), columns, config.fit)
    if resume and checkpoint.exists():
        fit.resume(checkpoint)
    elif resume:
        log.info("no saved run in %s: starting from the beginning", folder)
    with make_progress(progress, 1, "epochs") as bar:
        bar.begin(config.name, config.fit.epochs, fit.epoch)

        def say(epoch: int, losses: dict[str, float]) -> None:
            bar.advance(config.name)
            log.log(logging.INFO, "epoch %d: %s", epoch, ", ".join(f"{k} {v:.4f}" for k, v in losses.items()))

        network = fit.run(folder, say)
    path = folder / f"{config.name}.safetensors"
    save_memory(path, network, looks, config.detector)
    load_weights(path)
    log.info("wrote %s; use it with --set track.weights=%s", path, path)
    return DONE


def _first(config: MemoryConfig) -> Path | None:
    if config.initialise is None:
        return None
    path = PACKAGED if config.initialise == PACKAGED.stem else config.data / config.initialise
    load_weights(path)
    return path
