"""The recurrent detector: backbone, memory, neck, head, each of which is given to it.

Shapes: B streams, T frames, H, W pixels, K classes, G groups of them, M names, P anchors of all levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from streamdet.detections import Detections
from streamdet.models.contract import DetectorSpec, check_images, check_state
from streamdet.models.embedding import box_embeddings
from streamdet.models.options import KEEP, DetectOptions
from streamdet.models.outputs import DenseOutputs
from streamdet.models.recurrent.boxes import decode_boxes, select_boxes_together
from streamdet.models.recurrent.config import PADDING_GREY, ModelConfig
from streamdet.models.recurrent.fusion import RecurrentFusion
from streamdet.models.recurrent.layout import ANCHOR_SIDES, BACKBONE_STRIDES, anchor_boxes, map_sizes
from streamdet.models.recurrent.neck import FeaturePyramid
from streamdet.models.recurrent.state import State


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """What the head says, before decoding; training works on this.

    Attributes:
        groups: (B, T, P, G) float32 logits.
        names: (B, T, P, M) float32 logits of config.names.
        centred: (B, T, P) float32 logits.
        deltas: (B, T, P, 4) float32 against the anchors.
        anchors: (P, 4) float32, xyxy, pixels.
        levels: number of anchors of each level.
    """

    groups: Tensor
    names: Tensor
    centred: Tensor
    deltas: Tensor
    anchors: Tensor
    levels: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Every anchor's box and scores, wherever the detector is; see contract.Outputs.

    Attributes:
        boxes: (B, T, P, 4) float32, xyxy, pixels of the given images, clipped to them.
        scores: (B, T, P, K) float32, 0 to 1.
        features: (B, T, H_l, W_l, C) float32, of the finest level.
        classes: K names.
        groups: (K,) int64, see selection.select_boxes.
    """

    boxes: Tensor
    scores: Tensor
    features: Tensor
    classes: tuple[str, ...]
    groups: NDArray[np.int64]

    def detections(self, options: DetectOptions = KEEP) -> list[list[Detections]]:
        """See contract.Outputs."""
        if not self.boxes.is_cuda:
            return self._on_cpu().detections(options)
        # A GPU does all frames at once; few boxes on the CPU are faster frame by frame.
        B, T = self.scores.shape[:2]
        boxes, scores = self.boxes.flatten(0, 1), self.scores.flatten(0, 1)
        kept = select_boxes_together(boxes, scores, options, self.classes, self.groups)
        maps = self.features.flatten(0, 1).float().cpu().numpy()
        places = torch.from_numpy(np.concatenate([row.places for row in kept])).to(boxes.device)
        frames = torch.arange(len(kept)).repeat_interleave(torch.tensor([len(row.places) for row in kept]))
        class_scores = scores[frames.to(boxes.device), places].cpu().numpy()
        found, start = [], 0
        for row, features in zip(kept, maps, strict=True):
            start, of_row = start + len(row.places), class_scores[start : start + len(row.places)]
            embeddings = box_embeddings(features, row.boxes, BACKBONE_STRIDES[0])
            found.append(Detections.of(*row[:3], self.classes, class_scores=of_row, embeddings=embeddings))
        return [found[b * T : (b + 1) * T] for b in range(B)]

    def regroup(self, streams: int, frames: int) -> Outputs:
        """See contract.Outputs."""
        return self.each(lambda x: x.reshape(streams, frames, *x.shape[2:]))

    def each(self, change: Callable[[Tensor], Tensor]) -> Outputs:
        """Every tensor changed."""
        boxes, scores, features = (change(x) for x in (self.boxes, self.scores, self.features))
        return Outputs(boxes, scores, features, self.classes, self.groups)

    def _on_cpu(self) -> DenseOutputs:
        boxes, scores, features = (x.float().numpy() for x in (self.boxes, self.scores, self.features))
        return DenseOutputs(boxes, scores, self.classes, self.groups, features, BACKBONE_STRIDES[0])


