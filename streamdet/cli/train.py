"""`streamdet train`: a recipe in, a model file out; a run that was stopped goes on where it was."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.models.detector import RecurrentDetector
    from streamdet.training.config import TrainingConfig
    from streamdet.training.loop import Progress, Trainer


def train(
    recipe: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The recipe, such as configs/street.yaml.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one value of the recipe.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Default: runs/<model's name>.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where to train.")] = "auto",
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="Default: a bar on a terminal.")
    ] = None,
    log_format: Annotated[str, typer.Option(metavar="text|json", help="Lines on standard error.")] = "text",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Details and tracebacks.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
) -> int:
    """Train a detector on labelled footage, per frame and then through time, and judge it on what was held out."""
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)

    from streamdet.runtimes.torch import resolve_device
    from streamdet.training.config import TrainingConfig
    from streamdet.training.loop import Trainer
    from streamdet.training.prepare import open_footage, open_model
    from streamdet.yaml_file import load_yaml

    config = load_yaml(recipe, TrainingConfig, settings or ())
    folder = output or Path("runs") / config.model.name
    if (folder / "resume.pt").exists() and not resume:
        raise ConfigError(f"{folder} holds a run already: --resume goes on with it, --output DIR starts another")
    place = resolve_device(device)
    detector = (
        _begin(config) if config.initialise is None else open_model(config.data / config.initialise, config.model)
    )
    footages = open_footage(config, folder / "cache", log.info)
    trainer = Trainer(detector, config, footages, place)
    if resume:
        log.info("resumed" if trainer.resume(folder) else "nothing to resume: starting anew")
    folder.mkdir(parents=True, exist_ok=True)
    _train(trainer, folder, progress)
    return _finish(trainer, folder)


def _begin(config: "TrainingConfig") -> "RecurrentDetector":
    import torch

    from streamdet.models.detector import RecurrentDetector

    torch.manual_seed(config.seed)
    return RecurrentDetector(config.model)


def _train(trainer: "Trainer", folder: Path, progress: bool | None) -> None:
    from streamdet.cli.progress import make_progress

    phases = trainer.config.phases
    with make_progress(progress, len(phases)) as bar, (folder / "figures.jsonl").open("a", encoding="utf-8") as file:
        shown: set[str] = set()

        def report(done: "Progress", figures: dict[str, float]) -> None:
            phase = phases[done.phase]
            if phase.name not in shown:
                shown.add(phase.name)
                bar.begin(phase.name, phase.steps)
            for _ in range(10):
                bar.advance(phase.name)
            row = {"phase": phase.name, "step": done.step} | {k: round(v, 5) for k, v in figures.items()}
            file.write(json.dumps(row) + "\n")
            file.flush()
            log.debug("%s %d: loss %.4f", phase.name, done.step, figures["loss"])

        trainer.run(folder, report)


def _finish(trainer: "Trainer", folder: Path) -> int:
    """Judge the averaged weights on what was held out, with memory and without, and write the model."""
    from streamdet.evaluation.average_precision import average_precision
    from streamdet.models.checkpoint import save_checkpoint
    from streamdet.runtimes.predict import Memory, predict
    from streamdet.runtimes.torch import TorchDetector
    from streamdet.training.prepare import open_validation

    model, config = trainer.average, trainer.config
    detector = TorchDetector(model, str(trainer.device))
    figures: dict[str, Any] = {}
    modes: tuple[Memory, ...] = ("carry", "reset")
    for name, labelled in open_validation(config).items():
        for memory in modes:
            pairs = [(video, predict(detector, video, memory=memory).detections) for video in labelled.videos]
            ap50 = average_precision(pairs, labelled.classes)["ap50"]
            figures[f"{name} {memory}"] = ap50
            log.info("%s, memory %s: AP50 %s", name, memory, "-" if ap50 is None else f"{ap50:.3f}")
    facts = {"recipe": json.loads(config.model_dump_json()), "ap50": figures, "skipped_steps": trainer.skipped_steps}
    path = folder / f"{config.model.name}.safetensors"
    sha256 = save_checkpoint(path, model, facts)
    log.info("wrote %s (sha256 %s)", path, sha256[:12])
    return DONE
