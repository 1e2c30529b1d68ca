"""Where a run's results go, files and addresses: decided and checked before anything is read or written."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

from streamdet.errors import ConfigError
from streamdet.jobs.config import EncodeConfig, PipelineConfig, RecordConfig
from streamdet.jobs.video_outputs import is_playlist, is_rtsp
from streamdet.media.locations import redact
from streamdet.media.write.encoder import encoder_settings
from streamdet.media.write.formats import output_format
from streamdet.media.write.hls import old_segments
from streamdet.media.write.rtsp_client import Address
from streamdet.media.write.segments import file_segments
from streamdet.sinks.detection_files import STDOUT, Format
from streamdet.sinks.events import is_event_address, open_transport

Target = TypeVar("Target")

_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".txt": "mot", ".json": "coco"}
_ENDINGS = {name: ending for ending, name in _FORMATS.items()}


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a run's results go.

    Attributes:
        videos: files, or addresses to publish to, by source name; empty where no video is written.
        detections: by source name; empty where none are written, or all to one place.
        form: of the detections: jsonl, mot or coco; None where no detections are written.
        shared: where the detections of all sources go: standard output, or an address, credentials included.
        report: the run report.
        state: the memory at the end.
        folders: to be made.
    """

    videos: dict[str, str | Path] = field(default_factory=dict)
    detections: dict[str, Path] = field(default_factory=dict)
    form: Format | None = None
    shared: str | None = None
    report: Path | None = None
    state: Path | None = None
    folders: tuple[Path, ...] = ()

    def paths(self) -> list[Path]:
        """All files."""
        return [*self.results(), *(path for path in (self.report, self.state) if path is not None)]

    def versions(self) -> dict[Path, tuple[int, int] | None]:
        """Which version of each file is there now, the report aside; None where there is none."""
        return {path: _version(path) for path in self.results()}

    def written_since(self, before: Mapping[Path, tuple[int, int] | None]) -> frozenset[Path]:
        """Those that were written after `versions` gave this."""
        return frozenset(path for path, now in self.versions().items() if now not in (None, before.get(path)))

    def make_folders(self) -> None:
        """Make the folders that outputs go into."""
        for folder in self.folders:
            folder.mkdir(exist_ok=True)

    def results(self) -> list[Path]:
        """Files of videos and detections, videos first."""
        return self.results_of([*self.videos, *self.detections])

    def results_of(self, names: Iterable[str]) -> list[Path]:
        """The same of some sources."""
        wanted = dict.fromkeys(names)
        paths = [files[name] for files in (self.videos, self.detections) for name in wanted if name in files]
        return [path for path in paths if isinstance(path, Path)]


def plan_outputs(
    config: PipelineConfig, names: Sequence[str], inputs: Iterable[Path], beside: Sequence[str] = ()
) -> Outputs:
    """Name every output and make sure that it can be written.

    Args:
        config: the job.
        names: the sources' names, each once.
        inputs: files that are read, and so must not be written.
        beside: names of sources whose outputs, and the report, are planned and at work already.

    Raises:
        ConfigError: one line for every mistake.
    """
    mistakes: list[str] = []
    videos: dict[str, str | Path] = {}
    detections: dict[str, Path] = {}
    form: Format | None = None
    shared: str | None = None
    if "encode" in config.stages:
        with _noted(mistakes):
            encoder_settings(config.encode)
        with _noted(mistakes):
            videos = _without(beside, _videos(config.encode, [*beside, *names]))
    if "record" in config.stages:
        with _noted(mistakes):
            shared = _shared(config.record)
            form = _format(config.record)
            files = {} if shared else _files(config.record.path, [*beside, *names], _ENDINGS[form])
            detections = _without(beside, files)
    report = Path(config.report) if config.report and not beside else None
    state = Path(config.state_out) if config.state_out and not beside else None
    outputs = Outputs(videos, detections, form, shared, report, state)
    video_folder = config.encode.path if any(isinstance(video, Path) for video in videos.values()) else None
    folders = tuple(_to_make(video_folder, config.record.path if detections else None))
    mistakes += [*_collisions(outputs.paths()), *_unwritable(outputs.paths(), folders)]
    whole = replace(outputs, videos={}) if config.encode.segment_s else outputs
    replaces = config.overwrite or config.resume
    mistakes += _taken(whole.paths(), inputs, replaces, ", or go on with a run that was interrupted with --resume")
    if not replaces:
        mistakes += _pieces_in_the_way(outputs, config.encode)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return replace(outputs, folders=folders)


def _without(names: Sequence[str], targets: dict[str, Target]) -> dict[str, Target]:
    return {name: target for name, target in targets.items() if name not in names}


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


@contextmanager
def _noted(mistakes: list[str]) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        mistakes.append(str(error))


