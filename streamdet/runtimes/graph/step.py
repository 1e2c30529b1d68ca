"""One step of a detector as an ONNX graph, which OpenVINO and ONNX Runtime both execute.

It is written layer by layer, not traced: that takes milliseconds, and the graph is what an engine likes best. All maps
keep four dimensions with the frames of a clip in turn, so that no engine changes their layout in memory;
batch norms and the ramp of memory are folded into weights; and channels are never shuffled.
The numbers are the model's.

Shapes: B streams, T frames, N = T * B images (time-major), C channels, D recurrent channels, H, W pixels, P cells.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from streamdet.models.recurrent.layout import BACKBONE_STRIDES, PIXEL_DEVIATION, PIXEL_MEAN, TOWER_BLOCKS
from streamdet.models.recurrent.weights import Weights
from streamdet.runtimes.graph.convlstm import convlstm_step
from streamdet.runtimes.graph.layers import Conv, GraphBuilder, Order
from streamdet.runtimes.graph.routing import backbone_graph

BATCH = "batch"
"""The one dimension of a graph that may be of any length."""
StateOutput = tuple[str, str, list[int | str], int]
"""Name, value, shape and onnx.TensorProto type."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """What one graph takes.

    Attributes:
        streams: B; None: any number of them.
        frames: T.
        height, width: pixels, multiples of 32.
    """

    streams: int | None
    frames: int
    height: int
    width: int


def step_graph(weights: Weights, shape: StepShape, *, int8: bool = False) -> onnx.ModelProto:
    """Build the graph of `RecurrentDetector.step` for one shape.

    Args:
        weights: the model.
        shape: what one step takes.
        int8: compute layout.int8_layers in eight bits, within the model's int8_ranges.

    Inputs, in this order: images (B, T, H, W, 3) uint8 RGB; dt_s (B, T) float32; and of a model with memory, age (B,)
    int64, the frames that each stream has seen, then hidden_<stride> and cell_<stride> (B, D, H_l, W_l) float32 of
    every level with memory, zeros where age is 0.
    Outputs: boxes (B, T, P, 4) and scores (B, T, P, K) float32 as in models.outputs.DenseOutputs; then next_age,
    next_hidden_<stride> and next_cell_<stride>.

    Raises:
        ValueError: if height or width are no multiples of 32.
    """
    return _Step(weights, shape, int8).build()


class _Step:
    def __init__(self, weights: Weights, shape: StepShape, int8: bool) -> None:
        if shape.height % 32 or shape.width % 32:
            raise ValueError(f"height and width must be multiples of 32, got {shape.height}x{shape.width}")
        self.config, self.shape = weights.config, shape
        self.graph = GraphBuilder(weights.arrays, weights.int8_ranges if int8 else None)
        self.batch: int | str = BATCH if shape.streams is None else shape.streams
        # Streams of clips lie between the frames: they are brought into time's order and back.
        self.reorders = shape.frames > 1 and shape.streams != 1

    def build(self) -> onnx.ModelProto:
        g, T, K = self.graph, self.shape.frames, len(self.config.classes)
        images = g.input("images", onnx.TensorProto.UINT8, [self.batch, T, self.shape.height, self.shape.width, 3])
        dt_s = g.input("dt_s", onnx.TensorProto.FLOAT, [self.batch, T])
        maps = self.laterals(backbone_graph(g, self.pixels(images)))
        ratio = self.dt_ratio(dt_s)
        states: list[StateOutput] = []
        if self.config.memory_strides:
            age = g.input("age", onnx.TensorProto.INT64, [self.batch])
            states.append(("next_age", g.add("Add", age, g.integers(T)), [self.batch], onnx.TensorProto.INT64))
            knows = self.knows(age)
        for stride in self.config.memory_strides:
            level = BACKBONE_STRIDES.index(stride)
            maps[level], state = self.remember(maps[level], stride, ratio, knows)
            states += state
        boxes, scores = self.read(self.aggregated(maps))
        cells = sum(height * width for height, width in self.map_sizes())
        for name, value, columns in (("boxes", boxes, 4), ("scores", scores, K)):
            g.output(name, self.by_stream(value, cells, columns), [self.batch, T, cells, columns])
        for name, value, state_shape, kind in states:
            g.output(name, value, state_shape, kind)
        return g.model()

    def map_sizes(self) -> list[tuple[int, int]]:
        return [(self.shape.height // stride, self.shape.width // stride) for stride in BACKBONE_STRIDES]

    def pixels(self, images: str) -> str:
        """(B, T, H, W, 3) uint8 to (N, 3, H, W) float32, normalised."""
        g = self.graph
        if self.reorders:
            images = g.add("Transpose", images, perm=[1, 0, 2, 3, 4])
        x = g.add("Reshape", images, g.integers(-1, self.shape.height, self.shape.width, 3))
        mean, deviation = (g.constant(x) for x in (PIXEL_MEAN, PIXEL_DEVIATION))
        x = g.add("Div", g.add("Sub", g.add("Cast", x, to=onnx.TensorProto.FLOAT), mean), deviation)
        return g.add("Transpose", x, perm=[0, 3, 1, 2])

    def laterals(self, features: list[tuple[str, Order]]) -> list[str]:
        """AdditivePAN.project of models.neck."""
        return [
            self.graph.convs(x, [Conv(f"neck.laterals.{level}")], order) for level, (x, order) in enumerate(features)
        ]

    def aggregated(self, maps: list[str]) -> list[str]:
        """AdditivePAN.aggregate of models.neck."""
        g, maps = self.graph, list(maps)
        for level in range(len(maps) - 1, 0, -1):
            scales = g.constant((1, 1, 2, 2))
            coarse = g.add(
                "Resize", maps[level], "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
            )
            maps[level - 1] = g.add("Add", maps[level - 1], coarse)
        for level in range(len(maps) - 1):
            halved = g.add("AveragePool", maps[level], kernel_shape=[2, 2], strides=[2, 2])
            maps[level + 1] = g.add("Add", maps[level + 1], halved)
        return maps

    def dt_ratio(self, dt_s: str) -> str:
        """(B, T) seconds to (N, 1, 1, 1), over the training's, within the limits of RecurrentDetector.fuse."""
        g = self.graph
        if self.reorders:
            dt_s = g.add("Transpose", dt_s, perm=[1, 0])
        ratio = g.add("Div", dt_s, g.constant(self.config.training_dt_s))
        ratio = g.add("Clip", ratio, g.constant(1 / 16), g.constant(16))
        return g.add("Reshape", ratio, g.integers(-1, 1, 1, 1))

    def knows(self, age: str) -> str:
        """(B,) ages to (B, 1, 1, 1): 0 at a stream's first frame, when there is nothing to remember, and else 1."""
        g = self.graph
        seen = g.add("Cast", g.add("Sign", age), to=onnx.TensorProto.FLOAT)
        return g.add("Reshape", seen, g.integers(-1, 1, 1, 1))

    def remember(self, x: str, stride: int, ratio: str, knows: str) -> tuple[str, list[StateOutput]]:
        """RecurrentFusion of models.fusion; returns the fused map and the outputs of its state."""
        g, D, name = self.graph, self.config.recurrent_channels, f"memory.{stride}"
        height, width = (side // stride for side in (self.shape.height, self.shape.width))
        state_shape: list[int | str] = [self.batch, D, height, width]
        hidden, cell = (g.input(f"{part}_{stride}", onnx.TensorProto.FLOAT, state_shape) for part in ("hidden", "cell"))
        exponent = g.add("Pow", ratio, g.constant(g.arrays[f"{name}.cell.decay_exponent"][:, None, None]))
        elapsed = g.add(
            "Mul", g.add("Log", ratio), g.constant(g.arrays[f"{name}.cell.elapsed_weight"].reshape(-1, 1, 1))
        )
        steps = []
        for of_frame in zip(*map(self.in_time, (x, exponent, elapsed)), strict=True):
            x_t, e, u_log_r = of_frame
            hidden, cell = convlstm_step(g, f"{name}.cell", x_t, hidden, cell, e, u_log_r)
            steps.append(hidden)
        remembered = g.convs(g.concat(steps, 0), [Conv(f"{name}.project")])
        *passed, seen = g.split(x, [size for size in (self.config.channels - D, D) if size], 1)
        gate = g.add("Sigmoid", g.convs(g.concat([seen, remembered], 1), [Conv(f"{name}.gate")]))
        # At a stream's first frame there is nothing to remember, in the later ones of a clip always something.
        alpha = g.constant(g.arrays[f"{name}.alpha"])
        first = g.add("Mul", knows, alpha)
        later = g.add("Add", g.add("Mul", knows, g.constant(0)), alpha)
        gate = g.add("Mul", gate, g.concat([first, *[later] * (self.shape.frames - 1)], 0))
        blended = g.add("Add", seen, g.add("Mul", gate, g.add("Sub", remembered, seen)))
        outputs: list[StateOutput] = [
            (f"next_{part}_{stride}", value, state_shape, onnx.TensorProto.FLOAT)
            for part, value in (("hidden", hidden), ("cell", cell))
        ]
        return g.concat([*passed, blended], 1), outputs

    def in_time(self, x: str) -> list[str]:
        """(N, ...) as T parts of (B, ...)."""
        return self.graph.split_evenly(x, self.shape.frames, 0)

    def read(self, maps: list[str]) -> tuple[str, str]:
        """AnchorFreeHead of models.head and models.boxes: (N, P, 4) boxes and (N, P, K) scores."""
        g, K, Q = self.graph, len(self.config.classes), self.config.distance_bins
        rows = []
        for level, (x, (height, width)) in enumerate(zip(maps, self.map_sizes(), strict=True)):
            name = f"head.towers.{level}"
            tower = [layer for block in range(TOWER_BLOCKS) for layer in _separable(f"{name}.{block}")]
            convs = [f"head.score_convs.{level}", f"head.distance_convs.{level}"]
            weights, biases = zip(*(g.folded(Conv(conv)) for conv in convs), strict=True)
            both = g.conv(g.convs(x, tower), convs[0], np.concatenate(weights), np.concatenate(biases))
            both = g.add("Transpose", both, perm=[0, 2, 3, 1])
            rows.append(g.add("Reshape", both, g.integers(-1, height * width, K + 4 * Q)))
        logits, sides = g.split(g.concat(rows, 1), (K, 4 * Q), 2)
        return self.boxes(sides, Q), g.add("Sigmoid", logits)

    def boxes(self, sides: str, Q: int) -> str:
        """(N, P, 4 Q) distance logits to (N, P, 4) boxes, clipped to the image."""
        g, (height, width) = self.graph, (self.shape.height, self.shape.width)
        centres, strides = _cells(self.map_sizes())
        shares = g.add("Softmax", g.add("Reshape", sides, g.integers(-1, len(centres), 4, Q)), axis=-1)
        means = g.add("ReduceSum", g.add("Mul", shares, g.constant(np.arange(Q))), g.integers(-1), keepdims=0)
        outwards = strides[:, None] * np.array((-1, -1, 1, 1))
        boxes = g.add("Add", g.add("Mul", means, g.constant(outwards)), g.constant(np.tile(centres, 2)))
        return g.add("Min", g.add("Max", boxes, g.constant(0)), g.constant((width, height, width, height)))

    def by_stream(self, x: str, cells: int, columns: int) -> str:
        """(N, P, ...) as (B, T, P, ...)."""
        g, T = self.graph, self.shape.frames
        if not self.reorders:
            return g.add("Reshape", x, g.integers(-1, T, cells, columns))
        return g.add("Transpose", g.add("Reshape", x, g.integers(T, -1, cells, columns)), perm=[1, 0, 2, 3])


def _separable(name: str) -> list[Conv]:
    """A block of a tower of models.head."""
    return [Conv(f"{name}.0", f"{name}.1", activated=True), Conv(f"{name}.3", f"{name}.4", activated=True)]


def _cells(sizes: list[tuple[int, int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """cell_centres of models.boxes: (P, 2) x y and (P,) stride, pixels."""
    centres = [
        stride * (np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2) + 0.5)
        for (height, width), stride in zip(sizes, BACKBONE_STRIDES, strict=True)
    ]
    strides = [np.full(len(level), stride) for level, stride in zip(centres, BACKBONE_STRIDES, strict=True)]
    return np.concatenate(centres).astype(np.float32), np.concatenate(strides).astype(np.float32)
