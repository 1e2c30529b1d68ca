"""A user's own detector: an ONNX file, made ready to run by OpenVINO or ONNX Runtime, without torch.

Shapes: N images, H, W pixels of the model image.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import clip_boxes
from streamdet.errors import CheckpointError, ConfigError, ModelError
from streamdet.models.contract import Detector, DetectorSpec, InputSpec
from streamdet.models.onnx.file import OnnxFile, Port, literal, read_onnx
from streamdet.models.onnx.layouts import PLAIN, read_layout, tell
from streamdet.models.onnx.names import COCO_BY_COUNT, NO_CLASS, Columns, names_in, read_names
from streamdet.models.onnx.queries import QUERY_OUTPUTS, SIZE_INPUTS
from streamdet.models.onnx.reading import Reading
from streamdet.models.onnx.seen import Array, Seen
from streamdet.models.options import Precision, Runtime
from streamdet.models.outputs import CandidateOutputs, Candidates
from streamdet.models.per_frame import StatelessDetector
from streamdet.models.transformers_files import Described, described_beside
from streamdet.runtimes.graph.detector import Engine, Execute
from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine
from streamdet.runtimes.openvino import OpenVINOEngine

log = logging.getLogger("streamdet.models.onnx")
_GREY = 114
_PROBED_SIDE = 320
_MOST_GRAPHS = 8
_OTHERS = SIZE_INPUTS | {"pixel_mask"}


@dataclass(frozen=True, slots=True, eq=False)
class Understood:
    """What an ONNX file is taken for.

    Attributes:
        network: runs it.
        layout: name of its layout.
        reading: how its outputs are read.
        columns: classes of the scores.
        spec: of the detector.
    """

    network: "Network"
    layout: str
    reading: Reading
    columns: Columns
    spec: DetectorSpec

    @property
    def licence(self) -> str | None:
        """What its metadata say of it."""
        return self.network.file.metadata.get("license")

    def facts(self) -> dict[str, Any]:
        """All of it, for people and as JSON."""
        file, image = self.network.file, self.spec.input
        size = f"any, {image.size} by default" if image.fixed is None else "{}x{}".format(*image.fixed)
        return {
            "model": str(file.path),
            "sha256": file.sha256,
            "layout": f"{self.layout}: {self.reading.says}",
            "suppression": "by streamdet" if self.reading.overlapping else "in the model, or not needed",
            "inputs": [str(port) for port in file.inputs],
            "outputs": [str(port) for port in file.outputs],
            "image": f"{size} pixels, {image.fit}, {image.channel_order}, scale {image.scale:.6g}, "
            f"mean {image.mean}, std {image.std}",
            "classes": list(self.spec.classes),
            "runtime": self.network.engine.runtime,
            "licence": self.licence or "not stated",
        }

    def look(self, images: NDArray[np.uint8]) -> CandidateOutputs:
        """Outputs for (N, 3, H, W) uint8 RGB."""
        height, width = images.shape[2:]
        frames = []
        for outputs in self.network.run(self.spec.input.to_network(images)):
            found = self.reading.decode(outputs, height, width)
            boxes = clip_boxes(found.boxes, width, height)
            scores = self.columns.scores(found.scores)
            frames.append(Candidates(boxes, scores, self.reading.overlapping, found.more))
        return CandidateOutputs([frames], self.spec.classes, self.spec.skeleton)


def open_onnx(
    name: str,
    *,
    device: str,
    runtime: Runtime,
    precision: Precision,
    layout: str | None = None,
    class_names: str | None = None,
) -> Detector:
    """A detector from an ONNX file; see registry.Builder and understand."""
    found = understand(
        name, device=device, runtime=runtime, precision=precision, layout=layout, class_names=class_names
    )
    spec = found.spec
    size = "any size" if spec.input.fixed is None else "{}x{}".format(*spec.input.fixed)
    log.info("%s: %d classes, %s, %s (layout %s)", name, len(spec.classes), size, found.reading.says, found.layout)
    if found.licence:
        log.info("%s: licence, as its metadata say: %s", name, found.licence[:200])
    return StatelessDetector(spec, found.network.engine.runtime, found.look)


def understand(
    name: str,
    *,
    device: str = "auto",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    layout: str | None = None,
    class_names: str | None = None,
) -> Understood:
    """Read an ONNX file and tell what it is.

    Args:
        name: the file.
        device: auto or cpu.
        runtime: auto is OpenVINO, and ONNX Runtime where it does not read the file.
        precision: auto is fp32.
        layout: of outputs and images, where the file does not tell, see models.onnx.layouts.read_layout.
        class_names: where the file does not tell, see models.onnx.names.read_names.

    Raises:
        CheckpointError: if the file is missing, damaged, not to be trusted or no network.
        ConfigError: if it is no detector that is understood, or what was asked for is not available.
        ModelError: if it cannot be run.
    """
    if device not in ("auto", "cpu"):
        raise ConfigError(f"{name}: ONNX files run on the CPU, device {device} is not available for them")
    wanted, pixels = read_layout(layout)
    given = None if class_names is None else read_names(class_names)
    file = read_onnx(Path(name))
    beside = described_beside(file.path) if {port.name for port in file.outputs} >= QUERY_OUTPUTS else Described()
    problems: list[str] = []
    for engine in _engines(runtime, precision):
        network = Network(file, engine)
        try:
            names = given or names_in(literal(file.metadata.get("names"))) or beside.names
            seen = network.look(names, _probed_side(beside.image))
        except CheckpointError:
            raise
        except ModelError as error:
            problems.append(str(error))
            log.debug("%s: %s", name, error)
            continue
        told, reading = tell(seen, wanted, file.path.name)
        columns = Columns(_names(seen, reading, file))
        image = _input(network, reading if beside.image is None else replace(reading, input=beside.image), pixels)
        spec = DetectorSpec(file.path.stem, columns.classes, file.sha256, image, skeleton=reading.skeleton)
        return Understood(network, told, reading, columns, spec)
    raise ModelError(f"{name}: {problems[0]}")


def _engines(runtime: Runtime, precision: Precision) -> list[Engine]:
    """What may run the file, best first.

    Raises:
        ConfigError: if runtime or precision are not available.
    """
    if runtime == "torch" or precision in ("fp16", "int8") or (runtime, precision) == ("onnxruntime", "bf16"):
        raise ConfigError(
            f"ONNX files run with runtime openvino in fp32 or bf16, or onnxruntime in fp32, not {runtime} {precision}"
        )
    exact: Literal["fp32", "bf16"] = "bf16" if precision == "bf16" else "fp32"
    if runtime == "onnxruntime":
        return [OnnxRuntimeEngine()]
    engines: list[Engine] = [OpenVINOEngine(exact)]
    if runtime == "auto" and exact == "fp32":
        try:
            engines.append(OnnxRuntimeEngine())
        except ConfigError as error:
            log.debug("%s", error)
    return engines


class Network:
    """An ONNX file on an engine, compiled for each size of images.

    Args:
        file: what was read.
        engine: runs it.

    Raises:
        ConfigError: if it does not take images alone, or with their sizes.
    """

    def __init__(self, file: OnnxFile, engine: Engine) -> None:
        self.file, self.engine = file, engine
        self.image = _image(file)
        self._graphs: OrderedDict[tuple[int, int], Execute] = OrderedDict()
        self._lock = Lock()

    @property
    def channels_last(self) -> bool:
        """Whether the images are (N, H, W, 3)."""
        return self.image.shape[-3] not in (3, None)

    @property
    def fixed(self) -> tuple[int, int] | None:
        """Height and width of the images, where the file takes no others."""
        height, width = self.image.shape[-3:-1] if self.channels_last else self.image.shape[-2:]
        return None if height is None or width is None else (height, width)

    def look(self, names: tuple[str, ...] | None, side: int) -> Seen:
        """What it gives for a grey image.

        Args:
            names: of the columns of scores, where they are known.
            side: of the image, pixels, where the file takes any.

        Raises:
            ModelError: if it cannot be run.
        """
        height, width = self.fixed or (side, side)
        value = 0.5 if self.image.dtype.kind == "f" else _GREY
        [arrays] = self.run(np.full((1, 3, height, width), value, np.float32))
        named = {port.name: array for port, array in zip(self.file.outputs, arrays, strict=True)}
        inputs = [port.name for port in self.file.inputs if port is not self.image]
        return Seen(named, height, width, inputs, self.file.metadata, names)

    def run(self, images_NCHW: NDArray[np.float32]) -> Iterator[Sequence[Array]]:
        """Outputs for each of the images, which are as the network wants them, in the file's order.

        A network that takes a batch gets its last image again where there are too few; a batch axis stays, of length 1.
        """
        N, _, height, width = images_NCHW.shape
        batch = (self.image.shape[0] or 1) if len(self.image.shape) == 4 else 1
        images = (images_NCHW.transpose(0, 2, 3, 1) if self.channels_last else images_NCHW).astype(self.image.dtype)
        for start in range(0, N, batch):
            rows = np.minimum(np.arange(start, start + batch), N - 1)
            outputs = self._execute(images[rows], height, width)
            for row in range(min(batch, N - start)):
                yield outputs if batch == 1 else [output[row : row + 1] for output in outputs]

    def _execute(self, images: Array, height: int, width: int) -> Sequence[Array]:
        values = {
            port.name: images if port is self.image else _other(port, len(images), height, width)
            for port in self.file.inputs
        }
        if len(self.image.shape) == 3:
            values[self.image.name] = images[0]
        size = height, width
        with self._lock:
            if size not in self._graphs:
                self._graphs[size] = self.engine.compile(
                    self.file.sized({name: value.shape for name, value in values.items()})
                )
                while len(self._graphs) > _MOST_GRAPHS:
                    self._graphs.popitem(last=False)
            self._graphs.move_to_end(size)
            return self._graphs[size](list(values.values()))


def _image(file: OnnxFile) -> Port:
    """The input that is the image.

    Raises:
        ConfigError: there is not exactly one, or an input besides it is not known.
    """
    images = [port for port in file.inputs if len(port.shape) in (3, 4) and _has_colours(port)]
    others = [port.name for port in file.inputs if port.name not in (*_OTHERS, *(image.name for image in images))]
    if len(images) != 1 or others:
        shown = ", ".join(map(str, file.inputs))
        if any(len(port.shape) == 5 for port in file.inputs):
            shown += ": a step that streamdet exported is run by the name or .safetensors file of its model"
        raise ConfigError(f"{file.path}: expected one image (N, 3, H, W) as its input, it takes {shown}")
    return images[0]


def _has_colours(port: Port) -> bool:
    return port.name not in _OTHERS and (port.shape[-3] in (3, None) or port.shape[-1] == 3)


def _other(port: Port, images: int, height: int, width: int) -> Array:
    """What an input besides the images gets: their width and height, or a mask of ones."""
    if port.name in SIZE_INPUTS:
        return np.tile(np.array([[width, height]], port.dtype), (images, 1))
    sides = port.shape[1:] if None not in port.shape[1:] else (height, width)
    return np.ones((images, *(side or 1 for side in sides)), port.dtype)


def _names(seen: Seen, reading: Reading, file: OnnxFile) -> Sequence[str]:
    """Names of the columns of scores."""
    if seen.names is None:
        return _coco(reading.columns, file)
    return (*seen.names, NO_CLASS) if reading.background == "last" else seen.names_of(reading.columns)


def _coco(columns: int, file: OnnxFile) -> Sequence[str]:
    """COCO's names, for as many classes as it has.

    Raises:
        ConfigError: it has another number.
    """
    names = COCO_BY_COUNT.get(columns)
    if names is None:
        counted = f"{columns} classes" if columns else "classes"
        raise ConfigError(f"{file.path.name}: its {counted} have no names: say --class-names A,B,..., coco80 or coco91")
    log.info("%s: has no names for its %d classes; taken for COCO's, --class-names sets others", file.path, columns)
    return names


def _input(network: Network, reading: Reading, pixels: Mapping[str, Any]) -> InputSpec:
    """Which images the network takes: as the user says, else as the file does, else as its layout does."""
    spec, file = reading.input, network.file
    if file.scales_pixels(network.image.name):
        spec = replace(spec, scale=1.0)
    elif not reading.knows_range and "scale" not in pixels:
        raise ConfigError(
            f"{file.path.name}: does not tell the values of its pixels: say --layout 0-1, 0-255 or imagenet"
        )
    if not reading.knows_order and "channel_order" not in pixels:
        log.warning(
            "%s: does not tell the order of its colours; RGB is taken, --layout bgr sets the other", file.path.name
        )
    if network.image.dtype.kind != "f":
        spec = replace(spec, scale=1.0, mean=PLAIN.mean, std=PLAIN.std)
    if network.fixed is not None:
        spec = replace(spec, fixed=network.fixed, size=max(network.fixed), multiple=1)
    else:
        spec = replace(spec, size=_size(file) or spec.size)
    return replace(spec, padding=_GREY, **pixels)


def _probed_side(image: InputSpec | None) -> int:
    """Of the grey image: the size that is known where one size alone may run."""
    return _PROBED_SIDE if image is None or image.fit == "pad" else image.size


def _size(file: OnnxFile) -> int | None:
    """Longer side of the images that it was made for, by its metadata."""
    value = literal(file.metadata.get("imgsz"))
    sides = value if isinstance(value, list | tuple) else [value]
    return max(sides) if sides and all(type(side) is int and 0 < side <= 4096 for side in sides) else None
