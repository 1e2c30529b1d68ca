"""Small ONNX files with the outputs of detectors, for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def write_constant_network(
    path: Path,
    outputs: Mapping[str, NDArray[Any]],
    *,
    image: Sequence[int | str] = (1, 3, 64, 64),
    others: Mapping[str, Sequence[int]] | None = None,
    metadata: Mapping[str, str] | None = None,
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """A network that finds the same in every image: outputs by name.

    Args:
        image: shape of the image's input; a text is an axis of any length.
        others: shapes of int64 inputs besides it.
        metadata: of the file.
        dtype: of the image.
    """
    inputs = [helper.make_tensor_value_info("images", dtype, list(image))]
    inputs += [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in (others or {}).items()]
    stored = [numpy_helper.from_array(np.asarray(array), f"{name}_value") for name, array in outputs.items()]
    nodes = [helper.make_node("Identity", [f"{name}_value"], [name]) for name in outputs]
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in outputs.items()
    ]
    return write_graph(path, helper.make_graph(nodes, "constant", inputs, values, stored), metadata)


def write_grid_network(
    path: Path,
    weights: NDArray[Any],
    biases: NDArray[Any],
    *,
    sides: tuple[int, int] | None = None,
    strides: Sequence[int] = (8, 16, 32),
    rows_first: bool = False,
    metadata: Mapping[str, str] | None = None,
    batch: int | str = 1,
    half: bool = False,
) -> Path:
    """A network with a prediction for each cell, C numbers that are linear in the mean colour of the cell.

    Args:
        weights, biases: (C, 3) and (C,): of the colours, in the order and scale of the network's input.
        sides: height and width of the image; None: any.
        strides: of the cells' grids, pixels.
        rows_first: output (N, P, C), not (N, C, P).
        metadata: of the file.
        batch: images at once; a text is any number.
        half: compute in float16.
    """
    height, width = sides or ("height", "width")
    kind = np.dtype(np.float16 if half else np.float32)
    stored = [
        numpy_helper.from_array(weights[:, :, None, None].astype(kind), "weights"),
        numpy_helper.from_array(biases.astype(kind), "biases"),
        numpy_helper.from_array(np.array([0, len(weights), -1]), "rows"),
    ]
    nodes = []
    for level, stride in enumerate(strides):
        pool: dict[str, Any] = {"kernel_shape": [stride, stride], "strides": [stride, stride], "ceil_mode": 1}
        nodes += [
            helper.make_node("AveragePool", ["images"], [f"mean{level}"], **pool),
            helper.make_node("Conv", [f"mean{level}", "weights", "biases"], [f"cells{level}"]),
            helper.make_node("Reshape", [f"cells{level}", "rows"], [f"rows{level}"]),
        ]
    joined = "joined" if rows_first else "output0"
    nodes.append(helper.make_node("Concat", [f"rows{level}" for level in range(len(strides))], [joined], axis=2))
    if rows_first:
        nodes.append(helper.make_node("Transpose", [joined], ["output0"], perm=[0, 2, 1]))
    element = helper.np_dtype_to_tensor_dtype(kind)
    inputs = [helper.make_tensor_value_info("images", element, [batch, 3, height, width])]
    values = [helper.make_tensor_value_info("output0", element, [batch, "rows", "columns"])]
    return write_graph(path, helper.make_graph(nodes, "grid", inputs, values, stored), metadata)


def write_graph(path: Path, graph: onnx.GraphProto, metadata: Mapping[str, str] | None = None) -> Path:
    """A graph as a file."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    path.write_bytes(model.SerializeToString())
    return path
