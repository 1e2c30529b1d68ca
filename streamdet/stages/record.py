"""record: writes detections to files, to standard output, or to a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from streamdet.errors import ConfigError
from streamdet.flow import Stage
from streamdet.frames import Marker, StateSection, StreamStarted
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.write.part_file import Mark, part_path
from streamdet.media.write.standard_output import STDOUT
from streamdet.result import Result
from streamdet.sinks.detection_files import DetectionFile, Format, open_detection_file
from streamdet.sinks.events import is_event_address, open_transport
from streamdet.sinks.jsonl import RunHeader
from streamdet.stages.entry import Left, OutputEntry, OutputPlan, StageContext, StageEntry
from streamdet.stages.outputs import Output, OutputLog, Target, output_stage
from streamdet.stages.targets import files_of, is_folder
from streamdet.version import __version__
from streamdet.yaml_file import Section

_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".txt": "mot", ".json": "coco", ".csv": "csv"}
_ENDINGS = {name: ending for ending, name in _FORMATS.items()}


class RecordSettings(Section):
    """The detections.

    Attributes:
        path: a file, a folder for several sources, - for standard output, or where they are sent to:
            mqtt://host/topic, or the http(s):// address of a webhook; None: <stem>.jsonl here.
        format: None: by the ending of path, .jsonl, .txt (MOTChallenge), .json (COCO results) or .csv; jsonl where it
            has none.
        masks: also those of the objects, into .jsonl and .json, where the detector gives some.
    """

    path: str | None = Field(default=None, min_length=1)
    format: Literal["jsonl", "mot", "coco", "csv"] | None = None
    masks: bool = False


@dataclass(frozen=True)
class RecordState(StateSection):
    """A file of detections that is being written.

    Attributes:
        length, tail_sha256: how far it was, and what it held there: a `Mark`.
        separator: of COCO results: what comes before the next row. None of other formats.
    """

    length: int
    tail_sha256: str
    separator: str | None = None


class _Detections:
    """An `Output` that is a file of detections."""

    def __init__(self, file: DetectionFile) -> None:
        self._file = file

    def write(self, item: Result | Marker) -> None:
        self._file.write(item)

    def snapshot(self) -> RecordState | None:
        state = self._file.checkpoint()
        return RecordState(**state["mark"], separator=state.get("separator")) if state else None

    def close(self) -> None:
        self._file.close()


def record(
    form: Format,
    header: RunHeader,
    log: OutputLog,
    shared: str | None = None,
    names: Sequence[str] = (),
    stage: str = "record",
    *,
    masks: bool = False,
) -> Stage:
    """Write every stream's detections to its file; everything passes through.

    A file is finished at its stream's end, or when the run ends for whatever reason. One that fails is given up,
    unless its stream is live: then it is tried again with every line. The others and the run continue.

    Args:
        form: jsonl, mot (MOTChallenge), coco (COCO results) or csv.
        header: what JSON Lines start with.
        log: is told of each file that fails.
        shared: "-" for standard output or an address, for all streams; then they have no files.
        names: of the streams that share it.
        stage: its name, which its saved sections have as well.
        masks: write the masks of objects as well.
    """

    def open_output(started: StreamStarted | None, target: Target) -> Output:
        saved = None if started is None else started.saved(stage)
        file = open_detection_file(
            target,
            form,
            header,
            [started.source] if started is not None and shared is None else list(names),
            log.delivery,
            live=started is not None and started.info.live,
            masks=masks,
            resume=None if saved is None else _resume(saved.section),
        )
        return _Detections(file)

    return output_stage(stage, open_output, log, shared)


def _resume(section: RecordState) -> Mapping[str, Any]:
    mark = {"length": section.length, "tail_sha256": section.tail_sha256}
    return {"mark": mark, "separator": section.separator}


def plan_detections(settings: RecordSettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    """Where the detections of each source go.

    Raises:
        ConfigError: the path or the format is wrong.
    """
    path, names = settings.path, [source.name for source in sources]
    if path is not None and _is_shared(path):
        if settings.format not in (None, "jsonl"):
            where = "standard output" if path == STDOUT else redact(path)
            raise ConfigError(f"detections to {where}: expected the format jsonl, got {settings.format}")
        if path != STDOUT:
            open_transport(path)
        return OutputPlan(
            dict.fromkeys(names, path),
            shared=True,
            not_resumable="detections that were sent, or read from standard output, cannot be taken back; "
            "expected a file",
        )
    files = files_of(path, names, _ENDINGS[_format(settings)])
    return OutputPlan(files, folder=path if path is not None and is_folder(path) else None)


def _is_shared(path: str | None) -> bool:
    return path == STDOUT or is_event_address(path)


def _format(settings: RecordSettings) -> Format:
    path = settings.path
    if settings.format is not None:
        return settings.format
    if path is None or _is_shared(path) or is_folder(path):
        return "jsonl"
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise ConfigError(
            f"detections {path}: expected a name that ends in .jsonl, .txt, .json or .csv, a folder, or -"
        )
    return _FORMATS[ending]


def surviving(sections: Sequence[RecordState], target: Path, left: Left) -> list[RecordState | None]:
    """COCO results have their name when they are complete; other files grow under it."""

    def is_there(section: RecordState) -> bool:
        path = part_path(target) if section.separator is not None and not left.published else target
        return Mark(section.length, section.tail_sha256).fits(path)

    return [section if is_there(section) else None for section in sections]


def build_files(stage: str, settings: RecordSettings, context: StageContext) -> Stage:
    """The stage of this name, by its settings and the job."""
    spec = context.detector.spec
    header = RunHeader(__version__, spec.name, spec.sha256 or None, spec.classes, spec.skeleton)
    shared = settings.path if _is_shared(settings.path) else None
    return record(_format(settings), header, context.log, shared, context.sources, stage, masks=settings.masks)


STAGE = StageEntry(
    "record",
    lambda settings, context: build_files("record", settings, context),
    settings=RecordSettings,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids", "zones", "clips", "clip_class"}),
    state=RecordState,
    output=OutputEntry("detections", plan_detections, surviving),
    shows_pictures=False,
)
