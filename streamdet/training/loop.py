"""The training loop: phases of blocks of 50 steps, each block reproducible by itself, so that a run resumes exactly."""

import copy
import json
import math
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamdet.models.backbone import BACKBONE_STRIDES
from streamdet.models.detector import RecurrentDetector
from streamdet.models.fusion import RecurrentFusion
from streamdet.models.state import State
from streamdet.training.augment import Strength
from streamdet.training.clips import ClipBatch, clip_batches
from streamdet.training.config import PhaseConfig, TrainingConfig
from streamdet.training.footage import Footage
from streamdet.training.loss import Targets, detection_loss

BLOCK_STEPS = 50


@dataclass(slots=True)
class Progress:
    """Where a run stands."""

    phase: int = 0
    step: int = 0


Report = Callable[[Progress, dict[str, float]], None]


class Trainer:
    """Trains one detector; everything that a resumed run needs is in `state_dict`."""

    def __init__(
        self, detector: RecurrentDetector, config: TrainingConfig, footages: list[Footage], device: torch.device
    ) -> None:
        self.config, self.footages, self.device = config, footages, device
        self.detector = detector.to(device)
        self.detector.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.detector).eval()
        self.progress = Progress()
        self.skipped_steps = 0
        self._optimizer: torch.optim.Optimizer | None = None
        self._initial: dict[str, Tensor] = {}

    def run(self, folder: Path, report: Report) -> None:
        """Train until the last phase is done; a checkpoint is written after every block.

        Args:
            folder: where `resume.pt`-like state goes (see `save`).
            report: called every 10 steps with the mean figures since the last call.
        """
        while self.progress.phase < len(self.config.phases):
            phase = self.config.phases[self.progress.phase]
            if self._optimizer is None:
                self._optimizer = self._make_optimizer(phase)
                self._initial = copy.deepcopy(self.average.state_dict())
            self._block(phase, report)
            if self.progress.step >= phase.steps:
                self._return_to_initial(phase.keep_initial)
                self.progress = Progress(self.progress.phase + 1, 0)
                self._optimizer = None
                # The next phase starts from the averaged weights: they are the better ones.
                self.detector.load_state_dict(self.average.state_dict())
            self.save(folder)

    def save(self, folder: Path) -> None:
        """Write what a resumed run needs, whole or not at all."""
        part = folder / ".resume.part"
        torch.save(self.state_dict(), part)
        part.replace(folder / "resume.pt")

    def resume(self, folder: Path) -> bool:
        """Go on where `save` was called last; False where there is nothing."""
        path = folder / "resume.pt"
        if not path.is_file():
            return False
        self.load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        return True

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {
            "config": self.config.model_dump_json(),
            "progress": [self.progress.phase, self.progress.step],
            "skipped_steps": self.skipped_steps,
            "detector": self.detector.state_dict(),
            "average": self.average.state_dict(),
            "initial": self._initial,
            "optimizer": None if self._optimizer is None else self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            ValueError: if it belongs to another recipe.
        """
        if json.loads(state["config"]) != json.loads(self.config.model_dump_json()):
            raise ValueError("the saved run has another recipe")
        self.progress = Progress(*state["progress"])
        self.skipped_steps = state["skipped_steps"]
        self.detector.load_state_dict(state["detector"])
        self.average.load_state_dict(state["average"])
        self._initial = state["initial"]
        if state["optimizer"] is not None:
            self._optimizer = self._make_optimizer(self.config.phases[self.progress.phase])
            self._optimizer.load_state_dict(state["optimizer"])

    def _make_optimizer(self, phase: PhaseConfig) -> torch.optim.Optimizer:
        rates = {"backbone": phase.backbone_rate, "neck": phase.backbone_rate, "memory": phase.memory_rate, "head": 1.0}
        groups = []
        for name, rate in rates.items():
            for decays in (True, False):
                parameters = [p for p in getattr(self.detector, name).parameters() if (p.ndim > 1) == decays]
                if rate > 0 and parameters and not (name == "memory" and phase.alpha == (0.0, 0.0)):
                    decay = self.config.weight_decay if decays else 0.0
                    groups.append({"params": parameters, "rate": rate * phase.learning_rate, "weight_decay": decay})
        return torch.optim.AdamW(groups, lr=phase.learning_rate)

    @torch.no_grad()
    def _return_to_initial(self, share: float) -> None:
        """Mix the weights that the phase began with into the averaged ones; memory has none worth keeping."""
        for name, value in self.average.state_dict().items():
            if share > 0 and value.is_floating_point() and not name.startswith("memory."):
                value.lerp_(self._initial[name], share)

    def _block(self, phase: PhaseConfig, report: Report) -> None:
        start = self.progress.step
        key = [self.config.seed, self.progress.phase, start // BLOCK_STEPS]
        torch.manual_seed(hash(tuple(key)) % (1 << 31))
        steps = min(BLOCK_STEPS, phase.steps - start)
        canvas = phase.canvases[int(torch.randint(len(phase.canvases), ()))]
        batches = clip_batches(
            self.footages,
            [phase.weights.get(footage.name, footage.weight) for footage in self.footages],
            canvas=canvas,
            lanes=phase.lanes,
            streaming_lanes=phase.streaming_lanes,
            frames=phase.frames,
            strength=Strength(**phase.augment.model_dump()),
            seed=key,
        )
        self._set_modes(phase)
        if start == 0 and phase.alpha[0] == 0.0 < phase.alpha[1]:
            self._start_memory(next(batches))
        state: State | None = None
        sums: dict[str, float] = {}
        with _Prefetch(batches, steps) as prefetched:
            for batch in prefetched:
                self._schedule(phase)
                figures, state = self._step(phase, batch, state)
                self.progress.step += 1
                for name, value in figures.items():
                    sums[name] = sums.get(name, 0.0) + value / 10
                if self.progress.step % 10 == 0:
                    report(self.progress, sums)
                    sums = {}

    @torch.no_grad()
    def _start_memory(self, batch: ClipBatch) -> None:
        """Fit the memory's first weights to the size of the features that it will replace."""
        features = self.detector.features(batch.images.to(self.device))
        for stride, fusion in self.detector.memory.items():
            if isinstance(fusion, RecurrentFusion):
                level = features[BACKBONE_STRIDES.index(int(stride))]
                fusion.start_as_moving_average(float(level[:, :, fusion.passed_channels :].std()))
        self.average.load_state_dict(self.detector.state_dict())

    def _set_modes(self, phase: PhaseConfig) -> None:
        self.detector.train()
        for module in self.detector.modules():
            if isinstance(module, nn.BatchNorm2d) and phase.batch_norm == "frozen":
                module.eval()
        for name in ("backbone", "neck"):
            part = getattr(self.detector, name)
            part.requires_grad_(phase.backbone_rate > 0)
            part.train(phase.backbone_rate > 0 and phase.batch_norm == "train")

    def _schedule(self, phase: PhaseConfig) -> None:
        done = self.progress.step / phase.steps
        first, last = phase.alpha
        alpha = first + (last - first) * min(1.0, 3 * done)
        self.detector.set_alpha(alpha)
        self.average.set_alpha(alpha)
        warm_up = min(1.0, (self.progress.step + 1) / min(200, phase.steps))
        factor = warm_up * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done)))
        if self._optimizer is not None:
            for group in self._optimizer.param_groups:
                group["lr"] = group["rate"] * factor

    def _step(self, phase: PhaseConfig, batch: ClipBatch, state: State | None) -> tuple[dict[str, float], State | None]:
        B, _, _, H, W = batch.images.shape
        targets = [[_to(frame, self.device) for frame in lane] for lane in batch.targets]
        if state is None:
            state = self.detector.zero_state(B, H, W)
        state = state.keep_where(batch.continues)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")
        with autocast:
            with torch.set_grad_enabled(phase.backbone_rate > 0):
                features = self.detector.features(batch.images.to(self.device))
            if phase.alpha != (0.0, 0.0):
                features, state = self.detector.fuse(features, state, batch.dt_s.to(self.device))
            raw = self.detector.read(features)
        losses = detection_loss(raw, targets)
        norm = self._update(losses["loss"])
        finite = all(state.finite())
        figures = {name: float(value.detach()) for name, value in losses.items()} | {"gradient_norm": norm}
        return figures, state.detach() if finite else None

    def _update(self, loss: Tensor) -> float:
        """One step of the optimizer; a loss or gradient that is not finite changes nothing and is counted."""
        if self._optimizer is None:
            raise RuntimeError("no phase is running")
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        norm = float(nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip))
        if not math.isfinite(norm):
            self.skipped_steps += 1
            return 0.0
        self._optimizer.step()
        with torch.no_grad():
            # A short memory at first, else the random start would linger in the average.
            decay = min(self.config.ema_decay, (1 + self.progress.step) / (10 + self.progress.step))
            for average, current in zip(
                self.average.state_dict().values(), self.detector.state_dict().values(), strict=True
            ):
                if average.is_floating_point():
                    average.lerp_(current, 1 - decay)
                else:
                    average.copy_(current)
        return norm


def _to(target: Targets, device: torch.device) -> Targets:
    return Targets(
        target.boxes.to(device), target.class_ids.to(device), target.ignore.to(device), target.labelled.to(device)
    )


class _Prefetch:
    """Makes the next batches in a thread: cv2 and torch release the interpreter lock."""

    def __init__(self, batches: Iterator[ClipBatch], count: int) -> None:
        self._batches, self._count = batches, count
        self._queue: queue.Queue[ClipBatch | BaseException] = queue.Queue(maxsize=2)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="streamdet:clips", daemon=True)

    def __enter__(self) -> Iterator[ClipBatch]:
        self._thread.start()
        return self._take()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            while not self._queue.empty():
                self._queue.get()
            self._thread.join(timeout=0.05)

    def _fill(self) -> None:
        try:
            for _ in range(self._count):
                if self._stopped.is_set():
                    return
                self._queue.put(next(self._batches))
        except BaseException as error:
            self._queue.put(error)

    def _take(self) -> Iterator[ClipBatch]:
        for _ in range(self._count):
            item = self._queue.get(timeout=300)
            if isinstance(item, BaseException):
                raise item
            yield item
