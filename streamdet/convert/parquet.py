"""Detections as Parquet: a row for each box."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamdet.convert.found import Found
from streamdet.errors import ConfigError
from streamdet.media.write.part_file import PartFile, write_error

_ROWS_AT_ONCE = 50_000


def write_parquet(found: Found, path: Path) -> None:
    """Write the columns source, session, frame, pts, time_s, track, class, class_id, score, x1, y1, x2, y2.

    Raises:
        ConfigError: pyarrow is not installed.
        SinkError: it cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("Parquet needs pyarrow; install it: pip install 'streamdet[parquet]'") from error
    text, edge = pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), pyarrow.float32()
    schema = pyarrow.schema(
        [
            ("source", text),
            ("session", pyarrow.int32()),
            ("frame", pyarrow.int64()),
            ("pts", pyarrow.int64()),
            ("time_s", pyarrow.float64()),
            ("track", pyarrow.int64()),
            ("class", text),
            ("class_id", pyarrow.int32()),
            ("score", edge),
            *((name, edge) for name in ("x1", "y1", "x2", "y2")),
        ]
    )
    part = PartFile(path)
    try:
        with parquet.ParquetWriter(part.path, schema, compression="zstd") as file:
            for rows in _batches(found):
                columns = {name: [row[name] for row in rows] for name in schema.names}
                file.write_table(pyarrow.table(columns, schema))
        part.publish(part.path)
    except (OSError, pyarrow.ArrowException) as error:
        raise write_error(path, error) from error
    finally:
        part.discard()


def _batches(found: Found) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for result in found.results():
        rows += result.to_rows()
        if len(rows) >= _ROWS_AT_ONCE:
            yield rows
            rows = []
    yield rows
