"""`streamdet train`: a recipe in, a model file out; a run that was stopped can be continued."""

import logging
import math
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, Device, LogFormat, Progress, Quiet, Verbose, option
from streamdet.errors import ConfigError
from streamdet.runtimes.devices import require_torch

if TYPE_CHECKING:
    import torch

    from streamdet.datasets.labels import LabelledSet
    from streamdet.training.config import AnyRecipe
    from streamdet.training.loop import Progress as Position
    from streamdet.training.loop import Trainer
    from streamdet.training.method import Method
    from streamdet.training.ranks import Ranks

_EXTRAS = {"faster_coco_eval": "faster-coco-eval", "tensorboard": "tensorboard"}

Recipe = Annotated[
    Path,
    typer.Argument(
        metavar="NAME|CONFIG.yaml|data.yaml",
        help="The recipe: finetune or street in the package, or your own; or a YOLO data.yaml, to fine-tune street on.",
    ),
]
Settings = Annotated[
    list[str] | None,
    option(None, "KEY=VALUE", "Set one value of the recipe, such as steps=50; may be repeated.", "--set"),
]
Output = Annotated[
    Path | None,
    option(OUTPUT, "DIR", "The folder of the run. Default: runs/<name of the model>.", "--output", "-o"),
]
Resume = Annotated[bool, option(OUTPUT, None, "Continue the run in that folder.", "--resume")]
Task = Annotated[
    str,
    option(
        None,
        "detector|object-memory|classify",
        "What is trained: a detector; the memory of objects behind one (the recipe object_memory); or a classifier of "
        "clips (the recipe classify).",
    ),
]


