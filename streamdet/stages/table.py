"""table: writes detections as CSV, beside the files of record."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from streamdet.errors import ConfigError
from streamdet.media.locations import SourceSpec
from streamdet.stages.entry import OutputEntry, OutputPlan, StageEntry
from streamdet.stages.record import RecordSettings, RecordState, build_files, surviving
from streamdet.stages.targets import files_of, is_folder
from streamdet.yaml_file import Section


class TableSettings(Section):
    """The table of detections.

    Attributes:
        path: a file that ends in .csv, or a folder for several sources; None: <stem>.csv here.
    """

    path: str | None = Field(default=None, min_length=1)


def plan_tables(settings: TableSettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    """Where the table of each source goes.

    Raises:
        ConfigError: the path is wrong.
    """
    path = settings.path
    to_folder = path is not None and is_folder(path)
    if path is not None and not to_folder and Path(path).suffix.lower() != ".csv":
        raise ConfigError(f"table {path}: expected a name that ends in .csv, or a folder")
    return OutputPlan(files_of(path, [source.name for source in sources], ".csv"), folder=path if to_folder else None)


STAGE = StageEntry(
    "table",
    lambda settings, context: build_files("table", RecordSettings(path=settings.path, format="csv"), context),
    settings=TableSettings,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids", "zones"}),
    state=RecordState,
    output=OutputEntry("table", plan_tables, surviving),
    shows_pictures=False,
)
