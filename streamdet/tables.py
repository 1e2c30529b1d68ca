"""Rows as a table of pandas, where it is installed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

OBJECT_COLUMNS = ("track", "class", "class_id", "score", "x1", "y1", "x2", "y2")
FRAME_COLUMNS = ("source", "session", "frame", "pts", "time_s")


def data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> "pandas.DataFrame":
    """A table with these columns and further ones that rows have; track is an integer, or missing.

    Raises:
        ModuleNotFoundError: pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise ModuleNotFoundError(
            "to_df needs pandas, which is not installed: pip install pandas", name="pandas"
        ) from error
    table = pandas.DataFrame.from_records(list(rows))
    table = table.reindex(columns=[*columns, *(name for name in table.columns if name not in columns)])
    return table.astype({"track": "Int64"})


def object_row(detection: Mapping[str, Any]) -> dict[str, Any]:
    """A detection of JSON Lines, its box as four columns."""
    row = dict(detection)
    row["x1"], row["y1"], row["x2"], row["y2"] = row.pop("box")
    return row
