"""The figures of a run: a line of JSON each time, and TensorBoard scalars; a resumed run continues in both."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamdet.errors import ConfigError, SinkError
from streamdet.training.config import PhaseConfig
from streamdet.training.loop import Progress

Row = Mapping[str, Any]
Judgement = Mapping[str, Mapping[str, float | None]]


class Figures:
    """Writes figures.jsonl and tensorboard/ in a run's folder; a context manager.

    A row has the phase's name, the steps done in it, and either the training's figures or what was judged: `ap50` by
    set and memory, `ap50_by_class` by set and class, with the memory carried if there is one.

    Attributes:
        rows: all of them, those of the time before a run was resumed as well.
    """

    def __init__(self, folder: Path, phases: Sequence[PhaseConfig], resumed_at: Progress) -> None:
        """Go on where a run was saved; what was written after that is not of this run and goes.

        Raises:
            ConfigError: if tensorboard is not installed.
            SinkError: if the folder cannot be written to.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError("training needs tensorboard: pip install 'streamdet[train]'") from error
        self._phases = phases
        self._path = folder / "figures.jsonl"
        first = self.steps_before(resumed_at.phase) + resumed_at.step
        self.rows: list[Row] = [row for row in _read(self._path) if self.total_steps(row) <= first]
        try:
            _rewrite(self._path, self.rows)
            self._file = self._path.open("a", encoding="utf-8")
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)
        except OSError as error:
            raise SinkError(f"{folder}: figures cannot be written there: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._board.close()

    def steps_before(self, phase: int) -> int:
        """Steps of all phases before one."""
        return sum(earlier.steps for earlier in self._phases[:phase])

    def total_steps(self, row: Row) -> int:
        """Steps of the whole run until a row; more than all for a row of a phase that the recipe does not have."""
        names = [phase.name for phase in self._phases]
        place = names.index(row["phase"]) if row.get("phase") in names else len(names)
        return self.steps_before(place) + int(row.get("step", 0)) + (place == len(names))

    def place(self, progress: Progress) -> tuple[PhaseConfig, int]:
        """The phase and the steps done in it; the start of a phase is the end of the one before."""
        if progress.step == 0 and progress.phase > 0:
            before = self._phases[progress.phase - 1]
            return before, before.steps
        return self._phases[progress.phase], progress.step

    def add_training(self, progress: Progress, means: Mapping[str, float]) -> None:
        """The mean figures of the last steps."""
        self._add(progress, means, {f"train/{name}": value for name, value in means.items()})

    def add_judgement(self, progress: Progress, ap50: Judgement, by_class: Judgement) -> None:
        """AP50 of every held-out set, by the set's name, and by memory or class."""
        scalars = {f"ap50/{name} {memory}": ap for name, by in ap50.items() for memory, ap in by.items()}
        scalars |= {f"ap50 by class/{name} {cls}": ap for name, by in by_class.items() for cls, ap in by.items()}
        known = {name: ap for name, ap in scalars.items() if ap is not None}
        self._add(progress, {"ap50": ap50, "ap50_by_class": by_class}, known)

    def judgement_at(self, progress: Progress) -> Judgement | None:
        """What was judged there, if it was."""
        phase, step = self.place(progress)
        for row in self.rows:
            if (row["phase"], row["step"]) == (phase.name, step) and "ap50" in row:
                found: Judgement = row["ap50"]
                return found
        return None

    def _add(self, progress: Progress, figures: Mapping[str, Any], scalars: Mapping[str, float]) -> None:
        phase, step = self.place(progress)
        row = {"phase": phase.name, "step": step} | {name: _rounded(value) for name, value in figures.items()}
        self.rows.append(row)
        total = self.total_steps(row)
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            for name, value in scalars.items():
                self._board.add_scalar(name, value, total)
            self._board.flush()
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}") from error


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(inner) for name, inner in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _read(path: Path) -> list[Row]:
    """Rows of the file; a last line that was cut off by a kill is passed over."""
    if not path.is_file():
        return []
    rows: list[Row] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _rewrite(path: Path, rows: Sequence[Row]) -> None:
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    part.replace(path)
