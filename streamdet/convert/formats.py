"""The formats that detections are converted to, and which of them a file name means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from streamdet.convert.fiftyone import write_fiftyone
from streamdet.convert.found import Found
from streamdet.convert.parquet import write_parquet
from streamdet.convert.tracks import write_tracks
from streamdet.convert.yolo import write_yolo
from streamdet.errors import ConfigError
from streamdet.frames import StreamEnded
from streamdet.sinks.detection_files import Format, open_detection_file
from streamdet.sinks.jsonl import RunHeader
from streamdet.version import __version__


@dataclass(frozen=True, slots=True)
class Options:
    """What some formats take into account.

    Attributes:
        video: the file of the source, whose name or pictures a format needs.
        tolerance_px: how far a box may be off between two keyframes.
        min_frames: tracks that are seen in fewer frames are left out.
    """

    video: Path | None = None
    tolerance_px: float = 0.5
    min_frames: int = 1


Writer = Callable[[Found, Path, Options], None]


def _lines_of(form: Format) -> Writer:
    def write(found: Found, path: Path, options: Options) -> None:
        if form != "jsonl":
            found.single(form)
        header = RunHeader(__version__, found.model, found.model_sha256, found.classes, found.skeleton)
        file = open_detection_file(path, form, header, list(found.sources), masks=True)
        frames = dict.fromkeys(found.sources, 0)
        try:
            for result in found.results():
                file.write(result)
                frames[result.source] = frames.get(result.source, 0) + 1
            for source, count in frames.items():
                file.write(StreamEnded(source, count))
        finally:
            file.close()

    return write


def _tracks_of(form: str) -> Writer:
    def write(found: Found, path: Path, options: Options) -> None:
        write_tracks(found, path, form, options.video, options.tolerance_px, options.min_frames)

    return write


WRITERS: Mapping[str, Writer] = {
    "jsonl": _lines_of("jsonl"),
    "csv": _lines_of("csv"),
    "mot": _lines_of("mot"),
    "coco": _lines_of("coco"),
    "coco-vid": _tracks_of("coco-vid"),
    "cvat": _tracks_of("cvat"),
    "label-studio": _tracks_of("label-studio"),
    "parquet": lambda found, path, options: write_parquet(found, path),
    "yolo": lambda found, path, options: write_yolo(found, path, options.video),
    "fiftyone": lambda found, path, options: write_fiftyone(found, path, options.video),
}
_ENDINGS = {
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".txt": "mot",
    ".json": "coco-vid",
    ".xml": "cvat",
    ".parquet": "parquet",
    "": "yolo",
}
FOLDERS = ("yolo", "fiftyone")


def format_of(path: Path, wanted: str | None) -> str:
    """The format that is written.

    Raises:
        ConfigError: there is none of this name, or none that an ending means.
    """
    if wanted is not None and wanted not in WRITERS:
        raise ConfigError(f"--to {wanted}: expected one of {', '.join(WRITERS)}")
    chosen = wanted or _ENDINGS.get("" if path.is_dir() else path.suffix.lower())
    if chosen is None:
        endings = " ".join(ending for ending in _ENDINGS if ending)
        raise ConfigError(f"output {path}: expected the ending {endings}, a folder, or --to FORMAT")
    return chosen
