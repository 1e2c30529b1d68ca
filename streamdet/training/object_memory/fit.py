"""Train the object memory: lanes of tracks one behind the other, truncated backpropagation, exact resume."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from streamdet.tracking.memory.network import FORMAT
from streamdet.training.object_memory.config import FitConfig
from streamdet.training.object_memory.looks import LookFit
from streamdet.training.object_memory.losses import Lanes, losses_of
from streamdet.training.object_memory.network import MemoryNetwork
from streamdet.training.object_memory.sequences import UNKNOWN, Columns

_WARM_UP_SHARE = 0.1
_MIN_DEVIATION = 0.05
# A few clips hold few objects: what is read of their looks is kept small, or it memorises them.
_SEEN, _SEEN_RATE, _SEEN_DECAY = ("seen.", "inner_seen."), 0.3, 0.3
_LOOK_TENSORS = ("look.weight", "look.bias", "likeness")


def start_network(columns: Columns, *, first: Path | None = None, forgetful: bool = False) -> MemoryNetwork:
    """A network for these steps.

    Args:
        columns: tell the size of the embeddings, and how features are normalised.
        first: weights to start from; what they lack is new. None: all is.
        forgetful: train it without state: a control.
    """
    size = columns.embeddings.shape[1]
    network = MemoryNetwork(size, forgetful=forgetful)
    network.mean.copy_(torch.from_numpy(columns.x.mean(axis=0)))
    network.deviation.copy_(torch.from_numpy(columns.x.std(axis=0).clip(_MIN_DEVIATION)))
    if size:
        there = columns.embeddings.any(axis=1)
        seen = columns.embeddings[there].astype(np.float32)
        network.seen_mean.copy_(torch.from_numpy(seen.mean(axis=0)))
        network.seen_deviation.copy_(torch.from_numpy(seen.std(axis=0).clip(1e-3)))
    if first is not None:
        tensors = {name: tensor for name, tensor in load_file(first).items() if name not in _LOOK_TENSORS}
        if size and "seen.weight" in tensors and tensors["seen.weight"].shape[1] != size:
            tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(("seen", "inner_seen"))}
        known = network.state_dict()
        network.load_state_dict({name: tensor for name, tensor in tensors.items() if name in known}, strict=False)
    return network


@dataclass(slots=True)
class Fit:
    """A training that can be continued.

    Attributes:
        network: so far.
        epoch: how many are done.
    """

    network: MemoryNetwork
    columns: Columns
    config: FitConfig
    epoch: int = 0

    def __post_init__(self) -> None:
        config = self.config
        per_epoch = -(-(len(self.columns) // config.lanes + 1) // config.steps) + 2
        rates = [config.rate, _SEEN_RATE * config.rate]
        own, seen = (
            [p for name, p in self.network.named_parameters() if name.startswith(_SEEN) == reads]
            for reads in (False, True)
        )
        groups = [{"params": own, "weight_decay": config.decay}, {"params": seen, "weight_decay": _SEEN_DECAY}]
        groups = [{**group, "lr": rate} for group, rate in zip(groups, rates, strict=True) if group["params"]]
        self._optimiser = torch.optim.AdamW(groups)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, rates[: len(groups)], total_steps=config.epochs * per_epoch, pct_start=_WARM_UP_SHARE
        )

    _optimiser: Any = None
    _schedule: Any = None

    def run(self, folder: Path, say: Callable[[int, dict[str, float]], None]) -> MemoryNetwork:
        """Train to the end; a checkpoint an epoch.

        Args:
            folder: keeps resume.pt.
            say: is told the epoch and its mean losses.
        """
        for epoch in range(self.epoch, self.config.epochs):
            torch.manual_seed(self.config.seed * 1000 + epoch)
            means = self._epoch(epoch)
            self.epoch = epoch + 1
            self.save(folder / "resume.pt")
            say(self.epoch, means)
        return self.network.eval()

    def save(self, path: Path) -> None:
        """Write all that `resume` needs."""
        parts = {"network": self.network, "optimiser": self._optimiser, "schedule": self._schedule}
        state = {name: part.state_dict() for name, part in parts.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        torch.save({**state, "epoch": self.epoch}, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Continue exactly where `save` was called; the columns and the configuration must be the same."""
        saved = torch.load(path, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self._schedule.load_state_dict(saved["schedule"])
        self.epoch = saved["epoch"]

    def _epoch(self, epoch: int) -> dict[str, float]:
        config, network = self.config, self.network.train()
        index = lanes_of(self.columns, config.lanes, np.random.default_rng([config.seed, epoch]))
        state = network.zero_state(config.lanes, self.columns.class_scores.shape[1])
        sums: dict[str, list[float]] = {}
        for first in range(0, index.shape[1], config.steps):
            step = _lanes(self.columns, index[:, first : first + config.steps])
            refined = network(
                step["x"],
                step["boxes"],
                step["matched"],
                step["class_scores"],
                step["starts"],
                state,
                step["embeddings"] if network.embedding_size else None,
            )
            losses = losses_of(refined, step)
            self._optimiser.zero_grad()
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            self._optimiser.step()
            # Lanes differ a little in length from epoch to epoch: the last steps may go beyond the schedule.
            if self._schedule.last_epoch < self._schedule.total_steps - 1:
                self._schedule.step()
            hidden, cell, evidence = (part.detach() for part in refined.state)
            state = hidden, cell, evidence
            for name, loss in losses.items():
                sums.setdefault(name, []).append(float(loss.detach()))
        return {name: float(np.mean(each)) for name, each in sums.items()}


def lanes_of(columns: Columns, count: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(B, T) int64: rows of tracks in random order in B lanes of nearly one length; -1 at the end of shorter ones."""
    starts = np.flatnonzero(columns.starts)
    lengths = np.diff(np.append(starts, len(columns)))
    ends = np.zeros(count, np.int64)
    rows: list[list[np.ndarray[Any, np.dtype[np.int64]]]] = [[] for _ in range(count)]
    for track in rng.permutation(len(starts)):
        lane = int(ends.argmin())
        rows[lane].append(np.arange(starts[track], starts[track] + lengths[track]))
        ends[lane] += lengths[track]
    index = np.full((count, int(ends.max())), -1)
    for lane, parts in enumerate(rows):
        if parts:
            index[lane, : ends[lane]] = np.concatenate(parts)
    return index


def _lanes(columns: Columns, index: np.ndarray[Any, np.dtype[np.int64]]) -> Lanes:
    """(B, T, ...) tensors of these rows; what is filled up says nothing."""
    lanes = {field.name: torch.from_numpy(getattr(columns, field.name)[index]) for field in fields(columns)}
    filled = torch.from_numpy(index < 0)
    lanes["state"][filled], lanes["starts"][filled] = UNKNOWN, True
    return lanes


def save_memory(path: Path, network: MemoryNetwork, looks: LookFit | None, embeddings: str) -> None:
    """Write what `tracking.memory.network.load_weights` reads.

    Args:
        path: .safetensors.
        network: trained.
        looks: how objects are told apart; None where the detector gives no embeddings.
        embeddings: which detector's embeddings it reads.
    """
    tensors: dict[str, Tensor] = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    if looks is not None:
        columns = (looks.weight, looks.bias, np.array([looks.other, looks.same], np.float32))
        tensors |= {name: torch.from_numpy(each.copy()) for name, each in zip(_LOOK_TENSORS, columns, strict=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    save_file(tensors, partial, {"format": FORMAT, "embeddings": embeddings})
    partial.replace(path)
