"""What an ONNX file from anywhere must not have: loops, operators of its own, weights elsewhere, huge tensors.

An engine would run, load or allocate all of it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx.external_data_helper import load_external_data_for_model

from streamdet.errors import CheckpointError

MOST_BYTES = 2**30
_MOST_NODES = 50_000
_MOST_NUMBERS = 2**28
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
_LOOPS = {"Loop", "Scan", "SequenceMap"}


def check_graph(model: onnx.ModelProto, path: Path) -> None:
    """Refuse what could run for ever or calls for code of its own.

    Raises:
        CheckpointError: the file has it.
    """
    if model.functions:
        raise CheckpointError(f"{path} has functions of its own ({model.functions[0].name}): export it without them")
    nodes = list(_nodes(model.graph))
    if len(nodes) > _MOST_NODES:
        raise CheckpointError(f"{path} has {len(nodes)} operations, expected at most {_MOST_NODES}")
    for node in nodes:
        if node.op_type in _LOOPS:
            raise CheckpointError(f"{path} has a loop ({node.op_type}), which may never end: export it without loops")
        if node.domain not in _DOMAINS:
            raise CheckpointError(
                f"{path} needs the operator {node.domain}.{node.op_type}, which is not ONNX's: export it without"
            )


def load_weights_beside(model: onnx.ModelProto, path: Path) -> list[Path]:
    """Read weights that the file leaves in other files of its folder; gives these.

    Raises:
        CheckpointError: they are elsewhere, too large, or cannot be read.
    """
    outside = [tensor for tensor in _tensors(model.graph) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    names = {entry.value for tensor in outside for entry in tensor.external_data if entry.key == "location"}
    for name in sorted(names):
        file = path.parent / name
        if name != Path(name).name or file.is_symlink() or not file.is_file():
            raise CheckpointError(f"{path}: its weights are in {name!r}, expected a file in the same folder")
    files = [path.parent / name for name in sorted(names)]
    if sum(file.stat().st_size for file in (path, *files)) > MOST_BYTES:
        raise CheckpointError(f"{path} has more than {MOST_BYTES >> 20} MiB with its weights in {', '.join(names)}")
    if outside:
        try:
            load_external_data_for_model(model, str(path.parent.resolve()))
        except Exception as error:  # those of several libraries
            raise CheckpointError(f"{path}: its weights in {', '.join(names)} cannot be read: {error}") from error
    return files


def check_sizes(content: bytes, path: Path) -> None:
    """Refuse a network with fixed inputs that computes a tensor of more than 268 million numbers.

    Raises:
        CheckpointError: it does.
    """
    try:
        model = onnx.shape_inference.infer_shapes(content, data_prop=True)
    except Exception:  # what ONNX does not understand, the engine may, or says better
        return
    for value in (model if isinstance(model, onnx.ModelProto) else onnx.load_model_from_string(model)).graph.value_info:
        numbers = np.prod([side.dim_value for side in value.type.tensor_type.shape.dim], dtype=np.float64)
        if numbers > _MOST_NUMBERS:
            raise CheckpointError(f"{path}: {value.name} has {numbers:.3g} numbers, expected at most {_MOST_NUMBERS}")


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Those of graphs inside others as well."""
    for node in graph.node:
        yield node
        for inner in _graphs(node):
            yield from _nodes(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
        for inner in _graphs(node):
            yield from _tensors(inner)


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
