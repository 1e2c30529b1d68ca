"""One step of a detector as an ONNX graph, which OpenVINO and ONNX Runtime both execute.

It is written layer by layer, not traced: that takes milliseconds, and the graph is what an engine likes best. All maps
keep four dimensions with the frames of a clip in turn, so that no engine changes their layout in memory; and the scale
of pixels and the ramp of memory are folded into weights. The numbers are the model's.

Shapes: B streams, T frames, N = T * B images (time-major), C channels, D recurrent channels, H, W pixels, A anchors of
a cell, P anchors of all levels, G groups of classes, M names.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from streamdet.models.recurrent.layout import (
    ANCHOR_SIDES,
    BACKBONE_CHANNELS,
    BACKBONE_STRIDES,
    BLOCKS,
    DELTA_SCALES,
    MAX_GROWTH,
    NORM_EPSILON,
    PIXEL_SCALE,
    STRIDES,
    TOWER_BLOCKS,
    anchor_boxes,
    map_sizes,
)
from streamdet.models.recurrent.weights import Weights
from streamdet.runtimes.graph.convlstm import convlstm_step
from streamdet.runtimes.graph.layers import GraphBuilder

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


def step_graph(weights: Weights, shape: StepShape, *, int8: bool = False, features: bool = False) -> onnx.ModelProto:
    """Build the graph of `RecurrentDetector.step` for one shape.

    Args:
        weights: the model.
        shape: what one step takes.
        int8: compute layout.int8_layers in eight bits, within the model's int8_ranges.
        features: give out what embeddings are read from as well.

    Inputs, in this order: images (B, T, H, W, 3) uint8 RGB; dt_s (B, T) float32; and of a model with memory, age (B,)
    int64, the frames that each stream has seen, then hidden_<stride> and cell_<stride> (B, D, H_l, W_l) float32 of
    every level with memory, zeros where age is 0.
    Outputs: boxes (B, T, P, 4), scores (B, T, P, K) and, where wanted, features (B, T, H_l, W_l, C) float32 as in
    models.outputs.DenseOutputs; then next_age, next_hidden_<stride> and next_cell_<stride>.

    Raises:
        ValueError: if height or width are no multiples of 32.
    """
    return _Step(weights, shape, int8).build(features=features)


class _Step:
    def __init__(self, weights: Weights, shape: StepShape, int8: bool) -> None:
        if shape.height % 32 or shape.width % 32:
            raise ValueError(f"height and width must be multiples of 32, got {shape.height}x{shape.width}")
        self.config, self.shape = weights.config, shape
        self.graph = GraphBuilder(weights.arrays, weights.int8_ranges if int8 else None)
        self.batch: int | str = BATCH if shape.streams is None else shape.streams
        # Streams of clips lie between the frames: they are brought into time's order and back.
        self.reorders = shape.frames > 1 and shape.streams != 1
        self.sizes = map_sizes(shape.height, shape.width)
        self.anchors = anchor_boxes(self.sizes)

    def build(self, *, features: bool) -> onnx.ModelProto:
        g, T, K = self.graph, self.shape.frames, len(self.config.classes)
        images = g.input("images", onnx.TensorProto.UINT8, [self.batch, T, self.shape.height, self.shape.width, 3])
        dt_s = g.input("dt_s", onnx.TensorProto.FLOAT, [self.batch, T])
        maps = [g.conv(x, f"neck.laterals.{level}") for level, x in enumerate(self.backbone(self.pixels(images)))]
        seen = maps[0]
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
        given: list[tuple[str, str, tuple[int, ...]]]
        given = [("boxes", boxes, (len(self.anchors), 4)), ("scores", scores, (len(self.anchors), K))]
        if features:
            shape = (*self.sizes[0], self.config.channels)
            given.append(("features", g.add("Transpose", seen, perm=[0, 2, 3, 1]), shape))
        for name, value, rest in given:
            g.output(name, self.by_stream(value, rest), [self.batch, T, *rest])
        for name, value, state_shape, kind in states:
            g.output(name, value, state_shape, kind)
        return g.model()

    def pixels(self, images: str) -> str:
        """(B, T, H, W, 3) uint8 to (N, 3, H, W) float32, 0 to 255."""
        g = self.graph
        if self.reorders:
            images = g.add("Transpose", images, perm=[1, 0, 2, 3, 4])
        x = g.add("Reshape", images, g.integers(-1, self.shape.height, self.shape.width, 3))
        return g.add("Transpose", g.add("Cast", x, to=onnx.TensorProto.FLOAT), perm=[0, 3, 1, 2])

    def backbone(self, x: str) -> list[str]:
        """MobileNetBackbone of models.backbone: the maps of strides 8, 16 and 32."""
        g, name = self.graph, "backbone.stem"
        weight = g.arrays[f"{name}.weight"] * np.float32(PIXEL_SCALE)
        x = self.relu6(g.conv_with(x, name, weight, g.arrays[f"{name}.bias"], stride=2))
        maps = []
        for number, block in enumerate(BLOCKS):
            name = f"backbone.blocks.{number}"
            y = self.relu6(g.conv(x, f"{name}.expand"))
            y = self.relu6(g.conv(y, f"{name}.depthwise", block.stride))
            y = g.conv(y, f"{name}.reduce")
            x = g.add("Add", x, y) if block.adds else y
            if block.tapped:
                maps.append(x)
        return maps

    def relu6(self, x: str) -> str:
        return self.graph.add("Clip", x, self.graph.constant(0), self.graph.constant(6))

    def aggregated(self, maps: list[str]) -> list[str]:
        """FeaturePyramid.aggregate of models.neck."""
        g, maps = self.graph, list(maps)
        for level in range(len(maps) - 1, 0, -1):
            scales = g.constant((1, 1, 2, 2))
            modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            maps[level - 1] = g.add("Add", maps[level - 1], g.add("Resize", maps[level], "", scales, **modes))
        levels: list[str] = []
        for level in range(len(STRIDES)):
            finer = level < len(BACKBONE_CHANNELS)
            x = maps[level] if finer else levels[-1]
            levels.append(g.conv(x, f"neck.outputs.{level}", 1 if finer else 2))
        return levels

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
        remembered = g.conv(g.concat(steps, 0), f"{name}.project")
        *passed, seen = g.split(x, [size for size in (self.config.channels - D, D) if size], 1)
        gate = g.add("Sigmoid", g.conv(g.concat([seen, remembered], 1), f"{name}.gate"))
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

    def read(self, levels: list[str]) -> tuple[str, str]:
        """AnchorHead of models.head and RecurrentDetector.decode: (N, P, 4) boxes and (N, P, K) scores."""
        g, G, M = self.graph, len(self.config.members), len(self.config.names)
        rows = []
        for level, (x, (height, width)) in enumerate(zip(levels, self.sizes, strict=True)):
            what, where = self.tower(x, "class_tower"), self.tower(x, "box_tower")
            parts = [(g.conv(what, "head.groups"), G), (g.conv(where, "head.centred"), 1)]
            parts.append((self.scaled(where, level), 4))
            if M:
                parts.append((self.named(x, what), M))
            cells = height * width * len(ANCHOR_SIDES)
            rows.append([
                g.add("Reshape", g.add("Transpose", part, perm=[0, 2, 3, 1]), g.integers(-1, cells, columns))
                for part, columns in parts
            ])  # fmt: skip
        groups, centred, deltas, *names = (g.concat(list(part), 1) for part in zip(*rows, strict=True))
        return self.boxes(deltas), self.scores(groups, centred, names[0] if names else "")

    def tower(self, x: str, name: str) -> str:
        """A tower of models.head."""
        g = self.graph
        for block in range(TOWER_BLOCKS):
            norm = f"head.{name}.{block}.norm"
            weight, bias = (g.constant(g.arrays[f"{norm}.{part}"]) for part in ("weight", "bias"))
            x = g.conv(x, f"head.{name}.{block}.conv")
            x = g.add("Relu", g.add("InstanceNormalization", x, weight, bias, epsilon=NORM_EPSILON))
        return x

    def scaled(self, where: str, level: int) -> str:
        """The deltas of a level: (N, 4 A, H_l, W_l)."""
        g, name = self.graph, "head.deltas"
        scale = g.arrays["head.delta_scales"][level]
        return g.conv_with(where, name, g.arrays[f"{name}.weight"] * scale, g.arrays[f"{name}.bias"] * scale)

    def named(self, x: str, what: str) -> str:
        """NameBranch of models.head."""
        g, name = self.graph, "head.names"
        y = g.add("Relu", g.conv(g.concat([x, what], 1), f"{name}.mix"))
        return g.conv(g.add("Relu", g.add("Add", y, g.conv(y, f"{name}.depthwise"))), f"{name}.out")

    def boxes(self, deltas: str) -> str:
        """(N, P, 4) deltas to (N, P, 4) boxes, clipped to the image: decode_boxes of models.boxes."""
        g, (height, width) = self.graph, (self.shape.height, self.shape.width)
        low, high = self.anchors[:, :2], self.anchors[:, 2:]
        sides, centres = high - low, (low + high) / 2
        moved, grown = g.split(g.add("Mul", deltas, g.constant(DELTA_SCALES)), (2, 2), 2)
        middle = g.add("Add", g.add("Mul", moved, g.constant(sides)), g.constant(centres))
        grown = g.add("Clip", grown, g.constant(-MAX_GROWTH), g.constant(MAX_GROWTH))
        half = g.add("Mul", g.add("Exp", grown), g.constant(sides / 2))
        boxes = g.concat([g.add("Sub", middle, half), g.add("Add", middle, half)], 2)
        return g.add("Min", g.add("Max", boxes, g.constant(0)), g.constant((width, height, width, height)))

    def scores(self, groups: str, centred: str, names: str) -> str:
        """RecurrentDetector.scores: (N, P, G), (N, P, 1) and (N, P, M) logits to (N, P, K) scores."""
        g, members = self.graph, self.config.members
        shared = g.add("Mul", g.add("Sigmoid", groups), g.add("Sigmoid", centred))
        split = g.split(shared, [1] * len(members), 2)
        several = [len(group) for group in members.values() if len(group) > 1]
        shares = iter(g.split(names, several, 2) if names else [])
        parts: list[tuple[str, ...]] = []
        values = []
        for score, group in zip(split, members.values(), strict=True):
            parts.append(group)
            values.append(score if len(group) == 1 else g.add("Mul", g.add("Softmax", next(shares), axis=-1), score))
        names_in_order = [name for group in parts for name in group]
        scores = g.concat(values, 2)
        if names_in_order == list(self.config.classes):
            return scores
        # A class in several groups has the sum of its scores there.
        order = [[other == name for name in self.config.classes] for other in names_in_order]
        return g.add("MatMul", scores, g.constant(np.array(order)))

    def by_stream(self, x: str, shape: tuple[int, ...]) -> str:
        """(N, ...) as (B, T, ...), of this shape from there on."""
        g, T = self.graph, self.shape.frames
        if not self.reorders:
            return g.add("Reshape", x, g.integers(-1, T, *shape))
        x = g.add("Reshape", x, g.integers(T, -1, *shape))
        return g.add("Transpose", x, perm=[1, 0, *range(2, 2 + len(shape))])
