"""Charts as SVG texts: complete, without scripts, readable on light and on dark ground."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike

COLOURS = ("#4e79a7", "#e15759", "#59a14f", "#f28e2b", "#b07aa1", "#76b7b2", "#edc948", "#9c755f")
_GREY, _FONT = "#888", 'font-family="sans-serif" font-size="11"'


def line_chart(
    series: Mapping[str, Sequence[float]],
    x: Sequence[float],
    *,
    title: str = "",
    limits: tuple[float, float] | None = None,
    width: int = 460,
    height: int = 220,
) -> str:
    """Lines over one axis.

    Args:
        series: values by name, as many each as x; what is not finite leaves a hole.
        x: ascending.
        title: above it.
        limits: lowest and highest value; None: those of the series.
        width, height: pixels.
    """
    left, top, right, bottom = 44, 24, width - 8, height - 20 - 15 * ((len(series) + 3) // 4)
    known = [value for values in series.values() for value in values if isfinite(value)]
    low, high = limits or (min(known, default=0.0), max(known, default=1.0))
    spread, span = (high - low) or 1.0, (x[-1] - x[0] if len(x) else 0.0) or 1.0
    parts = [_text(left, 15, title, bold=True)]
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top)
        parts.append(f'<line x1="{left}" y1="{y:g}" x2="{right}" y2="{y:g}" stroke="{_GREY}" stroke-opacity="0.4"/>')
        parts.append(_text(left - 4, y + 4, f"{low + share * (high - low):.3g}", anchor="end"))
    for place, anchor in ((0, "start"), (-1, "end")):
        if len(x):
            parts.append(_text(left if place == 0 else right, bottom + 14, f"{x[place]:g}", anchor=anchor))
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        for run in _runs(x, values):
            across = [left + (at - x[0]) / span * (right - left) for at, _ in run]
            up = [bottom - (value - low) / spread * (bottom - top) for _, value in run]
            points = " ".join(f"{at:.1f},{y:.1f}" for at, y in zip(across, up, strict=True))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        at = left + (number % 4) * (right - left) / 4, bottom + 30 + 15 * (number // 4)
        parts.append(f'<rect x="{at[0]:g}" y="{at[1] - 9:g}" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(at[0] + 14, at[1], name))
    return _svg(width, height, parts)


def matrix_chart(names: Sequence[str], counts: ArrayLike, *, title: str = "") -> str:
    """Counts by row and column of one list of names: rows are what is true, columns what was said.

    Args:
        names: K of them.
        counts: (K, K) integers.
        title: above it.
    """
    table = np.asarray(counts)
    left, cell = 12 + 7 * max(map(len, names)), 46
    top, side = 40 + 5 * max(map(len, names)), len(names) * cell
    parts = [_text(8, 15, title, bold=True)]
    for row, name in enumerate(names):
        parts.append(_text(left - 5, top + (row + 0.6) * cell, name, anchor="end"))
        x = left + (row + 0.5) * cell
        parts.append(
            f'<text x="{x:g}" y="{top - 6}" {_FONT} fill="{_GREY}" transform="rotate(-40 {x:g} {top - 6})">'
            f"{escape(name)}</text>"
        )
        total = max(int(table[row].sum()), 1)
        for column in range(len(names)):
            share = int(table[row, column]) / total
            at = left + column * cell, top + row * cell
            colour = COLOURS[0] if row == column else COLOURS[1]
            parts.append(
                f'<rect x="{at[0]:g}" y="{at[1]:g}" width="{cell - 2}" height="{cell - 2}" fill="{colour}" '
                f'fill-opacity="{0.08 + 0.92 * share:.2f}"/>'
            )
            parts.append(
                _text(at[0] + cell / 2 - 1, at[1] + cell / 2 + 4, str(int(table[row, column])), anchor="middle")
            )
    return _svg(left + side + 60, top + side + 8, parts)


def _runs(x: Sequence[float], values: Sequence[float]) -> list[list[tuple[float, float]]]:
    """Stretches without holes."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in zip(x, values, strict=True):
        if isfinite(value):
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" {_FONT}{weight} fill="{_GREY}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{"".join(parts)}</svg>'
