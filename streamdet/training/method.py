"""How the loop trains a detector of one kind: its parts, its losses, its file.

Shapes: B lanes, T frames, H, W pixels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamdet.models.contract import Detector
from streamdet.models.recurrent.checkpoint import save_checkpoint
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.fusion import RecurrentFusion
from streamdet.models.recurrent.layout import BACKBONE_STRIDES
from streamdet.models.recurrent.state import State
from streamdet.runtimes.torch import TorchDetector
from streamdet.training.clips import ClipBatch
from streamdet.training.config import PhaseConfig
from streamdet.training.footage import Footage
from streamdet.training.loss import Targets, detection_loss
from streamdet.training.ranks import Ranks

Model_contra = TypeVar("Model_contra", bound=nn.Module, contravariant=True)


class Method(Protocol[Model_contra]):
    """How detectors of one kind are trained. They have `zero_state` and `set_alpha`, as a RecurrentDetector does."""

    def check(self, footages: Sequence[Footage]) -> None:
        """Refuse what it cannot be trained on.

        Raises:
            ConfigError: names the set.
        """
        ...

    def parts(self, detector: Model_contra) -> Mapping[str, list[nn.Parameter]]:
        """Parameters of `backbone`, `neck`, `memory` and `head`, as far as it has these."""
        ...

    def start_memory(self, detector: Model_contra, images_BTCHW: Tensor, ranks: Ranks) -> None:
        """Fit the memory's first weights to the features of some images, which it will replace."""
        ...

    def losses(
        self, detector: Model_contra, phase: PhaseConfig, batch: ClipBatch, state: State, ranks: Ranks
    ) -> tuple[dict[str, Tensor], State]:
        """`loss` and its parts, scalars, of which the sum over all ranks is the batch's; and the state after it."""
        ...

    def ready(self, detector: Model_contra, device: torch.device) -> Detector:
        """The detector as it is, to run."""
        ...

    def save(self, path: Path, detector: Model_contra, facts: Mapping[str, Any]) -> str:
        """Write its model file; the SHA-256 of that.

        Raises:
            OSError: if it cannot be written.
        """
        ...


class RecurrentMethod:
    """Trains streamdet's own detectors; see Method."""

    def check(self, footages: Sequence[Footage]) -> None:
        """All footage will do."""

    def parts(self, detector: RecurrentDetector) -> Mapping[str, list[nn.Parameter]]:
        """See Method."""
        return {name: list(getattr(detector, name).parameters()) for name in ("backbone", "neck", "memory", "head")}

    def start_memory(self, detector: RecurrentDetector, images_BTCHW: Tensor, ranks: Ranks) -> None:
        """See Method."""
        features = detector.features(images_BTCHW)
        for stride, fusion in detector.memory.items():
            if isinstance(fusion, RecurrentFusion):
                level = features[BACKBONE_STRIDES.index(int(stride))]
                scale = level[:, :, fusion.passed_channels :].std()
                ranks.mean([scale])
                fusion.start_as_moving_average(float(scale))

    def losses(
        self, detector: RecurrentDetector, phase: PhaseConfig, batch: ClipBatch, state: State, ranks: Ranks
    ) -> tuple[dict[str, Tensor], State]:
        """See Method."""
        device = detector.device
        targets = [[_to(frame, device) for frame in lane] for lane in batch.targets]
        with torch.set_grad_enabled(phase.backbone_rate > 0):
            features = detector.features(batch.images.to(device))
        recall = torch.zeros((), device=device)
        if phase.alpha != (0.0, 0.0):
            remembered, state = detector.remember(features, state, batch.dt_s.to(device))
            if phase.recall > 0:
                # A mean over this process's lanes: as large a part of the whole batch's as they are of its lanes.
                share = len(batch.images) / phase.lanes
                recall = phase.recall * share * recall_loss(detector, features, remembered, batch)
            features = detector.blend(features, remembered)
        raw = detector.read(features)
        # In full precision, as always: only the detector is computed in another one.
        with torch.autocast(device.type, enabled=False):
            losses = detection_loss(raw, targets, detector.config, ranks.sum)
        if phase.recall > 0:
            losses |= {"loss": losses["loss"] + recall, "recall": recall}
        return losses, state

    def ready(self, detector: RecurrentDetector, device: torch.device) -> Detector:
        """See Method."""
        return TorchDetector(detector, str(device))

    def save(self, path: Path, detector: RecurrentDetector, facts: Mapping[str, Any]) -> str:
        """See Method."""
        return save_checkpoint(path, detector, facts)


def recall_loss(
    detector: RecurrentDetector, features: list[Tensor], remembered: list[Tensor], batch: ClipBatch
) -> Tensor:
    """Distance of the recurrent features from those of the undisturbed frames, in standard deviations."""
    with torch.no_grad():
        wanted = [level.clone() for level in detector.replaceable(features)]
        if len(batch.sound):
            sound = detector.replaceable(detector.features(batch.sound[None].to(detector.device)))
            lane, frame = batch.spoilt.to(detector.device).unbind(1)
            for level, of_sound in zip(wanted, sound, strict=True):
                level[lane, frame] = of_sound[0]
        scales = [level.std().clamp(min=1e-6) for level in wanted]
    distances = (
        F.smooth_l1_loss(made / scale, level / scale, beta=0.5)
        for made, level, scale in zip(remembered, wanted, scales, strict=True)
    )
    return torch.stack(list(distances)).sum()


def _to(target: Targets, device: torch.device) -> Targets:
    return Targets(
        target.boxes.to(device), target.class_ids.to(device), target.ignore.to(device), target.labelled.to(device)
    )
