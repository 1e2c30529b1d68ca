"""What training has come to, as files: figures.csv, figures.json, curves.svg, confusion.csv and confusion.svg."""

import csv
import io
import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from streamdet.drawing.charts import line_chart, matrix_chart
from streamdet.errors import SinkError
from streamdet.training.classify.judge import Judged

Row = dict[str, float]
COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def write_figures(folder: Path, rows: Sequence[Row], judged: Judged, classes: Sequence[str]) -> None:
    """Write all of them again.

    Args:
        folder: of the run.
        rows: one an epoch, with COLUMNS.
        judged: the validation of the last one.
        classes: their names.

    Raises:
        SinkError: they cannot be written.
    """
    epochs = [row["epoch"] for row in rows]
    curves = [
        line_chart(
            {part: [row[f"{part}_{name}"] for row in rows] for part in ("train", "val")},
            epochs,
            title=name,
            limits=limits,
        )
        for name, limits in (("accuracy", (0.0, 1.0)), ("loss", None))
    ]
    files = {
        "figures.csv": _table([COLUMNS, *([row[name] for name in COLUMNS] for row in rows)]),
        "figures.json": json.dumps(
            {"classes": list(classes), "epochs": [_known(row) for row in rows], "confusion": judged.confusion.tolist()}
        ),
        "curves.svg": _beside(curves),
    }
    if len(judged.truth):
        counts = judged.confusion
        title = f"epoch {epochs[-1]:g}: rows are true, columns are said"
        files["confusion.csv"] = _table(
            [["", *classes], *([name, *row] for name, row in zip(classes, counts.tolist(), strict=True))]
        )
        files["confusion.svg"] = matrix_chart(classes, counts, title=title)
    for name, text in files.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{folder / name}: cannot be written: {error.strerror}") from error


def _known(row: Row) -> dict[str, float | None]:
    return {name: None if isnan(value) else value for name, value in row.items()}


def _table(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _beside(charts: Sequence[str]) -> str:
    placed = "".join(f'<g transform="translate({480 * number} 0)">{chart}</g>' for number, chart in enumerate(charts))
    width = 480 * len(charts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="230" viewBox="0 0 {width} 230">{placed}</svg>'
    )