def train(
    recipe: Recipe,
    settings: Settings = None,
    output: Output = None,
    resume: Resume = False,
    task: Task = "detector",
    device: Device = "auto",
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Train a detector on labelled video.

    Evaluates it on the frames that the recipe holds out, before, during and after training.
    """
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)
    require_torch("training")
    if task == "classify":
        from streamdet.cli.train_classify import train_classify

        return train_classify(recipe, settings or (), output, resume=resume, device=device, progress=progress)
    missing = [name for module, name in _EXTRAS.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}: pip install 'streamdet[train]'")

    if task == "object-memory":
        from streamdet.cli.train_memory import train_memory

        return train_memory(recipe, settings or (), output, resume=resume, device=device, progress=progress)
    if task != "detector":
        raise ConfigError(f"--task: expected detector, object-memory or classify, got {task}")

    from streamdet.runtimes.torch import resolve_device
    from streamdet.training.initialise import complete_recipe
    from streamdet.training.ranks import joined
    from streamdet.training.recipe import read_recipe

    config = complete_recipe(read_recipe(recipe, settings or ()))
    folder = output or Path("runs") / config.model.name
    if (folder / "resume.pt").exists() and not resume:
        raise ConfigError(f"{folder} already holds a run: --resume continues it, --output DIR starts another")
    words = ["streamdet", "train", str(recipe), *(word for key in settings or () for word in ("--set", key))]
    again = shlex.join([*words, "--output", str(folder), "--resume"])
    with joined(resolve_device(device)) as (ranks, place):
        if ranks.rank > 0:
            log.setLevel(logging.ERROR)
        _check_lanes(config, ranks.world)
        return _train(config, folder, place, ranks, resume=resume, progress=progress, again=again)


def _check_lanes(config: "AnyRecipe", world: int) -> None:
    for phase in config.phases:
        if phase.lanes < world:
            raise ConfigError(
                f"phase {phase.name} has {phase.lanes} lanes for {world} processes; expected at least one for each"
            )


def _train(
    config: "AnyRecipe",
    folder: Path,
    device: "torch.device",
    ranks: "Ranks",
    *,
    resume: bool,
    progress: bool | None,
    again: str,
) -> int:
    from streamdet.cli.signals import StopOnSignal
    from streamdet.training.loop import Trainer
    from streamdet.training.prepare import open_footage, open_validation

    # Before anything is written: most mistakes in a recipe show here.
    validation = open_validation(config) if ranks.rank == 0 else {}
    detector, method = _begin(config)
    with ranks.first_alone():
        footages = open_footage(config, folder / "cache", log.info)
    method.check(footages)
    trainer = Trainer(detector, config, footages, device, ranks, method)
    if resume and not trainer.resume(folder):
        log.info("no saved run in %s: starting from the beginning", folder)
    if device.type != "cpu":
        elsewhere = ", ".join(f.name for f in footages if f.name not in trainer.painter.resident) or "none"
        log.info("frames on %s: %s; sent one by one: %s", device, ", ".join(trainer.painter.resident), elsewhere)
    if ranks.rank > 0:
        with StopOnSignal(_Stop(trainer)) as stop:
            trainer.run(folder, lambda *_: None)
        return stop.exit_status or DONE
    if not validation:
        log.warning("no frames are held out for evaluation: see hold_out and role in the recipe's sets")
    return _run(trainer, validation, folder, progress, again)


def _begin(config: "AnyRecipe") -> "tuple[Any, Method[Any]]":
    """What is trained, and how."""
    import torch

    from streamdet.training.config import ForeignRecipe
    from streamdet.training.method import RecurrentMethod

    if isinstance(config, ForeignRecipe):
        from streamdet.runtimes.foreign_file import new_foreign
        from streamdet.training.foreign import ForeignMethod

        model = new_foreign(config.model, config.initialise, config.data, config.seed, log.info)
        return model, ForeignMethod(config.model)

    from streamdet.models.recurrent.build import build_detector
    from streamdet.training.initialise import open_model

    if config.initialise is not None:
        detector = open_model(config.initialise, config.model, data=config.data, seed=config.seed, say=log.info)
        return detector, RecurrentMethod()
    torch.manual_seed(config.seed)
    return build_detector(config.model), RecurrentMethod()


class _Stop:
    """What signals do to training."""

    def __init__(self, trainer: "Trainer") -> None:
        self.stop = trainer.stop

    def cancel(self) -> None:
        """What was saved is whole at any moment."""
        raise KeyboardInterrupt


def _run(
    trainer: "Trainer", validation: Mapping[str, "LabelledSet"], folder: Path, wanted: bool | None, again: str
) -> int:
    """Train, tell how far it is, and judge; ends early on a signal."""
    from streamdet.cli.judging import Judge
    from streamdet.cli.progress import make_progress
    from streamdet.cli.signals import StopOnSignal
    from streamdet.training.figures import Figures

    phases = trainer.config.phases
    folder.mkdir(parents=True, exist_ok=True)
    with (
        Figures(folder, phases, trainer.progress) as figures,
        make_progress(wanted, len(phases) - trainer.progress.phase, "steps") as bar,
        StopOnSignal(_Stop(trainer)) as stop,
    ):
        judge = Judge(trainer, validation, figures, folder)
        started: set[str] = set()

        def advance() -> None:
            stop.announce()
            phase = phases[trainer.progress.phase]
            if phase.name not in started:
                started.add(phase.name)
                bar.begin(phase.name, phase.steps, trainer.progress.step - 1)
            bar.advance(phase.name)

        def report(progress: "Position", means: dict[str, float]) -> None:
            figures.add_training(progress, means)
            log.debug("%s step %d: loss %.4f", phases[progress.phase].name, progress.step, means.get("loss", math.nan))

        try:
            judge.judge()
            trainer.run(folder, report, on_step=advance, on_block=judge.judge)
        finally:
            complete = trainer.finished and figures.judgement_at(trainer.progress) is not None
            if not complete and (trainer.saved.phase, trainer.saved.step) != (0, 0):
                phase, step = figures.place(trainer.saved)
                log.info("saved: %s step %d of %d; continue with: %s", phase.name, step, phase.steps, again)
    return DONE if complete else stop.exit_status or DONE
