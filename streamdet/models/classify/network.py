"""Clips into classes: backbone, LSTM, dropout, dense layers.

Shapes: B streams, T frames, H, W pixels, F features, K classes.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from streamdet.errors import CheckpointError
from streamdet.models.classify.backbone import Backbone
from streamdet.models.classify.spec import CLIPS, ClassifierSpec, read_spec
from streamdet.models.recurrent.lstm import LstmState, PeepholeLSTM
from streamdet.models.safetensors_file import FORMAT, file_sha256, write_file


class ClipClassifier(nn.Module):
    """Says after every frame of a stream what is going on.

    Args:
        spec: what it is.
        weights: of the backbone, see `Backbone`.
    """

    def __init__(self, spec: ClassifierSpec, weights: str | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = Backbone(spec.backbone, weights)
        self.norm = nn.BatchNorm1d(self.backbone.size)
        self.lstm = PeepholeLSTM(self.backbone.size, spec.hidden)
        sizes = (spec.hidden, *spec.dense)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Dropout(spec.dropout), nn.Linear(inputs, outputs), nn.ReLU()]
        self.head = nn.Sequential(*layers, nn.Dropout(spec.dropout), nn.Linear(sizes[-1], len(spec.classes)))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.norm.weight.device

    def forward(self, images_BTCHW: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Look at the next frames.

        Args:
            images_BTCHW: (B, T, 3, H, W) uint8 RGB.
            state: of the frame before; `lstm.zero_state` at a stream's start.

        Returns:
            (B, T, K) logits after each frame, and the state after the last one.
        """
        B, T = images_BTCHW.shape[:2]
        return self.classify(self.features(images_BTCHW.flatten(0, 1)).view(B, T, -1), state)

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB to (N, F)."""
        return cast(Tensor, self.backbone(images))

    def classify(self, features: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """(B, T, F) to logits (B, T, K), and the state after the last frame."""
        x = self.norm(features.flatten(0, 1)).view_as(features)
        if self.spec.forgetful:
            B, T, F = x.shape
            hidden, _ = self.lstm(x.reshape(B * T, 1, F), self.lstm.zero_state(B * T))
            return self.head(hidden.view(B, T, -1)), state
        hidden, state = self.lstm(x, state)
        return self.head(hidden), state


def save_classifier(path: Path, model: ClipClassifier, training: Mapping[str, Any]) -> str:
    """Write a model file, whole or not at all.

    Args:
        path: *.safetensors.
        model: the model.
        training: facts about how it came to be; anything JSON can hold.

    Returns:
        the file's SHA-256.
    """
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    facts = json.dumps(dict(training), sort_keys=True)
    header = {FORMAT: CLIPS, "model": model.spec.model_dump_json(), "training": facts}
    return write_file(path, save(tensors, metadata=header))


def load_classifier(path: Path) -> tuple[ClipClassifier, str]:
    """Read a model file; gives the model on the CPU, ready to run, and the file's SHA-256.

    Raises:
        CheckpointError: it is missing, damaged or something else.
    """
    spec = read_spec(path)
    if spec is None:
        raise CheckpointError(f"{path} is no classifier of clips; expected a file of streamdet train --task classify")
    model = ClipClassifier(spec)
    try:
        missing = model.load_state_dict(load_file(path), strict=False)
        wrong = [name for name in missing.missing_keys if not name.endswith("num_batches_tracked")]
        wrong += missing.unexpected_keys
    except (SafetensorError, OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not hold the tensors of its model: {str(error).splitlines()[0]}") from error
    if wrong:
        raise CheckpointError(f"{path} does not hold the tensors of its model: {', '.join(wrong[:3])} differ")
    return model.eval(), file_sha256(path)
