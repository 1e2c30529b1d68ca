"""`streamdet export`: a detector as a file for ONNX Runtime, OpenVINO and whatever else reads these, or pruned."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import Overwrite, Quiet, Verbose
from streamdet.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from streamdet.models.detector import RecurrentDetector

_MODEL_ENDING = ".safetensors"
_ENDINGS = {"onnx": ".onnx", "openvino": ".xml"}
_MOST = 64


def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Default: <model>.onnx, .xml or -pruned.safetensors here."),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME|PATH", help="street, or a checkpoint.")] = "street",
    form: Annotated[
        str | None, typer.Option("--format", metavar="onnx|openvino", help="Of the file. Default: onnx.")
    ] = None,
    prune: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Write a model file with so much less inside its backbone, to train on."),
    ] = None,
    imgsz: Annotated[
        str | None, typer.Option(metavar="HxW", help="Pixels, multiples of 32. Default: widescreen, such as 192x320.")
    ] = None,
    frames: Annotated[int, typer.Option(metavar="T", min=1, max=_MOST, help="Frames of a stream in one step.")] = 1,
    batch: Annotated[str, typer.Option(metavar="N|any", help="Streams side by side in one step.")] = "1",
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Write a detector's step as an ONNX or OpenVINO file, its memory explicit inputs and outputs; check it.

    With --prune, write a smaller model file instead, to be trained on.
    """
    start_messages(verbose=verbose, quiet=quiet)
    if prune is not None:
        if form is not None or imgsz is not None or frames != 1 or batch != "1":
            raise ConfigError(
                f"--prune writes a streamdet model ({_MODEL_ENDING}), not a graph: expected no --format, --imgsz, "
                "--frames or --batch; export what it wrote with --model"
            )
        return _prune(model, prune, output, overwrite=overwrite)
    form = form or "onnx"
    if form not in _ENDINGS:
        raise ConfigError(f"--format: expected {' or '.join(_ENDINGS)}, got {form}")
    streams = _streams(batch)
    size = None if imgsz is None else _size(imgsz)

    from streamdet.cli.outputs import check_files
    from streamdet.runtimes.letterbox import Letterbox
    from streamdet.runtimes.loading import load_model

    detector = load_model(model)
    path = output or Path(detector.name).with_suffix(_ENDINGS[form])
    if path.suffix != _ENDINGS[form]:
        raise ConfigError(f"--output: expected a name that ends in {_ENDINGS[form]}, got {path}")
    files = [path, path.with_suffix(".bin")] if form == "openvino" else [path]
    check_files(files, overwrite=overwrite)
    if size is None:
        widescreen = Letterbox.fit(16, 9, detector.config.image_size)
        size = widescreen.model_height, widescreen.model_width
    _write(detector, form, path, streams, frames, size)
    log.info("wrote %s", " and ".join(str(file) for file in files))
    return DONE


def _prune(model: str, share: float, output: Path | None, *, overwrite: bool) -> int:
    """Write a pruned model, and say what is left of it and what to do next."""
    if not 0 < share < 1:
        raise ConfigError(f"--prune: expected a share above 0 and below 1, such as 0.3, got {share:g}")

    from streamdet.cli.outputs import check_files
    from streamdet.models.checkpoint import save_checkpoint
    from streamdet.models.pruning import inner_channels, parameters, prune
    from streamdet.runtimes.loading import load_model

    detector = load_model(model)
    path = output or Path(f"{detector.name}-pruned{_MODEL_ENDING}")
    if path.suffix != _MODEL_ENDING:
        raise ConfigError(f"--output: expected a name that ends in {_MODEL_ENDING}, got {path}")
    check_files([path], overwrite=overwrite)
    pruned = prune(detector, share)
    before, after = inner_channels(detector), inner_channels(pruned)
    if after == before:
        raise ConfigError(f"--prune {share:g} takes nothing away, as widths are multiples of 16: expected more")
    try:
        save_checkpoint(path, pruned, {"pruned": {"model": detector.name, "sha256": detector.sha256, "share": share}})
    except OSError as error:
        raise SinkError(f"{path}: the model cannot be written: {error.strerror}") from error
    log.info(
        "%d of %d inner channels are left, %s of %s parameters",
        after,
        before,
        *(f"{parameters(each):,}" for each in (pruned, detector)),
    )
    log.info("wrote %s; it finds less until it is trained on: a recipe with initialise: %s", path, path)
    return DONE


def _write(
    detector: "RecurrentDetector", form: str, path: Path, streams: int | None, frames: int, size: tuple[int, int]
) -> None:
    """Write the file, run it beside torch on a street, and say how near it comes."""
    from streamdet.scenes.scene import SceneSpec, render

    try:
        from streamdet.runtimes.export import export as write
        from streamdet.runtimes.graph import StepShape
    except ImportError as error:
        raise ConfigError(f"export needs a package that is missing ({error}); pip install onnx openvino") from error

    height, width = size
    scene = render(SceneSpec(width=width, height=height, frames=max(8, 2 * frames)))
    shape = StepShape(streams, frames, height, width)
    parity = write(detector, shape, "onnx" if form == "onnx" else "openvino", path, [frame.image for frame in scene])
    log.info(
        "same as torch over %d frames in %s: boxes within %.1g px, scores within %.1g, memory within %.1g",
        parity.frames,
        parity.runtime,
        parity.box_px,
        parity.score,
        parity.memory,
    )


def _streams(text: str) -> int | None:
    if text == "any":
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST):
        raise ConfigError(f"--batch: expected 1 to {_MOST}, or any, got {text}")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    sides = [int(side) for side in match.groups()] if match else []
    if not sides or any(side % 32 or not 64 <= side <= 4096 for side in sides):
        raise ConfigError(f"--imgsz: expected HxW, multiples of 32 from 64 to 4096 such as 192x320, got {text}")
    return sides[0], sides[1]
