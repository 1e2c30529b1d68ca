"""Nodes of an ONNX graph, and convolutions by the names of their weights.

Shapes: N images, C channels, H, W pixels or cells.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[np.float32]
OPSET = 18
# What OpenVINO and ONNX Runtime of the last years read.
_IR_VERSION = 9


class GraphBuilder:
    """Collects nodes; every value is known by its name.

    Args:
        arrays: the model's, by name.
        ranges: names of convolutions to be computed in eight bits, and between which values their inputs lie.
    """

    def __init__(
        self, arrays: Mapping[str, Array] | None = None, ranges: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        self.arrays = arrays or {}
        self._ranges = ranges or {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[type, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: list[int | str]) -> str:
        """Declare an input of an onnx.TensorProto type; a dimension with a name may have any length."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, shape: list[int | str], kind: int = onnx.TensorProto.FLOAT) -> None:
        """Give a value of an onnx.TensorProto type out under a name."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def constant(self, value: Any, kind: type[np.generic] = np.float32) -> str:
        """A number or an array."""
        array = np.asarray(value, kind, order="C")
        # A cell that runs T times has its weights once.
        key = (kind, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"constant_{len(self._constants)}")
        return self._constants[key].name

    def integers(self, *values: int) -> str:
        """A constant such as a shape or axes."""
        return self.constant(values, np.int64)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self._add(operator, inputs, 1, attributes)[0]

    def split(self, x: str, sizes: Iterable[int], axis: int) -> list[str]:
        """Cut along an axis; a single part stays as it is."""
        lengths = tuple(sizes)
        if len(lengths) == 1:
            return [x]
        return self._add("Split", (x, self.integers(*lengths)), len(lengths), {"axis": axis})

    def split_evenly(self, x: str, parts: int, axis: int) -> list[str]:
        """Cut along an axis of any length into so many parts; a single part stays as it is."""
        return [x] if parts == 1 else self._add("Split", (x,), parts, {"axis": axis, "num_outputs": parts})

    def concat(self, parts: list[str], axis: int) -> str:
        """Join along an axis; a single part stays as it is."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=axis)

    def conv(self, x: str, name: str, stride: int = 1) -> str:
        """Convolve (N, C, H, W) with the model's weights of this name, padded to keep the size but for the stride."""
        weight = self.arrays[f"{name}.weight"]
        bias = self.arrays.get(f"{name}.bias", np.zeros(len(weight), np.float32))
        return self.conv_with(x, name, weight, bias, stride)

    def conv_with(self, x: str, name: str, weight: Array, bias: Array, stride: int = 1) -> str:
        """Convolve with these weights, (O, C, k, k) or (C, 1, k, k) for each channel on its own; name: as in ranges."""
        if name in self._ranges:
            x, kernel = self._in_int8(x, *self._ranges[name]), self._int8_weight(weight)
        else:
            kernel = self.constant(weight)
        outputs, _, height, width = weight.shape
        return self.add(
            "Conv",
            x,
            kernel,
            self.constant(bias),
            kernel_shape=[height, width],
            strides=[stride, stride],
            pads=[height // 2, width // 2] * 2,
            group=outputs if _each_by_itself(weight) else 1,
        )

    def _in_int8(self, x: str, lowest: float, highest: float) -> str:
        """Round to 256 values of this range, which holds 0, and take it to be that from here on."""
        step = max(highest - lowest, 1e-6) / 255
        zero = self.constant(round(-lowest / step), np.uint8)
        scale = self.constant(step)
        return self.add("DequantizeLinear", self.add("QuantizeLinear", x, scale, zero), scale, zero)

    def _int8_weight(self, weight: Array) -> str:
        """Round weights to -127 to 127 steps, whose size is every output channel's own."""
        step = np.maximum(np.abs(weight).reshape(len(weight), -1).max(axis=1), 1e-9) / 127
        rounded = np.round(weight / step[:, None, None, None])
        zeros = self.constant(np.zeros(len(step)), np.int8)
        return self.add("DequantizeLinear", self.constant(rounded, np.int8), self.constant(step), zeros, axis=0)

    def model(self) -> onnx.ModelProto:
        """The whole graph."""
        graph = helper.make_graph(self._nodes, "streamdet", self._inputs, self._outputs, list(self._constants.values()))
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="streamdet")

    def _add(self, operator: str, inputs: Iterable[str], outputs: int, attributes: dict[str, Any]) -> list[str]:
        names = [f"{operator.lower()}_{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names


def _each_by_itself(weight: Array) -> bool:
    """Whether a convolution mixes no channels; those of 1 x 1 always do."""
    return bool(weight.shape[1] == 1 and weight.shape[2] > 1)
