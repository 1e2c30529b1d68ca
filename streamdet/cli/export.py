"""`streamdet export`: a detector as an ONNX or OpenVINO file, calibrated for int8."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, Overwrite, Quiet, Verbose, option
from streamdet.errors import ConfigError, SinkError
from streamdet.runtimes.devices import require_torch

if TYPE_CHECKING:
    from streamdet.models.recurrent.detector import RecurrentDetector
    from streamdet.runtimes.parity import Parity

GRAPH = "Graph"
_MODEL_ENDING = ".safetensors"
_ENDINGS = {"onnx": ".onnx", "openvino": ".xml"}
_MOST = 64

Output = Annotated[
    Path | None,
    option(
        OUTPUT,
        "PATH",
        "The file. Default: <model>.onnx, .xml or -int8.safetensors in the current folder.",
        "--output",
        "-o",
    ),
]
Model = Annotated[str, option(None, "NAME|PATH", "The name of a model, or a model file.")]
Form = Annotated[str | None, option(OUTPUT, "onnx|openvino", "Format of the graph. Default: onnx.", "--format")]
Int8 = Annotated[
    list[Path] | None,
    option(None, "CLIP", "Calibrate for int8 on this video; may be repeated. Without --format: write a model file."),
]
Imgsz = Annotated[
    str | None,
    option(
        GRAPH, "HxW", "Size of the picture, multiples of 32. Default: 16:9 at the size of the model; street: 192x320."
    ),
]
Frames = Annotated[int, option(GRAPH, "T", "Frames of a stream in one step.", min=1, max=_MOST)]
Batch = Annotated[str, option(GRAPH, "N|any", "Streams side by side in one step.")]


def export(
    output: Output = None,
    model: Model = "street",
    form: Form = None,
    int8: Int8 = None,
    imgsz: Imgsz = None,
    frames: Frames = 1,
    batch: Batch = "1",
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Export a detector to ONNX or OpenVINO.

    The file holds one step; the recurrent state is explicit inputs and outputs. The result is compared with torch.
    With --int8 the step computes in eight bits; without --format that writes a model file for --precision int8.
    """
    start_messages(verbose=verbose, quiet=quiet)
    require_torch("export")
    if int8 and form is None:
        if imgsz is not None or frames != 1 or batch != "1":
            raise ConfigError("--imgsz, --frames and --batch are for a graph: expected --format as well")
        return _int8(model, int8, output, overwrite=overwrite)
    form = form or "onnx"
    if form not in _ENDINGS:
        raise ConfigError(f"--format: expected {' or '.join(_ENDINGS)}, got {form}")
    streams = _streams(batch)
    size = None if imgsz is None else _size(imgsz)

    from streamdet.jobs.outputs import check_files
    from streamdet.models.classify.spec import read_spec
    from streamdet.models.recurrent.checkpoint import detector_of
    from streamdet.runtimes.loading import load_weights

    if Path(model).suffix == _MODEL_ENDING and read_spec(Path(model)) is not None:
        if int8 or imgsz is not None or frames != 1 or batch != "1":
            raise ConfigError(
                f"{model} is a classifier of clips: --int8, --imgsz, --frames and --batch are for detectors"
            )
        return _classifier(Path(model), form, output, overwrite=overwrite)
    detector = detector_of(load_weights(model))
    path, files = _graph_files(output, detector.name, form)
    check_files(files, overwrite=overwrite)
    _write(detector, form, path, streams, frames, size or _widescreen(detector), int8 or [])
    log.info("wrote %s", " and ".join(str(file) for file in files))
    return DONE


def _graph_files(output: Path | None, name: str, form: str) -> tuple[Path, list[Path]]:
    """Where a graph goes, and all files that it consists of."""
    path = output or Path(name).with_suffix(_ENDINGS[form])
    if path.suffix != _ENDINGS[form]:
        raise ConfigError(f"--output: expected a name that ends in {_ENDINGS[form]}, got {path}")
    return path, [path, path.with_suffix(".bin")] if form == "openvino" else [path]


