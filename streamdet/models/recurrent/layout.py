"""What a recurrent detector consists of, without torch: sizes, and the names and shapes of all its tensors.

The modules beside this one are built to the same numbers; model files and graphs know the tensors by these names.

Shapes: C channels of the neck, D recurrent channels, K classes, Q distance bins.
"""

from collections.abc import Iterator
from itertools import islice

from streamdet.models.recurrent.config import ModelConfig

STEM_CHANNELS = 24
BACKBONE_CHANNELS = (116, 232, 464)
BACKBONE_STRIDES = (8, 16, 32)
STAGE_UNITS = (4, 8, 4)
INNER_WIDTHS = tuple(
    channels // 2 for channels, units in zip(BACKBONE_CHANNELS, STAGE_UNITS, strict=True) for _ in range(units)
)
"""Channels inside each unit of the backbone, first to last, where none is pruned."""
# ImageNet's mean and deviation as NanoDet uses them, in RGB.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_DEVIATION = (58.395, 57.12, 57.375)
TOWER_BLOCKS = 2
CELL_LIMIT = 6.0
"""|c| of the ConvLSTM never exceeds this: tanh is flat there and a long stream cannot drift away."""
MAX_LOG_KEEP = -1e-4
"""log f of its forget gate is taken to be at most this: of f nearer to 1, 1 - f underflows."""
_STEM = "backbone.conv1.0"

Named = Iterator[tuple[str, tuple[int, ...]]]


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a model file."""
    return dict([*_backbone(config), *_neck(config), *_memory(config), *_head(config)])


def int8_layers(config: ModelConfig) -> list[str]:
    """The layers that are computed in eight bits: convolutions that mix many channels, nearly all of the work.

    Those are the 1 x 1 ones. The others have little to gain. In one that mixes no channels, the conversions take what
    eight bits save. And the first one, which sees the whole range of a picture, needs sums of more than the 16 bits
    that processors without VNNI have for them: computed so, it costs 0.1 AP50.
    """
    shapes = tensor_shapes(config)
    return [name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 4 and shape[2:] == (1, 1)]


def _conv(name: str, shape: tuple[int, int], kernel: int = 1, *, bias: bool = False) -> Named:
    yield f"{name}.weight", (*shape, kernel, kernel)
    if bias:
        yield f"{name}.bias", shape[:1]


def _depthwise(name: str, channels: int) -> Named:
    yield from _conv(name, (channels, 1), 3)


def _norm(name: str, channels: int) -> Named:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)


def _backbone(config: ModelConfig) -> Named:
    yield from _conv(_STEM, (STEM_CHANNELS, 3), 3)
    yield from _norm("backbone.conv1.1", STEM_CHANNELS)
    inner = iter(config.inner_widths or INNER_WIDTHS)
    before = STEM_CHANNELS
    for stage, (channels, units) in enumerate(zip(BACKBONE_CHANNELS, STAGE_UNITS, strict=True), start=2):
        for unit, width in enumerate(islice(inner, units)):
            yield from _unit(f"backbone.stage{stage}.{unit}", 0 if unit else before, channels // 2, width)
        before = channels


def _unit(name: str, before: int, half: int, inner: int) -> Named:
    """Branches of a shuffle unit; before: channels that a stage's first unit takes, 0 of the others."""
    if before:
        yield from _depthwise(f"{name}.branch1.0", before)
        yield from _norm(f"{name}.branch1.1", before)
        yield from _conv(f"{name}.branch1.2", (half, before))
        yield from _norm(f"{name}.branch1.3", half)
    yield from _conv(f"{name}.branch2.0", (inner, before or half))
    yield from _norm(f"{name}.branch2.1", inner)
    yield from _depthwise(f"{name}.branch2.3", inner)
    yield from _norm(f"{name}.branch2.4", inner)
    yield from _conv(f"{name}.branch2.5", (half, inner))
    yield from _norm(f"{name}.branch2.6", half)


def _neck(config: ModelConfig) -> Named:
    for level, width in enumerate(BACKBONE_CHANNELS):
        yield from _conv(f"neck.laterals.{level}", (config.channels, width), bias=True)


def _memory(config: ModelConfig) -> Named:
    C, D = config.channels, config.recurrent_channels
    for stride in config.memory_strides:
        name = f"memory.{stride}"
        yield f"{name}.alpha", ()
        yield f"{name}.cell.peephole", (3, D)
        yield f"{name}.cell.decay_exponent", (D,)
        yield f"{name}.cell.elapsed_weight", (4, D)
        yield from _conv(f"{name}.cell.from_input", (4 * D, C), bias=True)
        yield from _depthwise(f"{name}.cell.hidden_depthwise", D)
        yield from _conv(f"{name}.cell.hidden_pointwise", (4 * D, D))
        yield from _conv(f"{name}.project", (D, D), bias=True)
        yield from _conv(f"{name}.gate", (D, 2 * D), bias=True)


def _head(config: ModelConfig) -> Named:
    C = config.channels
    for level in range(len(BACKBONE_STRIDES)):
        for block in range(TOWER_BLOCKS):
            name = f"head.towers.{level}.{block}"
            yield from _depthwise(f"{name}.0", C)
            yield from _norm(f"{name}.1", C)
            yield from _conv(f"{name}.3", (C, C))
            yield from _norm(f"{name}.4", C)
        yield from _conv(f"head.score_convs.{level}", (len(config.classes), C), bias=True)
        yield from _conv(f"head.distance_convs.{level}", (4 * config.distance_bins, C), bias=True)
