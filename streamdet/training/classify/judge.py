"""How often a classifier is right about whole clips, and what it takes for what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdet.models.classify.network import ClipClassifier
from streamdet.training.classify.clips import LabelledClip


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What was said of clips.

    Attributes:
        truth: (N,) int64, their classes.
        logits: (N, K) float32.
    """

    truth: NDArray[np.int64]
    logits: NDArray[np.float32]

    @property
    def accuracy(self) -> float:
        """Fraction of clips that are told right; NaN of none."""
        return float((self.logits.argmax(axis=1) == self.truth).mean()) if len(self.truth) else float("nan")

    @property
    def loss(self) -> float:
        """Mean cross entropy."""
        if not len(self.truth):
            return float("nan")
        return float(torch.nn.functional.cross_entropy(torch.from_numpy(self.logits), torch.from_numpy(self.truth)))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K) int64: clips by their class and by what was said."""
        K = self.logits.shape[1]
        counts = np.zeros((K, K), np.int64)
        np.add.at(counts, (self.truth, self.logits.argmax(axis=1)), 1)
        return counts


class Validation:
    """Labelled clips, each cut into pieces of the length that a classifier is trained on.

    Args:
        clips: labelled.
        batch: pieces at a time.
        frozen: the backbone will not change: its features are computed once.
    """

    def __init__(self, clips: Sequence[LabelledClip], batch: int, *, frozen: bool = False) -> None:
        self._clips, self._batch, self._frozen = clips, batch, frozen
        self._features: list[Tensor] = []

    def judge(self, model: ClipClassifier, *, shuffle: int | None = None) -> Judged:
        """Run a classifier over them; it is in evaluation mode afterwards.

        What counts is said after the last frame of a piece; by a classifier that forgets, the mean over its frames.

        Args:
            model: the classifier.
            shuffle: the seed by which the frames of each piece are put into another order; None: their own.
        """
        spec = model.eval().spec
        rng = None if shuffle is None else np.random.default_rng(shuffle)
        told = []
        with torch.inference_mode():
            for features in self._features or self._computed(model):
                x = features if rng is None else _shuffled(features, rng)
                logits, _ = model.classify(x, model.lstm.zero_state(len(x)))
                told.append((logits.mean(1) if spec.forgetful else logits[:, -1]).cpu().numpy())
        truth = np.array([clip.class_id for clip, _ in self._pieces(spec.frames)], np.int64)
        return Judged(truth, np.concatenate(told) if told else np.zeros((0, len(spec.classes)), np.float32))

    def _pieces(self, frames: int) -> list[tuple[LabelledClip, int]]:
        """Clips, and where in them each piece starts."""
        return [
            (clip, start) for clip in self._clips for start in range(0, max(len(clip.frames) - frames, 0) + 1, frames)
        ]

    def _computed(self, model: ClipClassifier) -> Iterator[Tensor]:
        """(B, T, F) of each batch."""
        frames = model.spec.frames
        pieces = self._pieces(frames)
        for first in range(0, len(pieces), self._batch):
            windows = [clip.window(start, frames) for clip, start in pieces[first : first + self._batch]]
            images = torch.from_numpy(np.stack(windows)).permute(0, 1, 4, 2, 3).to(model.device)
            features = model.features(images.flatten(0, 1)).view(len(images), frames, -1)
            if self._frozen:
                self._features.append(features)
            yield features


def _shuffled(x_BTF: Tensor, rng: np.random.Generator) -> Tensor:
    """The frames of each clip in another order."""
    orders = np.stack([rng.permutation(x_BTF.shape[1]) for _ in range(len(x_BTF))])
    return x_BTF[torch.arange(len(x_BTF))[:, None], torch.from_numpy(orders)]