def _classifier(model: Path, form: str, output: Path | None, *, overwrite: bool) -> int:
    """Write one step of a classifier of clips, and say how near to torch it comes."""
    from streamdet.jobs.outputs import check_files
    from streamdet.models.classify.network import load_classifier
    from streamdet.runtimes.classifier_export import export_classifier

    classifier, _ = load_classifier(model)
    path, files = _graph_files(output, classifier.spec.name, form)
    check_files(files, overwrite=overwrite)
    difference = export_classifier(classifier, "onnx" if form == "onnx" else "openvino", path)
    log.info("same as torch: probabilities within %.1g", difference)
    log.info("wrote %s", " and ".join(map(str, files)))
    return DONE


def _int8(model: str, videos: list[Path], output: Path | None, *, overwrite: bool) -> int:
    """Write a model file that is calibrated for int8, and say how near to fp32 that comes."""
    from streamdet.models.recurrent.checkpoint import detector_of, weights_of
    from streamdet.runtimes.calibration import calibrate_on, unseen
    from streamdet.runtimes.graph.step import StepShape, step_graph
    from streamdet.runtimes.loading import load_weights
    from streamdet.runtimes.openvino import OpenVINOEngine
    from streamdet.runtimes.parity import compare

    weights = load_weights(model)
    detector = detector_of(weights)
    path = _model_path(output, f"{detector.name}-int8", overwrite=overwrite)
    engine, size = OpenVINOEngine("int8"), _widescreen(detector)
    calibrate_on(detector, videos)
    shape = StepShape(1, 8, *size)
    execute = engine.compile(step_graph(weights_of(detector), shape, int8=True).SerializeToString())
    frames = unseen(videos, detector.spec.input, size, least=16)
    _say(compare(detector, shape, execute, engine.runtime, frames, int8=True), int8=True)
    _save(path, detector, dict(weights.training))
    log.info("wrote %s; to run it: streamdet run --model %s --precision int8", path, path)
    return DONE


def _write(
    detector: "RecurrentDetector",
    form: str,
    path: Path,
    streams: int | None,
    frames: int,
    size: tuple[int, int],
    videos: list[Path],
) -> None:
    """Write the file, run it beside torch, on a street or on the videos of int8, and say how near it comes."""
    from streamdet.runtimes.calibration import calibrate_on, unseen
    from streamdet.runtimes.export import export as write
    from streamdet.runtimes.graph.step import StepShape
    from streamdet.scenes.scene import SceneSpec, render

    height, width = size
    least, int8 = max(8, 2 * frames), len(videos) > 0
    if int8:
        calibrate_on(detector, videos)
        shown = unseen(videos, detector.spec.input, size, least)
    else:
        shown = [frame.image for frame in render(SceneSpec(width=width, height=height, frames=least))]
    shape = StepShape(streams, frames, height, width)
    _say(write(detector, shape, "onnx" if form == "onnx" else "openvino", path, shown, int8=int8), int8=int8)


def _say(parity: "Parity", *, int8: bool) -> None:
    if int8:
        log.info(
            "against fp32, over %d frames in %s: boxes differ by %.2g px and scores by %.2g on average",
            parity.frames,
            parity.runtime,
            parity.box_px,
            parity.score,
        )
        return
    log.info(
        "same as torch over %d frames in %s: boxes within %.1g px, scores within %.1g, state within %.1g",
        parity.frames,
        parity.runtime,
        parity.box_px,
        parity.score,
        parity.memory,
    )


def _model_path(output: Path | None, stem: str, *, overwrite: bool) -> Path:
    from streamdet.jobs.outputs import check_files

    path = output or Path(stem + _MODEL_ENDING)
    if path.suffix != _MODEL_ENDING:
        raise ConfigError(f"--output: expected a name that ends in {_MODEL_ENDING}, got {path}")
    check_files([path], overwrite=overwrite)
    return path


def _save(path: Path, detector: "RecurrentDetector", training: dict[str, Any]) -> None:
    from streamdet.models.recurrent.checkpoint import save_checkpoint

    try:
        save_checkpoint(path, detector, training)
    except OSError as error:
        raise SinkError(f"{path}: the model cannot be written: {error.strerror}") from error


def _widescreen(detector: "RecurrentDetector") -> tuple[int, int]:
    """(height, width) of the model image of a 16:9 stream, pixels."""

    letterbox = detector.spec.input.letterbox(16, 9)
    return letterbox.model_height, letterbox.model_width


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
