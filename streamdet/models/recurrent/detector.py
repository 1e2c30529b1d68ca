"""The recurrent detector: backbone, memory, neck, head, each of which is given to it.

Shapes: B streams, T frames, H, W pixels, K classes, P cells of all levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamdet.detections import Detections
from streamdet.models.contract import DetectorSpec, check_images, check_state
from streamdet.models.options import KEEP, DetectOptions
from streamdet.models.outputs import DenseOutputs
from streamdet.models.recurrent.boxes import (
    cell_centres,
    decode_boxes,
    expected_distances,
    select_boxes_together,
)
from streamdet.models.recurrent.config import PADDING_GREY, ModelConfig
from streamdet.models.recurrent.fusion import RecurrentFusion
from streamdet.models.recurrent.layout import BACKBONE_STRIDES, PIXEL_DEVIATION, PIXEL_MEAN
from streamdet.models.recurrent.neck import AdditivePAN
from streamdet.models.recurrent.state import State


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """What the head says, before decoding; training works on this.

    Attributes:
        score_logits: (B, T, P, K) float32.
        distance_logits: (B, T, P, 4, Q) float32, left top right bottom.
        centres: (P, 2) float32, x y, pixels.
        strides: (P,) float32, pixels.
    """

    score_logits: Tensor
    distance_logits: Tensor
    centres: Tensor
    strides: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Every cell's box and scores, wherever the detector is; see contract.Outputs.

    Attributes:
        boxes: (B, T, P, 4) float32, xyxy, pixels of the given images, clipped to them.
        scores: (B, T, P, K) float32, 0 to 1.
        classes: K names.
    """

    boxes: Tensor
    scores: Tensor
    classes: tuple[str, ...]

    def detections(self, options: DetectOptions = KEEP) -> list[list[Detections]]:
        """See contract.Outputs."""
        if not self.boxes.is_cuda:
            boxes, scores = (x.float().numpy() for x in (self.boxes, self.scores))
            return DenseOutputs(boxes, scores, self.classes).detections(options)
        # A GPU does all frames at once; few boxes on the CPU are faster frame by frame.
        B, T = self.scores.shape[:2]
        kept = select_boxes_together(self.boxes.flatten(0, 1), self.scores.flatten(0, 1), options, self.classes)
        found = [Detections.of(*columns, self.classes) for columns in kept]
        return [found[b * T : (b + 1) * T] for b in range(B)]

    def regroup(self, streams: int, frames: int) -> Outputs:
        """See contract.Outputs."""
        boxes, scores = (x.reshape(streams, frames, *x.shape[2:]) for x in (self.boxes, self.scores))
        return Outputs(boxes, scores, self.classes)


