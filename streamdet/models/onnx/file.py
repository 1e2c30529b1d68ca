"""An ONNX file: what goes in, what comes out, and what it says of itself."""

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from streamdet.errors import CheckpointError
from streamdet.models.onnx.trust import MOST_BYTES, check_graph, check_sizes, load_weights_beside

_MOST_METADATA = 2**20
_PASSED_ON = {"Cast", "Identity", "Transpose"}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output.

    Attributes:
        name: of it.
        dtype: of its values.
        shape: its sides; None where a side may be of any length.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides}) {self.dtype}"


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """A file that was read; see read_onnx.

    Attributes:
        path: of it.
        sha256: hash of its bytes.
        model: what it holds.
        inputs, outputs: of the network.
        metadata: text by name.
    """

    path: Path
    sha256: str
    model: onnx.ModelProto
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]

    def sized(self, shapes: Mapping[str, Sequence[int]]) -> bytes:
        """The file with inputs of these shapes, in which engines compute fastest.

        Raises:
            CheckpointError: if it then computes tensors that are too large.
        """
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for value in model.graph.input:
            if value.name in shapes:
                sides = value.type.tensor_type.shape
                sides.ClearField("dim")
                for side in shapes[value.name]:
                    sides.dim.add().dim_value = side
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
        content: bytes = model.SerializeToString()
        check_sizes(content, self.path)
        return content

    def scales_pixels(self, name: str) -> bool:
        """Whether the network itself starts with making 0 to 255 smaller: multiplies or divides its input so."""
        values, graph = {name}, self.model.graph
        constants = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
                constants[node.output[0]] = node.attribute[0].t
            elif node.op_type in _PASSED_ON and values.intersection(node.input):
                values.update(node.output)
            elif node.op_type in ("Mul", "Div") and values.intersection(node.input):
                factors = [_numbers(constants[other]) for other in node.input if other in constants]
                if any(factor.size and _is_small(factor, node.op_type) for factor in factors):
                    return True
        return False


def read_onnx(path: Path) -> OnnxFile:
    """Read a file.

    Raises:
        CheckpointError: if it is missing, too large, no ONNX file, or has what is not trusted, see models.onnx.trust.
    """
    if not path.is_file():
        raise CheckpointError(f"model file not found: {path}")
    if path.stat().st_size > MOST_BYTES:
        raise CheckpointError(f"{path} has {path.stat().st_size / 2**20:.0f} MiB, expected at most {MOST_BYTES >> 20}")
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own, which has no base of onnx's
        raise CheckpointError(f"{path} is not a readable ONNX file: {error}") from error
    check_graph(model, path)
    weights = [file.read_bytes() for file in load_weights_beside(model, path)]
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_port(value, path) for value in graph.input if value.name not in stored)
    outputs = tuple(_port(value, path) for value in graph.output)
    if not inputs or not outputs:
        raise CheckpointError(f"{path} is not an ONNX network: it has {len(inputs)} inputs and {len(outputs)} outputs")
    metadata = {entry.key: entry.value for entry in model.metadata_props if len(entry.value) <= _MOST_METADATA}
    return OnnxFile(path, hashlib.sha256(b"".join((content, *weights))).hexdigest(), model, inputs, outputs, metadata)


def literal(text: str | None) -> Any:
    """A value that metadata holds as JSON or as a Python literal; None where it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text or "")
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def _port(value: onnx.ValueInfoProto, path: Path) -> Port:
    tensor = value.type.tensor_type
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: {value.name} is no tensor of numbers") from error
    sides = (side.dim_value if side.HasField("dim_value") else 0 for side in tensor.shape.dim)
    return Port(value.name, dtype, tuple(side if side > 0 else None for side in sides))


def _numbers(tensor: onnx.TensorProto) -> NDArray[np.float64]:
    if np.prod(tensor.dims, dtype=np.float64) > 4:
        return np.zeros(0)
    return np.asarray(onnx.numpy_helper.to_array(tensor), np.float64).reshape(-1)


def _is_small(factor: NDArray[np.float64], operation: str) -> bool:
    """Whether 255 times it, or divided by it, is of the order of 1."""
    scaled = 255 * factor if operation == "Mul" else 255 / np.where(factor == 0, 1, factor)
    return bool((np.abs(scaled) < 10).all())