class RecurrentDetector(nn.Module):
    """Finds objects in streams of frames, with a memory that the caller carries.

    Attributes:
        config: its architecture.
        sha256: hash of the file it was loaded from, empty for one that was not.
        int8_ranges: lowest and highest input of layers by their names, see models.int8; empty without a calibration.
    """

    def __init__(
        self,
        config: ModelConfig,
        backbone: nn.Module,
        neck: FeaturePyramid,
        memory: Mapping[str, RecurrentFusion],
        head: nn.Module,
    ) -> None:
        """Put one together; `build.build_detector` makes the parts from a configuration.

        Args:
            config: its architecture.
            backbone: (N, 3, H, W) RGB, 0 to 255, to a map of each of BACKBONE_STRIDES, finest first.
            neck: brings these maps to one width, and makes a level of each of STRIDES from them.
            memory: of each level that has one, by its stride.
            head: levels to head.HeadMaps.
        """
        super().__init__()
        self.config = config
        self.sha256 = ""
        self.int8_ranges: dict[str, tuple[float, float]] = {}
        self.backbone, self.neck = backbone, neck
        self.memory, self.head = nn.ModuleDict(memory), head
        self._made_anchors: dict[tuple[int, int, torch.device], tuple[Tensor, tuple[int, ...]]] = {}

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
        return next(self.parameters()).device

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
        x = images_BTCHW.reshape(B * T, 3, H, W).float()
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
        said = self.head(self.neck.aggregate([level.flatten(0, 1) for level in features]))
        groups, names, centred, deltas = (
            x.unflatten(0, (B, T)) for x in (said.groups, said.names, said.centred, said.deltas)
        )
        stride = BACKBONE_STRIDES[0]
        anchors, levels = self._anchors(features[0].shape[-2] * stride, features[0].shape[-1] * stride)
        return RawOutputs(groups, names, centred, deltas, anchors, levels)

    def _anchors(self, height: int, width: int) -> tuple[Tensor, tuple[int, ...]]:
        """All anchors for images of this size, where the detector is, and the number on each level.

        They are kept: a tensor made from an array is uploaded, for which a GPU's queue must run empty.
        """
        key = height, width, self.device
        if key not in self._made_anchors:
            sizes = map_sizes(height, width)
            counts = tuple(len(ANCHOR_SIDES) * rows * columns for rows, columns in sizes)
            with torch.inference_mode(False):  # made while running, it may be trained with later
                self._made_anchors[key] = torch.from_numpy(anchor_boxes(sizes)).to(self.device), counts
        return self._made_anchors[key]

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
        features = self.features(images)
        fused, state = self.fuse(features, state.to(self.device), dt_s.to(self.device, torch.float32))
        boxes, scores = self.decode(self.read(fused), H, W)
        # Of the frame itself, whatever is remembered: embeddings tell objects apart in any frame.
        seen = features[0].permute(0, 1, 3, 4, 2)
        return Outputs(boxes, scores, seen, self.classes, self.config.group_of_class), state

    def decode(self, raw: RawOutputs, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Boxes (B, T, P, 4), clipped to images of this size in pixels, and scores (B, T, P, K)."""
        boxes = decode_boxes(raw.deltas, raw.anchors).clamp(min=0)
        # By numbers: a tensor of limits would be uploaded in every step, which a CUDA graph cannot.
        x, y = boxes[..., 0::2].clamp(max=width), boxes[..., 1::2].clamp(max=height)
        return torch.stack((x, y), dim=-1).flatten(-2), self.scores(raw)

    def scores(self, raw: RawOutputs) -> Tensor:
        """(B, T, P, K) float32: the score of every group, shared out among its classes."""
        groups = raw.groups.float().sigmoid() * raw.centred.float().sigmoid()[..., None]
        scores: list[list[Tensor]] = [[] for _ in self.classes]
        first = 0
        for group, members in zip(groups.unbind(-1), self.config.members.values(), strict=True):
            if len(members) == 1:
                scores[self.classes.index(members[0])].append(group)
                continue
            shares = raw.names[..., first : first + len(members)].float().softmax(-1)
            first += len(members)
            for name, share in zip(members, shares.unbind(-1), strict=True):
                scores[self.classes.index(name)].append(group * share)
        return torch.stack([sum(parts[1:], parts[0]) for parts in scores], dim=-1)