class RecurrentDetector(nn.Module):
    """Finds objects in streams of frames, with a memory that the caller carries.

    Attributes:
        config: its architecture.
        sha256: hash of the file it was loaded from, empty for one that was not.
        int8_ranges: lowest and highest input of layers by their names, see models.int8; empty without a calibration.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        config: ModelConfig,
        backbone: nn.Module,
        neck: AdditivePAN,
        memory: Mapping[str, RecurrentFusion],
        head: nn.Module,
    ) -> None:
        """Put one together; `build.build_detector` makes the parts from a configuration.

        Args:
            config: its architecture.
            backbone: (N, 3, H, W) normalised RGB to a map of each of BACKBONE_STRIDES, finest first.
            neck: brings these maps to one width, and mixes them.
            memory: of each level that has one, by its stride.
            head: mixed maps to class logits (N, P, K) and distance logits (N, P, 4, Q).
        """
        super().__init__()
        self.config = config
        self.sha256 = ""
        self.int8_ranges: dict[str, tuple[float, float]] = {}
        self.backbone, self.neck = backbone, neck
        self.memory, self.head = nn.ModuleDict(memory), head
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(PIXEL_DEVIATION)[:, None, None], persistent=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.config.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K classes."""
        return self.config.classes

    @property
    def spec(self) -> DetectorSpec:
        """What it is and which images it takes."""
        return self.config.spec(self.sha256)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

    def set_alpha(self, alpha: float) -> None:
        """How much memory may replace of what is seen, 0 (per frame) to 1."""
        for _, fusion in self._fusions():
            fusion.alpha.fill_(alpha)

    def zero_state(self, streams: int, height: int, width: int) -> State:
        """State at the start of streams, for images of this size in pixels, filled up to multiples of 32."""
        return State.zeros(streams, self.config.state_layout(height, width), self.device)

    def features(self, images_BTCHW: Tensor) -> list[Tensor]:
        """What the backbone sees in every frame on its own, brought to the neck's width.

        Args:
            images_BTCHW: (B, T, 3, H, W) uint8 or float, RGB, 0 to 255; H and W multiples of 32.

        Returns:
            a level each (B, T, C, H_l, W_l) float32, finest first.
        """
        B, T, _, H, W = images_BTCHW.shape
        x = (images_BTCHW.reshape(B * T, 3, H, W).to(self.mean.dtype) - self.mean) / self.deviation
        return [level.view(B, T, *level.shape[1:]) for level in self.neck.project(self.backbone(x))]

    def remember(self, features: list[Tensor], state: State, dt_s: Tensor) -> tuple[list[Tensor], State]:
        """What memory makes of each level that has one.

        Args:
            features: a level each (B, T, C, H_l, W_l) float32.
            state: memory of the B streams.
            dt_s: (B, T) float32, seconds since the frame before.

        Returns:
            a level with memory each (B, T, D, H_l, W_l) float32, and the memory after the last frame.
        """
        dt_ratio = (dt_s / self.config.training_dt_s).clamp(1 / 16, 16)
        new, age = state.age == 0, state.age + dt_s.shape[1]
        remembered, hidden, cell = [], list(state.hidden), list(state.cell)
        for i, (level, fusion) in enumerate(self._fusions()):
            made, hidden[i], cell[i] = fusion.remember(features[level], hidden[i], cell[i], dt_ratio, new)
            remembered.append(made)
        return remembered, State(tuple(hidden), tuple(cell), age)

    def replaceable(self, features: list[Tensor]) -> list[Tensor]:
        """The channels that memory may replace, a level with memory each (B, T, D, H_l, W_l)."""
        return [features[level][:, :, fusion.passed_channels :] for level, fusion in self._fusions()]

    def blend(self, features: list[Tensor], remembered: list[Tensor]) -> list[Tensor]:
        """Features with what is remembered in their place, as far as the gate says; shapes as given."""
        fused = list(features)
        for (level, fusion), made in zip(self._fusions(), remembered, strict=True):
            fused[level] = fusion.blend(features[level], made)
        return fused

    def fuse(self, features: list[Tensor], state: State, dt_s: Tensor) -> tuple[list[Tensor], State]:
        """Pass every level with a memory through it: `blend` of `remember`, with its arguments."""
        remembered, state = self.remember(features, state, dt_s)
        return self.blend(features, remembered), state

    def _fusions(self) -> list[tuple[int, RecurrentFusion]]:
        """Which level each memory belongs to."""
        return [
            (BACKBONE_STRIDES.index(int(stride)), cast(RecurrentFusion, fusion))
            for stride, fusion in self.memory.items()
        ]

    def read(self, features: list[Tensor]) -> RawOutputs:
        """What neck and head make of (fused) features, a level each (B, T, C, H_l, W_l) float32."""
        B, T = features[0].shape[:2]
        score_logits, distance_logits = self.head(self.neck.aggregate([level.flatten(0, 1) for level in features]))
        sizes = [(level.shape[-2], level.shape[-1]) for level in features]
        centres, strides = cell_centres(sizes, BACKBONE_STRIDES, self.device)
        return RawOutputs(
            score_logits.unflatten(0, (B, T)),
            distance_logits.unflatten(0, (B, T)),
            centres,
            strides,
        )

    def forward(self, images_BTCHW: Tensor, state: State, dt_s: Tensor) -> tuple[RawOutputs, State]:
        """One clip, undecoded; arguments as in `features` and `fuse`."""
        fused, state = self.fuse(self.features(images_BTCHW), state, dt_s)
        return self.read(fused), state

    @torch.inference_mode()
    def step(
        self, images_BTCHW: Tensor, state: State | None = None, dt_s: Tensor | None = None
    ) -> tuple[Outputs, State]:
        """Look at the next T frames of B streams.

        One live frame is T = 1; a chunk of a file is T = 8 to 32; both give the same numbers.

        Args:
            images_BTCHW: (B, T, 3, H, W) uint8 RGB, any size; filled up to multiples of 32 at the right and the
                bottom.
            state: what the step before returned, on any device; None at the start of a stream.
            dt_s: (B, T) float32, seconds since the frame before, > 0; the training's when None.

        Returns:
            outputs in pixels of the given images, and the memory for the next step.

        Raises:
            ValueError: if the images have another shape or type.
        """
        check_images(images_BTCHW)
        B, T, _, H, W = images_BTCHW.shape
        images = F.pad(images_BTCHW.to(self.device), (0, -W % 32, 0, -H % 32), value=PADDING_GREY)
        if state is None:
            state = self.zero_state(B, H, W)
        check_state(state, B, self.config.state_layout(H, W))
        if dt_s is None:
            dt_s = torch.full((B, T), self.config.training_dt_s, device=self.device)
        raw, state = self(images, state.to(self.device), dt_s.to(self.device, torch.float32))
        return self.decode(raw, H, W), state

    def decode(self, raw: RawOutputs, height: int, width: int) -> Outputs:
        """Boxes, clipped to images of this size in pixels, and scores."""
        boxes = decode_boxes(expected_distances(raw.distance_logits, raw.strides), raw.centres).clamp(min=0)
        # By numbers: a tensor of limits would be uploaded in every step, which a CUDA graph cannot.
        x, y = boxes[..., 0::2].clamp(max=width), boxes[..., 1::2].clamp(max=height)
        boxes = torch.stack((x, y), dim=-1).flatten(-2)
        return Outputs(boxes, raw.score_logits.sigmoid(), self.classes)
