"""The figures of a run as one picture."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from streamdet.errors import ConfigError, SinkError
from streamdet.training.config import PhaseConfig

Row = Mapping[str, Any]
_LOSSES = ("loss", "score", "box", "distance")


def draw_curves(
    rows: Sequence[Row], total_steps: Callable[[Row], int], phases: Sequence[PhaseConfig], path: Path
) -> None:
    """Draw losses, gradients, schedule and AP50 over the steps of all phases into a PNG.

    Args:
        rows: as figures.jsonl has them.
        total_steps: steps of the whole run until a row.
        phases: their ends are marked.
        path: the file; it is replaced whole.

    Raises:
        ConfigError: if matplotlib is not installed.
        SinkError: if the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("training needs matplotlib: pip install 'streamdet[train]'") from error
    figure = Figure(figsize=(11, 8), layout="constrained")
    losses, gradients, schedule, ap50 = figure.subplots(2, 2).flat
    for name in _LOSSES:
        _line(losses, rows, total_steps, name)
    _line(gradients, rows, total_steps, "gradient_norm")
    _line(schedule, rows, total_steps, "learning_rate")
    alpha = schedule.twinx()
    alpha.set_ylim(0, 1.05)
    _line(alpha, rows, total_steps, "alpha", "C1")
    colours: dict[str, str] = {}
    for (name, memory), points in _judged(rows, total_steps).items():
        colour = colours.setdefault(name, f"C{len(colours)}")
        style = "-o" if memory == "carry" else "--o"
        ap50.plot(*zip(*points, strict=True), style, color=colour, markersize=3, label=f"{name}, memory {memory}")
    titles = ("loss and its parts", "gradient before clipping", "learning rate, alpha (orange)", "AP50, held out")
    for axes, title in zip((losses, gradients, schedule, ap50), titles, strict=True):
        axes.set_title(title)
        axes.set_xlabel("steps")
        axes.grid(alpha=0.3)
        for end in list(accumulate(phase.steps for phase in phases))[:-1]:
            axes.axvline(end, color="grey", linestyle=":")
        if axes is not schedule and axes.get_legend_handles_labels()[0]:
            axes.legend()
    ap50.set_ylim(0, 1)
    part = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(part, format="png", dpi=100)
        part.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: the curves cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _line(
    axes: Any, rows: Sequence[Row], total_steps: Callable[[Row], int], name: str, colour: str | None = None
) -> None:
    points = [(total_steps(row), row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1, label=name)


def _judged(rows: Sequence[Row], total_steps: Callable[[Row], int]) -> dict[tuple[str, str], list[tuple[int, float]]]:
    lines: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in rows:
        for name, by_memory in row.get("ap50", {}).items():
            for memory, ap in by_memory.items():
                if ap is not None:
                    lines.setdefault((name, memory), []).append((total_steps(row), ap))
    return lines
