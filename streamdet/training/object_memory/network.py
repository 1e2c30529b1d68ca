"""The network of the object memory in torch, for training; `tracking.memory.network` runs it.

Shapes: B lanes of tracks, T steps, F features, E numbers of an embedding, K classes, H hidden.
The cell is that of `models.recurrent.lstm`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamdet.models.recurrent.lstm import peephole_step
from streamdet.tracking.memory.features import NAMES
from streamdet.tracking.memory.network import FAST, HIDDEN, INNER, KEEP, OUTPUTS, OWN, SCORE, SEEN, SLOW, TAKE

_DETECTION_LOGIT = 1.5
_MIN_CLASS_SCORE = 1e-3
_OWN_LOGIT = NAMES.index("logit")
_FEATURES_OF_LOOKS = (NAMES.index("looked"), NAMES.index("likeness"))
_NO_CLASS = 30.0
_SEEN_NOISE = 0.5  # deviations; against memorising single objects

State = tuple[Tensor, Tensor, Tensor]
"""Hidden (B, H), cell (B, H), evidence (B, K)."""


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """What the network makes of T steps.

    Attributes:
        logits: (B, T) that the box is on an object.
        boxes: (B, T, 4) xyxy.
        evidence: (B, T, K) for each class; very low for one that the detector does not have.
        state: after the last step.
    """

    logits: Tensor
    boxes: Tensor
    evidence: Tensor
    state: State


class MemoryNetwork(nn.Module):
    """The LSTM of all tracks.

    Attributes:
        mean, deviation, mask: (F,) how features are normalised; a mask of 0 leaves one out.
        forgetful: the state is cleared before every step: a control.
    """

    mean: Tensor
    deviation: Tensor
    mask: Tensor
    seen_mean: Tensor
    seen_deviation: Tensor

    def __init__(self, embedding_size: int = 0, *, forgetful: bool = False, dropout: float = 0.05) -> None:
        """A network that carries boxes as they are.

        Args:
            embedding_size: E; 0 for a detector that gives none.
            forgetful: see above.
            dropout: chance that a feature of a lane is hidden in training; of the embeddings eight times that.
        """
        super().__init__()
        self.embedding_size, self.forgetful, self.dropout = embedding_size, forgetful, dropout
        self.inner = nn.Linear(len(NAMES), INNER)
        self.gates = nn.Linear(INNER + HIDDEN, 4 * HIDDEN)
        self.peepholes = nn.Parameter(torch.zeros(3, HIDDEN))
        self.middle = nn.Linear(HIDDEN + INNER, 64)
        self.head = nn.Linear(64, OUTPUTS)
        self._add_buffers("mean", "deviation", "mask", size=len(NAMES))
        if embedding_size:
            self.seen = nn.Linear(embedding_size, SEEN)
            self.inner_seen = nn.Linear(SEEN, INNER, bias=False)
            self._add_buffers("seen_mean", "seen_deviation", size=embedding_size)
        with torch.no_grad():
            self.gates.bias[HIDDEN : 2 * HIDDEN] += 1.5
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()
            self.head.bias[FAST] = -2.0
            self.head.bias[TAKE] = self.head.bias[KEEP] = 1.0
            if embedding_size:
                self.inner_seen.weight.mul_(0.1)

    def _add_buffers(self, *names: str, size: int) -> None:
        for name in names:
            self.register_buffer(name, torch.full((size,), 0.0 if name.endswith("mean") else 1.0))

    def zero_state(self, lanes: int, classes: int) -> State:
        """Of tracks that start."""
        return torch.zeros(lanes, HIDDEN), torch.zeros(lanes, HIDDEN), torch.zeros(lanes, classes)

    def forward(
        self,
        x: Tensor,
        boxes: Tensor,
        matched: Tensor,
        class_scores: Tensor,
        starts: Tensor,
        state: State,
        embeddings: Tensor | None = None,
    ) -> Refined:
        """T steps of B lanes.

        Args:
            x: (B, T, F) float32, see `tracking.memory.features`.
            boxes: (B, T, 3, 4): where it is, where the fast and the slow filter predicted it.
            matched, starts: (B, T) bool: whether there is a box; whether a track starts here.
            class_scores: (B, T, K); -1 for a class that the detector does not have.
            state: before.
            embeddings: (B, T, E) float, 0 where there is none.
        """
        hidden, cell, evidence = state
        inner = torch.nn.functional.silu(self._inner(x, embeddings))
        continues = (~starts).float()[..., None]
        steps = []
        for t in range(x.shape[1]):
            kept = continues[:, t] * (0.0 if self.forgetful else 1.0)
            hidden, cell = self._cell(inner[:, t], hidden * kept, cell * kept)
            steps.append(hidden)
        heads = self.head(torch.nn.functional.silu(self.middle(torch.cat([torch.stack(steps, 1), inner], 2))))
        found = matched.float()
        logits = heads[..., SCORE] * 3 + x[..., _OWN_LOGIT] * 3 * found * torch.sigmoid(heads[..., OWN]) - (1 - found)
        all_evidence, evidence = _evidence(heads, found, class_scores, continues, evidence)
        return Refined(logits, _mixed(boxes, matched, heads), all_evidence, (hidden, cell, evidence))

    def _inner(self, x: Tensor, embeddings: Tensor | None) -> Tensor:
        """(B, T, 48); in training without what is hidden."""
        seen = (x - self.mean) / self.deviation * self.mask
        blind = torch.zeros(len(x), 1, 1, dtype=torch.bool)
        if self.training and self.dropout:
            seen = seen * (torch.rand(len(x), 1, x.shape[2]) > self.dropout)
            blind = torch.rand(len(x), 1, 1) < 8 * self.dropout
            for column in _FEATURES_OF_LOOKS:
                absent = -self.mean[column] / self.deviation[column] * self.mask[column]
                seen[..., column] = torch.where(blind[..., 0], absent, seen[..., column])
        inner: Tensor = self.inner(seen)
        if embeddings is None or not self.embedding_size:
            return inner
        there = (embeddings != 0).any(2, keepdim=True) & ~blind
        seen = (embeddings.float() - self.seen_mean) / self.seen_deviation
        if self.training and self.dropout:
            seen = seen + _SEEN_NOISE * torch.randn_like(seen)
        told = torch.tanh(self.seen(seen)) * there
        told = torch.nn.functional.dropout(told, 8 * self.dropout, self.training)
        both: Tensor = inner + self.inner_seen(told)
        return both

    def _cell(self, inner: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        return peephole_step(self.gates(torch.cat([inner, hidden], 1)), cell, self.peepholes)


def _evidence(
    heads: Tensor, found: Tensor, class_scores: Tensor, continues: Tensor, evidence: Tensor
) -> tuple[Tensor, Tensor]:
    """(B, T, K) after every step, and (B, K) after the last."""
    known = (class_scores >= 0).float()
    logs = torch.log(class_scores.clamp(min=_MIN_CLASS_SCORE)) * known
    logs = (logs - logs.sum(2, keepdim=True) / known.sum(2, keepdim=True).clamp(min=1)) * known
    take = (torch.sigmoid(heads[..., TAKE]) * found)[..., None]
    keep = torch.sigmoid(heads[..., KEEP] + 2)[..., None] * continues
    steps = []
    for t in range(heads.shape[1]):
        evidence = evidence * keep[:, t] + take[:, t] * logs[:, t]
        steps.append(evidence)
    return torch.stack(steps, 1) - _NO_CLASS * (1 - known), evidence


def _mixed(boxes: Tensor, matched: Tensor, heads: Tensor) -> Tensor:
    """(B, T, 4): for every coordinate a soft choice among the box that was found and the two that were predicted."""
    found = torch.where(matched[..., None], _DETECTION_LOGIT, -30.0).expand_as(heads[..., FAST])
    weights = torch.softmax(torch.stack([found, heads[..., FAST] * 3 + 3, heads[..., SLOW] * 3], 2), 2)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    logs = torch.log((boxes[..., 2:] - boxes[..., :2]).clamp(min=1))
    middle = (weights * torch.cat([centres, logs], 3)).sum(2)
    half = torch.exp(middle[..., 2:]) / 2
    return torch.cat([middle[..., :2] - half, middle[..., :2] + half], 2)
