"""Train a classifier of clips: an epoch at a time, with validation after each and exact resume.

Shapes: B clips, T frames, F features, K classes.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdet.models.classify.network import ClipClassifier, save_classifier
from streamdet.models.recurrent.lstm import LstmState
from streamdet.training.classify.augment import change_clip
from streamdet.training.classify.clips import ClipSet, LabelledClip
from streamdet.training.classify.config import ClassifyConfig
from streamdet.training.classify.figures import Row, write_figures
from streamdet.training.classify.judge import Judged, Validation
from streamdet.training.saved_run import read_run, saved_run, write_run

_WARM_UP_SHARE = 0.15
_FEATURE_BATCH = 8


class ClipFit:
    """A training that can be continued.

    Args:
        model: to be trained, on its device.
        clips: labelled.
        config: how.

    Attributes:
        epoch: how many are done.
        rows: the figures of each.
    """

    def __init__(self, model: ClipClassifier, clips: ClipSet, config: ClassifyConfig) -> None:
        self.model, self.epoch = model, 0
        self.rows: list[Row] = []
        self._clips, self._config = clips, config
        self._copies: Tensor | None = None
        self._validation = Validation(clips.val, config.batch, frozen=config.freeze)
        model.backbone.requires_grad_(not config.freeze)
        rest = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
        groups = [{"params": rest}] + ([] if config.freeze else [{"params": list(model.backbone.parameters())}])
        rates = [config.rate, config.rate * config.backbone_rate][: len(groups)]
        self._optimiser = torch.optim.AdamW(groups, lr=config.rate, weight_decay=config.decay)
        steps = -(-len(clips.train) // config.batch) * config.epochs
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, rates, total_steps=steps + 1, pct_start=_WARM_UP_SHARE
        )

    @property
    def best(self) -> float:
        """Highest accuracy of validation so far; of training where nothing is held out."""
        return max((_rank(row) for row in self.rows), default=(-1.0,))[0]

    def run(self, folder: Path, say: Callable[[Row], None]) -> Judged | None:
        """Train to the end; after each epoch a checkpoint, figures, and the model file where it is the best so far.

        Args:
            folder: of the run.
            say: is told the figures of each epoch.

        Returns:
            the last validation; None where nothing was left to do.
        """
        judged = None
        for epoch in range(self.epoch, self._config.epochs):
            loss, accuracy = self._train(epoch)
            judged = self._validation.judge(self.model)
            row = {
                "epoch": epoch + 1,
                "train_loss": loss,
                "train_accuracy": accuracy,
                "val_loss": judged.loss,
                "val_accuracy": judged.accuracy,
            }
            best = all(_rank(row) >= _rank(before) for before in self.rows)
            self.rows.append(row)
            self.epoch = epoch + 1
            if best:
                save_classifier(folder / f"{self._config.name}.safetensors", self.model, row)
            write_figures(folder, self.rows, judged, self._clips.classes)
            self._save(folder)
            say(row)
        return judged

    def resume(self, folder: Path) -> bool:
        """Continue where a run was stopped; False where nothing was saved.

        Raises:
            ConfigError: it is of another recipe.
            CheckpointError: it is damaged.
        """
        if not saved_run(folder).exists():
            return False
        saved = read_run(folder, self._config, self.model.device)
        self.model.load_state_dict(saved["model"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self._schedule.load_state_dict(saved["schedule"])
        self.rows = json.loads(saved["rows"])
        self.epoch = len(self.rows)
        return True

    def _save(self, folder: Path) -> None:
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "rows": json.dumps(self.rows),
            "config": self._config.model_dump_json(),
        }
        write_run(folder, state)

    def _train(self, epoch: int) -> tuple[float, float]:
        """One epoch; gives the mean loss, and the accuracy while it was trained."""
        config, model = self._config, self.model.train()
        if config.freeze:
            model.backbone.eval()
        torch.manual_seed(config.seed * 10_007 + epoch)
        losses, right = [], []
        before: LstmState | None = None
        rng = np.random.default_rng([config.seed, epoch])
        for x, truth in self._batches(epoch, rng):
            state = model.lstm.zero_state(len(x))
            if before is not None and rng.random() < config.carry and len(before[0]) >= len(x):
                state = before[0][: len(x)], before[1][: len(x)]
            logits, state = model.classify(x, state) if config.copies else model(x, state)
            loss = _loss(logits, truth)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            self._optimiser.step()
            self._schedule.step()
            before = state[0].detach(), state[1].detach()
            said = logits.mean(1) if config.forgetful else logits[:, -1]
            losses.append(float(loss.detach()))
            right.append((said.argmax(1) == truth).float())
        return float(np.mean(losses)), float(torch.cat(right).mean())

    def _batches(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (B, T, 3, H, W) uint8, or features (B, T, F); and classes (B,)."""
        clips, batch = self._clips.train, self._config.batch
        device = self.model.device
        order = rng.permutation(len(clips))
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            truth = torch.tensor([clips[row].class_id for row in chosen.tolist()], device=device)
            if self._config.copies:
                copies = self._features()
                drawn = rng.integers(len(copies), size=len(chosen))
                yield copies[torch.from_numpy(drawn), torch.from_numpy(chosen)].to(device), truth
            else:
                yield self._images([clips[row] for row in chosen.tolist()], rng).to(device), truth

    def _images(self, clips: list[LabelledClip], rng: np.random.Generator) -> Tensor:
        frames = self._config.frames
        windows: list[NDArray[np.uint8]] = []
        for clip in clips:
            start = int(rng.integers(max(len(clip.frames) - frames, 0) + 1))
            windows.append(change_clip(clip.window(start, frames), self._config.augment, rng))
        return torch.from_numpy(np.stack(windows)).permute(0, 1, 4, 2, 3)

    def _features(self) -> Tensor:
        """(copies, clips, T, F) of a frozen backbone, computed once."""
        if self._copies is None:
            clips = list(self._clips.train)
            rows = []
            for copy in range(self._config.copies):
                rng = np.random.default_rng([self._config.seed, copy, 1])
                parts = []
                for first in range(0, len(clips), _FEATURE_BATCH):
                    images = self._images(clips[first : first + _FEATURE_BATCH], rng)
                    with torch.no_grad():
                        found = self.model.features(images.flatten(0, 1).to(self.model.device))
                    parts.append(found.view(len(images), images.shape[1], -1).cpu())
                rows.append(torch.cat(parts))
            self._copies = torch.stack(rows)
        return self._copies


def _loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy after every frame, which counts the more the more has been seen."""
    B, T, K = logits.shape
    each = torch.nn.functional.cross_entropy(logits.reshape(B * T, K), truth.repeat_interleave(T), reduction="none")
    weights = torch.arange(1, T + 1, device=logits.device) / (T * (T + 1) / 2)
    return (each.view(B, T) * weights).sum(1).mean()


def _rank(row: Row) -> tuple[float, float]:
    """Higher is better."""
    part = "train" if np.isnan(row["val_accuracy"]) else "val"
    return row[f"{part}_accuracy"], -row[f"{part}_loss"]
