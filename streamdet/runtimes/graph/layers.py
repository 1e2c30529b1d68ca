"""Layers of torch as nodes of an ONNX graph, with all that inference can fold already folded.

Shapes: N images, C channels, H, W pixels or cells.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

Order = NDArray[np.int64]
"""Where channels lie: the channel that is at each place."""
OPSET = 18
# What OpenVINO and ONNX Runtime of the last years read.
_IR_VERSION = 9


class GraphBuilder:
    """Collects nodes; every value is known by its name.

    Args:
        ranges: convolutions to be computed in eight bits, and between which values their inputs lie.
    """

    def __init__(self, ranges: Mapping[nn.Module, tuple[float, float]] | None = None) -> None:
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

    def conv(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], like: nn.Conv2d) -> str:
        """Convolve with these weights and the geometry of a layer."""
        if like in self._ranges:
            x, kernel = self._in_int8(x, *self._ranges[like]), self._int8_weight(weight)
        else:
            kernel = self.constant(weight)
        return self.add(
            "Conv",
            x,
            kernel,
            self.constant(bias),
            kernel_shape=list(like.kernel_size),
            strides=list(like.stride),
            pads=2 * _pair(like.padding),
            group=like.groups,
        )

    def _in_int8(self, x: str, lowest: float, highest: float) -> str:
        """Round to 256 values of this range, which holds 0, and take it to be that from here on."""
        step = max(highest - lowest, 1e-6) / 255
        zero = self.constant(round(-lowest / step), np.uint8)
        scale = self.constant(step)
        return self.add("DequantizeLinear", self.add("QuantizeLinear", x, scale, zero), scale, zero)

    def _int8_weight(self, weight: NDArray[np.float32]) -> str:
        """Round weights to -127 to 127 steps, whose size is every output channel's own."""
        step = np.maximum(np.abs(weight).reshape(len(weight), -1).max(axis=1), 1e-9) / 127
        rounded = np.round(weight / step[:, None, None, None])
        zeros = self.constant(np.zeros(len(step)), np.int8)
        return self.add("DequantizeLinear", self.constant(rounded, np.int8), self.constant(step), zeros, axis=0)

    def layers(self, x: str, layers: nn.Module, order_in: Order | None = None, order_out: Order | None = None) -> str:
        """Apply layers one after another.

        Args:
            x: (N, C, H, W).
            layers: a convolution, or a sequence of convolutions, batch norms, LeakyReLUs and max pools.
            order_in: where x's channels lie, if not in the layers' own order.
            order_out: how the result's channels shall lie.

        Raises:
            TypeError: for a layer of another kind.
        """
        steps = list(layers.children()) or [layers]
        last = max((i for i, step in enumerate(steps) if isinstance(step, nn.Conv2d)), default=-1)
        for i, step in enumerate(steps):
            following = steps[i + 1] if i + 1 < len(steps) else None
            if isinstance(step, nn.Conv2d):
                weight, bias = folded(step, following if isinstance(following, nn.BatchNorm2d) else None)
                if order_in is not None and step.groups > 1:
                    weight, bias = weight[order_in], bias[order_in]
                elif order_in is not None:
                    weight, order_in = weight[:, order_in], None
                if order_out is not None and i == last:
                    weight, bias = weight[order_out], bias[order_out]
                x = self.conv(x, weight, bias, step)
            elif isinstance(step, nn.LeakyReLU):
                x = self.add("LeakyRelu", x, alpha=step.negative_slope)
            elif isinstance(step, nn.MaxPool2d):
                size, stride, padding = (_pair(each) for each in (step.kernel_size, step.stride, step.padding))
                x = self.add("MaxPool", x, kernel_shape=size, strides=stride, pads=2 * padding)
            elif not isinstance(step, nn.BatchNorm2d):
                raise TypeError(f"no graph for a layer of type {type(step).__name__}")
        return x

    def model(self) -> onnx.ModelProto:
        """The whole graph."""
        graph = helper.make_graph(self._nodes, "streamdet", self._inputs, self._outputs, list(self._constants.values()))
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="streamdet")

    def _add(self, operator: str, inputs: Iterable[str], outputs: int, attributes: dict[str, Any]) -> list[str]:
        names = [f"{operator.lower()}_{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names


def array(tensor: Tensor | None) -> NDArray[np.float32]:
    """A parameter's values."""
    if tensor is None:
        raise TypeError("expected a parameter, got None")
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and bias of a convolution and the batch norm behind it, as one convolution."""
    weight = array(conv.weight)
    bias = np.zeros(len(weight), np.float32) if conv.bias is None else array(conv.bias)
    if norm is None:
        return weight, bias
    scale = array(norm.weight) / np.sqrt(array(norm.running_var) + norm.eps)
    shift = array(norm.bias) - array(norm.running_mean) * scale
    return weight * scale[:, None, None, None], bias * scale + shift


def _pair(value: int | str | tuple[int, ...]) -> list[int]:
    """A length in pixels as torch's layers have it, (down, right)."""
    return [value, value] if isinstance(value, int) else [int(side) for side in value]
