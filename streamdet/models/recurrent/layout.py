"""What a recurrent detector consists of, without torch: sizes, and the names and shapes of all its tensors.

The modules beside this one are built to the same numbers; model files and graphs know the tensors by these names.

Shapes: C channels of the neck, D recurrent channels, M names, A anchors of a cell, P anchors of all levels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamdet.models.recurrent.config import ModelConfig

STEM_CHANNELS = 32
PIXEL_SCALE = 1 / 255
BACKBONE_CHANNELS = (32, 96, 320)
BACKBONE_STRIDES = (8, 16, 32)
STRIDES = (8, 16, 32, 64, 128)
"""Of the levels that the head reads."""
TOWER_BLOCKS = 4
NAME_CHANNELS = 48
ANCHOR_SIDES = ((11.3125, 5.65625), (8.0, 8.0), (5.65625, 11.3125))
"""Width and height of a cell's A anchors, in strides."""
DELTA_SCALES = (0.1, 0.1, 0.2, 0.2)
"""Of the head's x, y, width and height against an anchor's."""
MAX_GROWTH = float(np.log(1000 / 16))
"""Of the logarithm of a side, either way."""
NORM_EPSILON = 1e-5
CELL_LIMIT = 6.0
"""|c| of the ConvLSTM never exceeds this: tanh is flat there and a long stream cannot drift away."""
MAX_LOG_KEEP = -1e-4
"""log f of its forget gate is taken to be at most this: of f nearer to 1, 1 - f underflows."""
_MIXED_CHANNELS = 8
# Expansion, channels, blocks, stride of the first: Sandler et al. 2018, table 2.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

Named = Iterator[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted residual of the backbone.

    Attributes:
        channels_in, inner, channels: of its input, of its depthwise convolution, and of its output.
        stride: cells.
        tapped: whether its output is one of the backbone's maps.
    """

    channels_in: int
    inner: int
    channels: int
    stride: int
    tapped: bool

    @property
    def adds(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.channels_in == self.channels


def _blocks() -> Iterator[Block]:
    before = STEM_CHANNELS
    for expansion, channels, blocks, stride in _STAGES:
        for number in range(blocks):
            tapped = channels in BACKBONE_CHANNELS and number == blocks - 1
            yield Block(before, before * expansion, channels, stride if number == 0 else 1, tapped)
            before = channels


BLOCKS = tuple(_blocks())


def map_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """(H_l, W_l) of every level of STRIDES, in cells; height, width: pixels, multiples of 32."""
    sizes = [(height // stride, width // stride) for stride in BACKBONE_STRIDES]
    for _ in pairwise(STRIDES[len(BACKBONE_STRIDES) - 1 :]):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def anchor_boxes(sizes: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """(P, 4) float32, xyxy, pixels: the anchors of levels of these sizes in cells, level by level, row by row."""
    levels = []
    for stride, (height, width) in zip(STRIDES, sizes, strict=True):
        centres = stride * np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2)
        half = stride * np.array(ANCHOR_SIDES) / 2
        levels.append(np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a model file."""
    return dict([*_backbone(), *_neck(config), *_memory(config), *_head(config)])


def int8_layers(config: ModelConfig) -> list[str]:
    """The layers that are computed in eight bits: convolutions that mix many channels, nearly all of the work.

    In one that mixes no channels, the conversions take what eight bits save. And the first one, which sees the whole
    range of a picture, needs sums of more than the 16 bits that processors without VNNI have for them.
    """
    shapes = tensor_shapes(config)
    return [
        name.removesuffix(".weight")
        for name, shape in shapes.items()
        if len(shape) == 4 and shape[1] >= _MIXED_CHANNELS
    ]


def _conv(name: str, shape: tuple[int, int], kernel: int = 1, *, bias: bool = True) -> Named:
    yield f"{name}.weight", (*shape, kernel, kernel)
    if bias:
        yield f"{name}.bias", shape[:1]


def _depthwise(name: str, channels: int, *, bias: bool = True) -> Named:
    yield from _conv(name, (channels, 1), 3, bias=bias)


def _backbone() -> Named:
    yield from _conv("backbone.stem", (STEM_CHANNELS, 3), 3)
    for number, block in enumerate(BLOCKS):
        name = f"backbone.blocks.{number}"
        yield from _conv(f"{name}.expand", (block.inner, block.channels_in))
        yield from _depthwise(f"{name}.depthwise", block.inner)
        yield from _conv(f"{name}.reduce", (block.channels, block.inner))


def _neck(config: ModelConfig) -> Named:
    C = config.channels
    for level, width in enumerate(BACKBONE_CHANNELS):
        yield from _conv(f"neck.laterals.{level}", (C, width))
    for level in range(len(STRIDES)):
        yield from _conv(f"neck.outputs.{level}", (C, C), 3)


def _memory(config: ModelConfig) -> Named:
    C, D = config.channels, config.recurrent_channels
    for stride in config.memory_strides:
        name = f"memory.{stride}"
        yield f"{name}.alpha", ()
        yield f"{name}.cell.peephole", (3, D)
        yield f"{name}.cell.decay_exponent", (D,)
        yield f"{name}.cell.elapsed_weight", (4, D)
        yield from _conv(f"{name}.cell.from_input", (4 * D, C))
        yield from _depthwise(f"{name}.cell.hidden_depthwise", D, bias=False)
        yield from _conv(f"{name}.cell.hidden_pointwise", (4 * D, D), bias=False)
        yield from _conv(f"{name}.project", (D, D))
        yield from _conv(f"{name}.gate", (D, 2 * D))


def _head(config: ModelConfig) -> Named:
    C, A, M = config.channels, len(ANCHOR_SIDES), len(config.names)
    for tower in ("class_tower", "box_tower"):
        for block in range(TOWER_BLOCKS):
            yield from _conv(f"head.{tower}.{block}.conv", (C, C), 3, bias=False)
            yield f"head.{tower}.{block}.norm.weight", (C,)
            yield f"head.{tower}.{block}.norm.bias", (C,)
    yield from _conv("head.groups", (A * len(config.members), C), 3)
    yield from _conv("head.centred", (A, C), 3)
    yield from _conv("head.deltas", (4 * A, C), 3)
    yield "head.delta_scales", (len(STRIDES),)
    if M:
        yield from _conv("head.names.mix", (NAME_CHANNELS, 2 * C), 3)
        yield from _depthwise("head.names.depthwise", NAME_CHANNELS)
        yield from _conv("head.names.out", (A * M, NAME_CHANNELS))
