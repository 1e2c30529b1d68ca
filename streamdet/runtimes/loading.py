"""Find a model by name or path and make it ready to run."""

from importlib.resources import as_file, files
from pathlib import Path

from streamdet.errors import ConfigError
from streamdet.models.contract import Detector
from streamdet.models.options import Precision, Runtime
from streamdet.models.recurrent.weights import FOREIGN_FORMAT, Weights, read_weights
from streamdet.models.registry import EMBEDDED_MODELS, find
from streamdet.models.safetensors_file import FORMAT, read_header
from streamdet.runtimes.choice import ready
from streamdet.runtimes.devices import require_torch


def load(
    name_or_path: str | Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    layout: str | None = None,
    class_names: str | None = None,
) -> Detector:
    """Load a detector.

    Args:
        name_or_path: `street`, the model in the package, the path of a .safetensors file that streamdet wrote, of an
            ONNX file of any detector, torchvision/NAME (with :WEIGHTS or :FILE.pth behind it), hf:OWNER/NAME or
            hf:FOLDER, or what another package offers, see models.registry.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, fp32, bf16, fp16 or int8, which the model must be calibrated for.
        runtime: auto, torch, openvino or onnxruntime. auto is torch on a GPU; on the CPU it is the faster of OpenVINO
            and ONNX Runtime, measured once and remembered in the user's cache, or torch where neither works.
        layout: of an ONNX file's outputs and images, where it does not tell: a name such as yolox, and words such as
            bgr, 0-255, stretch, joined by commas.
        class_names: of an ONNX file's classes, where it does not tell, or of torchvision's labels, or of a model of
            Hugging Face: A,B,C or a text file with one in each line.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
        ConfigError: if device, precision or runtime are not available.
    """
    name = str(name_or_path)
    build = find(name)
    if layout is None and class_names is None:
        return build(name, device=device, precision=precision, runtime=runtime)
    for foreign in (open_torchvision, open_huggingface):
        if build is foreign and layout is None:
            return foreign(name, device=device, precision=precision, runtime=runtime, class_names=class_names)
    if Path(name).suffix != ".onnx":
        raise ConfigError(f"layout and class names are said of .onnx files, not of {name}")
    from streamdet.runtimes.onnx_file import open_onnx

    return open_onnx(name, device=device, precision=precision, runtime=runtime, layout=layout, class_names=class_names)


def open_recurrent(name: str, *, device: str, runtime: Runtime, precision: Precision) -> Detector:
    """A model file of ours, or a model in the package; see registry.Builder."""
    if name not in EMBEDDED_MODELS and read_header(Path(name)).get(FORMAT) == str(FOREIGN_FORMAT):
        require_torch(f"model {name}")
        from streamdet.runtimes import foreign
        from streamdet.runtimes.foreign_file import load_foreign

        foreign.check_runtime(name, device, runtime, precision)
        return foreign.ready(load_foreign(Path(name))[0], device, runtime)
    return ready(load_weights(name), device=device, precision=precision, runtime=runtime)


def open_torchvision(
    name: str, *, device: str, runtime: Runtime, precision: Precision, class_names: str | None = None
) -> Detector:
    """A detector of torchvision; see registry.Builder.

    Args:
        name: torchvision/NAME, or torchvision/NAME:WEIGHTS with the name of its weights (DEFAULT otherwise, which
            torchvision downloads once), or with a .pth file of a state dict.
        device, runtime, precision: see foreign.ready.
        class_names: of the labels from 1 on; None: COCO's.

    Raises:
        CheckpointError: if there is no such model or weights, or they are not available.
        ConfigError: if torch, device, runtime or precision are not available.
    """
    require_torch(f"model {name}")
    from streamdet.runtimes import foreign
    from streamdet.runtimes.torchvision import per_frame_model

    foreign.check_runtime(name, device, runtime, precision)
    return foreign.ready(per_frame_model(name, class_names), device, runtime)


def open_huggingface(
    name: str, *, device: str, runtime: Runtime, precision: Precision, class_names: str | None = None
) -> Detector:
    """A detector of Hugging Face's transformers; see registry.Builder.

    Args:
        name: hf:OWNER/NAME, which is downloaded once, or hf: and a folder that it was downloaded to.
        device, runtime, precision: see foreign.ready.
        class_names: of its columns of scores; None: its own.

    Raises:
        CheckpointError: if there is no such model, or it is not available or not to be trusted.
        ConfigError: if it is not understood, or torch, transformers, device, runtime or precision are not available.
    """
    require_torch(f"model {name}")
    from streamdet.runtimes import foreign
    from streamdet.runtimes.huggingface import per_frame_model

    foreign.check_runtime(name, device, runtime, precision)
    return foreign.ready(per_frame_model(name, class_names), device, runtime)


def load_weights(name_or_path: str | Path) -> Weights:
    """A model of our own: the name of one in the package, or the path of a file.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
    """
    if str(name_or_path) in EMBEDDED_MODELS:
        with as_file(files("streamdet") / "weights" / f"{name_or_path}.safetensors") as path:
            return read_weights(path)
    path = Path(name_or_path)
    if not path.is_file() and path.suffix == "":
        find(str(name_or_path))
    return read_weights(path)
