"""Trains detectors of other libraries, with a memory, by the library's own losses.

Shapes: B lanes, T frames, H, W pixels, K classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamdet.errors import ConfigError
from streamdet.models.contract import Detector
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.foreign.model import ForeignModel, feature_maps
from streamdet.models.recurrent.state import State
from streamdet.runtimes.foreign import ForeignDetector, TorchStep
from streamdet.runtimes.foreign_file import save_foreign
from streamdet.training.clips import ClipBatch
from streamdet.training.config import PhaseConfig
from streamdet.training.footage import Footage
from streamdet.training.loss import Targets
from streamdet.training.ranks import Ranks

_GREY = 114


class ForeignMethod:
    """See method.Method.

    Frames that are not labelled, or not for all classes, pass through backbone and memory, and add nothing to the loss.
    Ignore regions are painted over: the libraries' losses know none.

    Args:
        config: of the detector.
    """

    def __init__(self, config: ForeignConfig) -> None:
        self._config = config

    def check(self, footages: Sequence[Footage]) -> None:
        """Refuse sets that do not label all classes: to the libraries' losses, what is not marked is not there."""
        for footage in footages:
            labelled = frozenset[int]().union(*(video.labelled for video in footage.videos))
            missing = [name for number, name in enumerate(self._config.classes) if number not in labelled]
            if missing:
                raise ConfigError(
                    f"set {footage.name} does not label {', '.join(missing)}: a detector of another library is trained "
                    "on frames in which all of its classes are labelled; leave out the set or the class"
                )

    def parts(self, detector: ForeignModel) -> Mapping[str, list[nn.Parameter]]:
        """See Method."""
        backbone = list(detector.network.backbone.parameters())
        known = set(map(id, backbone))
        head = [parameter for parameter in detector.network.parameters() if id(parameter) not in known]
        return {"backbone": backbone, "memory": list(detector.memory.parameters()), "head": head}

    def start_memory(self, detector: ForeignModel, images_BTCHW: Tensor, ranks: Ranks) -> None:
        """See Method."""
        for name, x in feature_maps(detector.network, images_BTCHW.flatten(0, 1)).items():
            fusion = detector.memory.of(name)
            if fusion is not None:
                scale = x[:, fusion.passed_channels :].std()
                ranks.mean([scale])
                fusion.start_as_moving_average(max(float(scale), 1e-6))

    def losses(
        self, detector: ForeignModel, phase: PhaseConfig, batch: ClipBatch, state: State, ranks: Ranks
    ) -> tuple[dict[str, Tensor], State]:
        """See Method."""
        device = detector.device
        flat = [target for lane in batch.targets for target in lane]
        rows = [number for number, target in enumerate(flat) if bool(target.labelled.all())]
        images, dt_s = batch.images.to(device).float(), batch.dt_s.to(device)
        for number in rows:
            paint_over(images.flatten(0, 1)[number], flat[number])
        if not rows:
            with torch.no_grad():
                state = detector.watch(images, state, dt_s)
            return {"loss": torch.stack([parameter.sum() for parameter in detector.parameters()]).sum() * 0}, state
        targets = [{"boxes": flat[row].boxes.to(device), "class_ids": flat[row].class_ids.to(device)} for row in rows]
        losses, state = detector.losses(images, targets, rows, state, dt_s)
        # A mean over this process's lanes: as large a part of the whole batch's as they are of its lanes.
        share = len(batch.images) / phase.lanes
        losses = {name: share * loss for name, loss in losses.items()}
        return {"loss": torch.stack(list(losses.values())).sum()} | losses, state

    def ready(self, detector: ForeignModel, device: torch.device) -> Detector:
        """See Method."""
        return ForeignDetector(detector, TorchStep(detector, str(device)))

    def save(self, path: Path, detector: ForeignModel, facts: Mapping[str, Any]) -> str:
        """See Method."""
        return save_foreign(path, detector, self._config, facts)


def paint_over(image_CHW: Tensor, target: Targets) -> None:
    """Make the ignore regions of an image grey, but for what lies in a box that counts."""
    if not len(target.ignore):
        return
    grey = torch.zeros(image_CHW.shape[1:], dtype=torch.bool, device=image_CHW.device)
    for boxes, value in ((target.ignore, True), (target.boxes, False)):
        for x1, y1, x2, y2 in boxes.clamp(min=0).round().long().tolist():
            grey[y1:y2, x1:x2] = value
    image_CHW[:, grey] = _GREY