def check_files(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Make sure that files can be written.

    Raises:
        ConfigError: one line for every mistake.
    """
    if mistakes := [*_collisions(paths), *_unwritable(paths, ()), *_taken(paths, (), overwrite)]:
        raise ConfigError("\n".join(mistakes))


def _videos(settings: EncodeConfig, names: Sequence[str]) -> dict[str, str | Path]:
    path = settings.path or ""
    if "://" in path and not is_rtsp(path):
        raise ConfigError(f"output {redact(path)}: expected rtsp:// or rtsps://, a file such as .mp4, or a folder")
    if (is_rtsp(path) or is_playlist(path)) and (settings.codec != "h264" or settings.segment_s is not None):
        what = f"codec {settings.codec}: expected h264" if settings.codec != "h264" else "segments: expected a file"
        raise ConfigError(f"output {redact(path)}: {what}; what goes there is H.264, and one stream")
    if settings.window_s is not None and not is_playlist(path):
        raise ConfigError(
            f"encode.window_s is for playlists; expected an output that ends in .m3u8, got {redact(path)}"
        )
    if is_rtsp(path):
        return _addresses(path, names)
    if is_playlist(path):
        playlist = Path(path)
        return {name: playlist if len(names) == 1 else _with_name(playlist, name) for name in names}
    videos = _files(settings.path, names, ".annotated.mp4")
    for video in videos.values():
        output_format(video, settings.codec)
    return {**videos}


def _addresses(url: str, names: Sequence[str]) -> dict[str, str | Path]:
    """One address a source: below the one that is given, where there are several."""
    try:
        Address.of(url)
    except ValueError as error:
        raise ConfigError(f"output {redact(url)}: expected rtsp://host/path: {error}") from error
    if len(names) == 1:
        return {names[0]: url}
    parts = urlsplit(url)
    folder = parts.path.rstrip("/")
    return {name: parts._replace(path=f"{folder}/{quote(name, safe='')}").geturl() for name in names}


def _with_name(playlist: Path, name: str) -> Path:
    return playlist.with_name(f"{playlist.stem}-{name}{playlist.suffix}")


def _pieces_in_the_way(outputs: Outputs, settings: EncodeConfig) -> Iterator[str]:
    """Segments of a run before: they would be mixed with new ones."""
    for video in outputs.videos.values():
        if isinstance(video, Path) and video.parent.is_dir():
            pieces = old_segments(video) if is_playlist(video) else file_segments(video) if settings.segment_s else []
            if pieces:
                yield f"output {min(pieces)} is there already; choose another name, or replace it with --overwrite"


def _shared(settings: RecordConfig) -> str | None:
    """Where the detections of all sources go, if that is no file."""
    path = settings.path
    if path is None or (path != STDOUT and not is_event_address(path)):
        return None
    if settings.format not in (None, "jsonl"):
        where = "standard output" if path == STDOUT else redact(path)
        raise ConfigError(f"detections to {where}: expected the format jsonl, got {settings.format}")
    if path != STDOUT:
        open_transport(path)
    return path


def _format(settings: RecordConfig) -> Format:
    path = settings.path
    if settings.format is not None:
        return settings.format
    if path is None or path == STDOUT or is_event_address(path) or _is_folder(path):
        return "jsonl"
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise ConfigError(f"detections {path}: expected a name that ends in .jsonl, .txt or .json, a folder, or -")
    return _FORMATS[ending]


def _files(path: str | None, names: Sequence[str], ending: str) -> dict[str, Path]:
    """One file a source."""
    if path is not None and not _is_folder(path):
        if len(names) > 1:
            raise ConfigError(f"output {path}: {len(names)} sources need a folder, not a file; end its name with /")
        return {names[0]: Path(path)}
    return {name: Path(path or ".") / f"{name}{ending}" for name in names}


def _is_folder(path: str) -> bool:
    return path.endswith(("/", os.sep)) or Path(path).is_dir() or not Path(path).suffix


def _to_make(*paths: str | None) -> Iterator[Path]:
    """Folders that were asked for and are not there; the folder around them must be."""
    for path in sorted({Path(path) for path in paths if path is not None and _is_folder(path)}):
        if not os.path.lexists(path) and path.parent.is_dir():
            yield path


def _collisions(paths: Sequence[Path]) -> Iterator[str]:
    seen: set[str] = set()
    for path in paths:
        resolved = os.path.realpath(path)
        if resolved in seen:
            yield f"output {path}: two outputs have this name; expected another for each"
        seen.add(resolved)


def _unwritable(paths: Sequence[Path], folders: Sequence[Path]) -> Iterator[str]:
    """Try every folder: the rights alone do not tell (root, a read-only disk, /proc)."""
    for folder in sorted({path.parent for path in paths}):
        existing = folder.parent if folder in folders else folder
        if not os.path.lexists(existing):
            yield f"folder {folder} does not exist; make it first, or choose another"
            continue
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            yield f"cannot write into folder {folder}: {error.strerror}; choose another"


def _taken(paths: Sequence[Path], inputs: Iterable[Path], overwrite: bool, hint: str = "") -> Iterator[str]:
    inputs = list(inputs)
    for path in paths:
        if path.is_dir():
            yield f"output {path}: expected a file name, this is a folder"
        elif read := next((each for each in inputs if _same(path, each)), None):
            yield f"output {path} is the input {read} itself; choose another name"
        elif os.path.lexists(path) and not overwrite:
            yield f"output {path} is there already; choose another name, or replace it with --overwrite{hint}"


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there
        return os.path.realpath(path) == os.path.realpath(other)
