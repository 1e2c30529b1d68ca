"""How often a classifier is right about whole clips, and what it takes for what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

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


def judge(model: ClipClassifier, clips: Sequence[LabelledClip], batch: int, *, shuffle: int | None = None) -> Judged:
    """Run a classifier over clips, each cut into pieces of the length that it was trained on.

    What counts is said after the last frame of a piece; by a classifier that forgets, the mean over its frames.

    Args:
        model: in evaluation mode afterwards.
        clips: labelled.
        batch: pieces at a time.
        shuffle: the seed by which the frames of each piece are put into another order; None: their own.
    """
    spec = model.eval().spec
    pieces = [
        (clip, start) for clip in clips for start in range(0, max(len(clip.frames) - spec.frames, 0) + 1, spec.frames)
    ]
    rng = None if shuffle is None else np.random.default_rng(shuffle)
    told = []
    with torch.inference_mode():
        for first in range(0, len(pieces), batch):
            windows = [clip.window(start, spec.frames) for clip, start in pieces[first : first + batch]]
            if rng is not None:
                windows = [window[rng.permutation(len(window))] for window in windows]
            images = torch.from_numpy(np.stack(windows)).permute(0, 1, 4, 2, 3).to(model.mean.device)
            logits, _ = model(images, model.lstm.zero_state(len(images)))
            told.append((logits.mean(1) if spec.forgetful else logits[:, -1]).cpu().numpy())
    truth = np.array([clip.class_id for clip, _ in pieces], np.int64)
    return Judged(truth, np.concatenate(told) if told else np.zeros((0, len(spec.classes)), np.float32))
