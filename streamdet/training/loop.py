"""The training loop: phases of blocks of 50 steps, each block reproducible, so that a run resumes exactly.

A run is saved after each block, and where it is stopped within one.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamdet.errors import PipelineError
from streamdet.models.recurrent.state import State
from streamdet.training.augment import Strength
from streamdet.training.clips import ClipBatch, clip_batches
from streamdet.training.config import BLOCK_STEPS, AnyRecipe, PhaseConfig
from streamdet.training.footage import Footage
from streamdet.training.means import Means
from streamdet.training.method import Method, RecurrentMethod
from streamdet.training.paint import Painter
from streamdet.training.prefetch import Prefetch
from streamdet.training.ranks import Ranks
from streamdet.training.saved_run import read_run, saved_run, write_run

REPORT_STEPS = 10
MAX_SKIPPED_STEPS = 20
"""So many steps in a row without a finite loss and gradient, and training stops."""


@dataclass(slots=True)
class Progress:
    """Where a run stands: steps done in a phase. After the last phase, `phase` is their number."""

    phase: int = 0
    step: int = 0


Report = Callable[[Progress, dict[str, float]], None]


def _nothing() -> None:
    pass


class Trainer:
    """Trains one detector; everything that a resumed run needs is in `state_dict`.

    Attributes:
        detector: what is trained; what it is, `method` knows.
        method: how, by default that of streamdet's own detectors.
        average: its weights averaged over the last steps; the better ones, and the run's result.
        progress: where the run stands.
        saved: where a resumed run would continue.
        skipped_steps: steps that changed nothing because loss or gradient was not finite.
    """

    def __init__(
        self,
        detector: Any,
        config: AnyRecipe,
        footages: list[Footage],
        device: torch.device,
        ranks: Ranks | None = None,
        method: Method[Any] | None = None,
    ) -> None:
        self.method: Method[Any] = method or RecurrentMethod()
        self.config, self.footages, self.device, self.ranks = config, footages, device, ranks or Ranks()
        self.detector = detector.to(device)
        self.detector.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.detector).eval()
        self.painter = Painter(device, footages)
        self.progress, self.saved = Progress(), Progress()
        self.skipped_steps = 0
        self._skipped_in_a_row = 0
        self._optimizer: torch.optim.Optimizer | None = None
        self._initial: dict[str, Tensor] = {}
        self._block_state: State | None = None
        self._means = Means()
        self._stop_wanted = self._stopped = False

    @property
    def finished(self) -> bool:
        """Whether the last phase is done."""
        return self.progress.phase == len(self.config.phases)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop_wanted

    def stop(self) -> None:
        """Let `run` end after the step that it is at; may be called by a signal's handler or another thread."""
        self._stop_wanted = True

    def run(
        self,
        folder: Path,
        report: Report,
        *,
        on_step: Callable[[], None] = _nothing,
        on_block: Callable[[], None] = _nothing,
    ) -> None:
        """Train until the last phase is done, or until `stop`; a checkpoint is written after every block and at a stop.

        Several processes that are stopped within a block resume from its start: each knows its own streams only.

        Args:
            folder: where `save` writes.
            report: called every 10 steps, and at a block's end, with the mean figures since the last call.
            on_step: called after every step.
            on_block: called after every block, once it is saved.

        Raises:
            PipelineError: if the loss is not finite for 20 steps in a row.
            SinkError: if a checkpoint cannot be written.
        """
        self._stopped = False
        while not (self.finished or self._stopped):
            phase = self.config.phases[self.progress.phase]
            if self._optimizer is None:
                self._optimizer = self._make_optimizer(phase)
                self._initial = copy.deepcopy(self.average.state_dict())
            if not self._block(phase, report, on_step):
                if self.ranks.world == 1:
                    self.save(folder)
                return
            if self.progress.step >= phase.steps:
                self._return_to_initial(phase.keep_initial)
                self.progress = Progress(self.progress.phase + 1, 0)
                self._optimizer = None
                # The next phase starts from the averaged weights: they are the better ones.
                self.detector.load_state_dict(self.average.state_dict())
            self.save(folder)
            on_block()

    def save(self, folder: Path) -> None:
        """Write what a resumed run needs, whole or not at all."""
        if self.ranks.rank == 0:
            write_run(folder, self.state_dict())
        self.saved = copy.copy(self.progress)

    def resume(self, folder: Path) -> bool:
        """Go on where `save` was called last; False where there is nothing.

        Raises:
            CheckpointError: if what was saved is damaged.
            ConfigError: if it belongs to another recipe.
        """
        if not saved_run(folder).is_file():
            return False
        self.load_state_dict(read_run(folder, self.config, self.device))
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
            "block_state": None if self._block_state is None else _to_tensors(self._block_state),
            "means": self._means.sums(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` of a run of the same recipe gave."""
        self.progress, self.saved = Progress(*state["progress"]), Progress(*state["progress"])
        self.skipped_steps = state["skipped_steps"]
        self.detector.load_state_dict(state["detector"])
        self.average.load_state_dict(state["average"])
        self._initial = state["initial"]
        if state["optimizer"] is not None:
            self._optimizer = self._make_optimizer(self.config.phases[self.progress.phase])
            self._optimizer.load_state_dict(state["optimizer"])
        saved = state["block_state"]
        self._block_state = None if saved is None else _from_tensors(saved).to(self.device)
        self._means = Means(state["means"])

    def _make_optimizer(self, phase: PhaseConfig) -> torch.optim.Optimizer:
        groups = []
        for name, all_of_it in self.method.parts(self.detector).items():
            rate = self._rates(phase)[name]
            for decays in (True, False):
                parameters = [p for p in all_of_it if (p.ndim > 1) == decays]
                if rate > 0 and parameters and not (name == "memory" and phase.alpha == (0.0, 0.0)):
                    decay = self.config.weight_decay if decays else 0.0
                    groups.append({"params": parameters, "rate": rate * phase.learning_rate, "weight_decay": decay})
        return torch.optim.AdamW(groups, lr=phase.learning_rate)

    @staticmethod
    def _rates(phase: PhaseConfig) -> dict[str, float]:
        """Of each part, times the phase's learning rate."""
        backbone, memory = phase.backbone_rate, phase.memory_rate
        return {"backbone": backbone, "neck": backbone, "memory": memory, "head": phase.head_rate}

    @torch.no_grad()
    def _return_to_initial(self, share: float) -> None:
        """Mix the weights that the phase started with into the averaged ones, except those of the recurrent cell."""
        for name, value in self.average.state_dict().items():
            if share > 0 and value.is_floating_point() and "memory." not in name:
                value.lerp_(self._initial[name], share)

    def _block(self, phase: PhaseConfig, report: Report, on_step: Callable[[], None]) -> bool:
        """50 steps, or the rest of them or of the phase; False where it was stopped before their end."""
        done = self.progress.step % BLOCK_STEPS
        start = self.progress.step - done
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
            painter=self.painter,
            with_sound=phase.recall > 0,
            share=(self.ranks.rank, self.ranks.world),
        )
        self._set_modes(phase)
        if start == 0 and phase.alpha[0] == 0.0 < phase.alpha[1]:
            first = next(batches)
            if done == 0:
                self._start_memory(first)
        for _ in range(done):  # what was trained on before the run was stopped
            next(batches)
        with Prefetch(batches, steps - done) as prefetched:
            for batch in prefetched:
                scheduled = self._schedule(phase)
                figures, self._block_state = self._step(phase, batch, self._block_state)
                self.progress.step += 1
                self._means.add(scheduled | figures)
                on_step()
                at_end = self.progress.step == start + steps
                if self.progress.step % REPORT_STEPS == 0 or at_end:
                    report(self.progress, self._means.take() | {"skipped_steps": self.skipped_steps})
                if self._stopped and not at_end:
                    return False
        self._block_state = None
        return True

    @torch.no_grad()
    def _start_memory(self, batch: ClipBatch) -> None:
        """Fit the memory's first weights to the size of the features that it will replace."""
        self.method.start_memory(self.detector, batch.images.to(self.device), self.ranks)
        self.average.load_state_dict(self.detector.state_dict())

    def _set_modes(self, phase: PhaseConfig) -> None:
        self.detector.train()
        for name, parameters in self.method.parts(self.detector).items():
            for parameter in parameters:
                parameter.requires_grad_(self._rates(phase)[name] > 0)

    def _schedule(self, phase: PhaseConfig) -> dict[str, float]:
        done = self.progress.step / phase.steps
        first, last = phase.alpha
        alpha = first + (last - first) * min(1.0, 3 * done)
        self.detector.set_alpha(alpha)
        self.average.set_alpha(alpha)
        warm_up = min(1.0, (self.progress.step + 1) / min(phase.warm_up_steps, phase.steps))
        factor = warm_up * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done)))
        if self._optimizer is not None:
            for group in self._optimizer.param_groups:
                group["lr"] = group["rate"] * factor
        return {"alpha": alpha, "learning_rate": phase.learning_rate * factor}

    def _step(self, phase: PhaseConfig, batch: ClipBatch, state: State | None) -> tuple[dict[str, float], State | None]:
        B, _, _, H, W = batch.images.shape
        if state is None:
            state = self.detector.zero_state(B, H, W)
        state = state.keep_where(batch.continues)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            losses, state = self.method.losses(self.detector, phase, batch, state, self.ranks)
        figures = self._update(phase, losses)
        return figures, state.detach() if all(state.finite()) else None

    def _update(self, phase: PhaseConfig, losses: dict[str, Tensor]) -> dict[str, float]:
        """One step of the optimizer; a loss or gradient that is not finite changes nothing and is counted."""
        if self._optimizer is None:
            raise RuntimeError("no phase is running")
        self._optimizer.zero_grad()
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        own = torch.stack([*losses.values(), torch.tensor(float(self._stop_wanted), device=self.device)])
        *values, stops = self.ranks.sum_gradients(parameters, own.detach()).tolist()
        self._stopped = stops > 0  # all processes stop at the same step
        norm = float(nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip))
        if not math.isfinite(norm):
            self._skip()
            return {}
        self._skipped_in_a_row = 0
        self._optimizer.step()
        self._follow()
        return dict(zip(losses, values, strict=True)) | {"gradient_norm": norm}

    def _skip(self) -> None:
        self.skipped_steps += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= MAX_SKIPPED_STEPS:
            phase = self.config.phases[self.progress.phase].name
            raise PipelineError(
                f"training stopped in {phase} at step {self.progress.step}: loss or gradient was not a finite number "
                f"{MAX_SKIPPED_STEPS} times in a row; lower learning_rate, or use precision fp32 if it is bf16"
            )

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the averaged weights follow the trained ones."""
        # A short memory at first, else the random start would linger in the average.
        decay = min(self.config.ema_decay, (1 + self.progress.step) / (10 + self.progress.step))
        for average, current in zip(
            self.average.state_dict().values(), self.detector.state_dict().values(), strict=True
        ):
            if average.is_floating_point():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(current)


def _to_tensors(state: State) -> dict[str, Tensor]:
    """For `torch.save`, which reads nothing but tensors without risk."""
    return {name: torch.from_numpy(array) for name, array in state.to_arrays().items()}


def _from_tensors(tensors: dict[str, Tensor]) -> State:
    return State.from_arrays({name: tensor.cpu().numpy() for name, tensor in tensors.items()})
