"""encode: writes each stream's pictures: a video file, segments, a playlist, a server, or pictures of stills."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator, Field

from streamdet.errors import ConfigError
from streamdet.flow import Stage
from streamdet.frames import Marker, Picture, StateSection, StreamStarted
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.write.encoder import encoder_settings
from streamdet.media.write.formats import output_format
from streamdet.media.write.hls import HlsWriter, old_segments
from streamdet.media.write.interrupted import forget_interrupted, written_before
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.part_file import Mark
from streamdet.media.write.pictures import PictureWriter
from streamdet.media.write.rtsp_client import Address
from streamdet.media.write.rtsp_publisher import RtspPublisher
from streamdet.media.write.segments import SegmentedWriter, file_segments
from streamdet.media.write.standard_output import STDOUT, StandardOutputWriter
from streamdet.media.write.writer import VideoWriter
from streamdet.result import Result
from streamdet.stages.entry import Left, OutputEntry, OutputPlan, StageContext, StageEntry
from streamdet.stages.outputs import Output, OutputLog, Target, output_stage
from streamdet.stages.picture_targets import PictureTargets, is_picture, is_picture_folder, picture_targets
from streamdet.stages.targets import files_of, is_folder

_COPIED_TO = (".mp4", ".m4v", ".mov", ".mkv")

_RTSP = re.compile(r"rtsps?://", re.IGNORECASE)


def _duration_s(value: Any) -> Any:
    """Read 90, "90s", "10m" or "1h"."""
    found = re.fullmatch(r"(\d{1,9})([smh]?)", value) if isinstance(value, str) else None
    if isinstance(value, str) and found is None:
        raise ValueError(f"expected a duration such as 90s, 10m or 1h, got {value}")
    return value if found is None else int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


Duration = Annotated[int, BeforeValidator(_duration_s), Field(ge=1)]


class EncodeSettings(EncodeOptions):
    """The annotated video, besides how it is encoded.

    Attributes:
        path: a file, a folder for several sources, an rtsp:// address to publish to, a playlist (.m3u8), or - for
            standard output; None: <stem>.annotated.mp4 here. Where all sources are stills, a folder gets pictures.
        pictures: changed copies the groups of pictures that nothing was drawn on, bit for bit, and encodes the others
            with the codec of the source, whatever `codec` says; of files with H.264 or H.265, into files.
        segment_s: a new file so often.
        window_s: how far a playlist reaches back; None: a minute of live sources, all of others.
    """

    path: str | None = Field(default=None, min_length=1)
    pictures: Literal["all", "changed"] = "all"
    segment_s: Duration | None = None
    window_s: Duration | None = None


@dataclass(frozen=True)
class EncodeState(StateSection):
    """A video file that is being written.

    Attributes:
        video: `VideoWriter.checkpoint`; `packets` and `mark` say how much of the file is there.
        written: the file that holds what was written before; None while it is not known which.
    """

    video: Mapping[str, Any]
    written: str | None = None


class VideoOutput(Protocol):
    """Where pictures go; streamdet.media.write.writer.VideoWriter is one. Both methods raise SinkError."""

    def write(self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0) -> None:
        """Add a picture: (H, W, 3) uint8 RGB, or as a source gives it."""
        ...

    def close(self) -> None:
        """Finish it; what was written is playable."""
        ...


class _Pictures:
    """An `Output` that writes the pictures of results."""

    def __init__(self, video: VideoOutput) -> None:
        self._video = video

    def write(self, item: Result | Marker) -> None:
        if not isinstance(item, Result):
            return
        frame = item.frame
        if isinstance(self._video, VideoWriter):
            self._video.write(frame.picture, frame.pts, frame.time_base, frame.duration, changed=item.redrawn)
        else:
            self._video.write(frame.picture, frame.pts, frame.time_base, frame.duration)

    def snapshot(self) -> EncodeState | None:
        state = self._video.checkpoint() if isinstance(self._video, VideoWriter) else None
        return None if state is None else EncodeState(state)

    def close(self) -> None:
        self._video.close()


def encode(open_video: Callable[[StreamStarted, Target], VideoOutput], log: OutputLog) -> Stage:
    """Write every picture; everything passes through.

    An output is finished at its stream's end, or when the run ends for whatever reason. One that fails is given up,
    and the others and the run continue.

    Args:
        open_video: opens the output of a stream.
        log: is told of each output that fails.
    """

    def open_output(started: StreamStarted | None, target: Target) -> Output:
        if started is None:
            raise ValueError("pictures came before their stream's start")
        return _Pictures(open_video(started, target))

    return output_stage("encode", open_output, log)


def open_video(settings: EncodeSettings, log: OutputLog, started: StreamStarted, target: Target) -> VideoOutput:
    """Open the file, segments, playlist, stream or connection that a target asks for.

    Raises:
        SinkError: it cannot be written.
    """
    info, path, saved = started.info, Path(target), started.saved("encode")
    start_s, end_s = info.start_s, info.end_s
    if _is_file(settings, target):
        if saved is None:
            forget_interrupted(path)
        resume = None if saved is None else {**saved.section.video, "written": saved.section.written}
        only_changed = settings.pictures == "changed"
        return VideoWriter(path, info, settings, start_s=start_s, end_s=end_s, only_changed=only_changed, resume=resume)
    if target == STDOUT:
        return StandardOutputWriter(info, settings, start_s=start_s, end_s=end_s)
    if is_picture(target) or is_picture_folder(target):
        return PictureWriter(path, info, None if is_picture(target) else log.delivery(str(target), "pictures"))
    return _open_live(settings, log, started, target)


def _open_live(settings: EncodeSettings, log: OutputLog, started: StreamStarted, target: Target) -> VideoOutput:
    """What can be watched while it is written."""
    info, path, start_s, end_s = started.info, Path(target), started.info.start_s, started.info.end_s
    delivery = log.delivery(str(target), "files" if settings.segment_s is not None else "pictures")
    if is_rtsp(target):
        return RtspPublisher(str(target), info, delivery, settings)
    if settings.segment_s is not None:
        return SegmentedWriter(path, info, settings.segment_s, delivery, settings, end_s=end_s)
    window_s = settings.window_s
    return HlsWriter(path, info, delivery, settings, start_s=start_s, end_s=end_s, window_s=window_s)


def is_rtsp(target: Target | None) -> bool:
    """Whether pictures are published rather than written."""
    return isinstance(target, str) and _RTSP.match(target) is not None


def is_playlist(target: Target | None) -> bool:
    """Whether pictures become HLS."""
    return target is not None and not is_rtsp(target) and Path(target).suffix.lower() == ".m3u8"


def _is_file(settings: EncodeSettings, target: Target) -> bool:
    return (
        settings.segment_s is None and isinstance(target, Path) and not is_playlist(target) and not is_picture(target)
    )


def plan_videos(settings: EncodeSettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    """Where the video, or the pictures, of each source go.

    Raises:
        ConfigError: the codec, its crf or preset, or the output is not available; one line for each.
    """
    mistakes = []
    targets: dict[str, Target] = {}
    pictures = PictureTargets()
    try:
        encoder_settings(settings)
    except ConfigError as error:
        mistakes.append(str(error))
    try:
        if settings.segment_s is None:
            pictures = picture_targets(settings.path, sources)
        others = [source.name for source in sources if source.name not in pictures.targets]
        targets = {**pictures.targets, **(_targets(settings, others) if others else {})}
    except ConfigError as error:
        mistakes.append(str(error))
    if settings.pictures == "changed":
        mistakes += _why_not_copied(settings, sources, targets)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    files = [target for target in targets.values() if isinstance(target, Path)]
    to_folder = files or any(map(is_picture_folder, targets.values()))
    pieces = old_segments if is_playlist(settings.path) else file_segments if settings.segment_s is not None else None
    whole = settings.segment_s is None and all(_is_file(settings, target) for target in targets.values())
    return OutputPlan(
        targets,
        folder=settings.path if to_folder and settings.path and is_folder(settings.path) else None,
        named=settings.segment_s is None,
        earlier=[min(found) for file in files if pieces and file.parent.is_dir() and (found := pieces(file))]
        + pictures.earlier[:1],
        not_resumable=None if whole else _why_not_resumable(settings, pictures),
    )


def _why_not_copied(
    settings: EncodeSettings, sources: Sequence[SourceSpec], targets: Mapping[str, Target]
) -> list[str]:
    """Mistakes of a video that is to be copied in part; what only its packets tell comes when it is opened."""
    for name, target in targets.items():
        if not _is_file(settings, target) or Path(target).suffix.lower() not in _COPIED_TO:
            shown = redact(str(target))
            return [f"--encode changed: expected one file of {' '.join(_COPIED_TO)} for {name}, got {shown}"]
    others = [source.shown for source in sources if source.kind != "file"]
    return [f"--encode changed: {others[0]} is no video file that could be copied; use --encode all"] if others else []


def _why_not_resumable(settings: EncodeSettings, pictures: PictureTargets) -> str:
    if settings.path == STDOUT:
        return "video that was read from standard output cannot be taken back; expected a file"
    if pictures.targets:
        return "pictures cannot be continued; --overwrite writes them again"
    return "segments, playlists and published video cannot be continued; expected a file such as .mp4"


def _targets(settings: EncodeSettings, names: Sequence[str]) -> dict[str, Target]:
    path = settings.path or ""
    if "://" in path and not is_rtsp(path):
        raise ConfigError(f"output {redact(path)}: expected rtsp:// or rtsps://, a file such as .mp4, or a folder")
    if (is_rtsp(path) or is_playlist(path)) and (settings.codec != "h264" or settings.segment_s is not None):
        what = f"codec {settings.codec}: expected h264" if settings.codec != "h264" else "segments: expected a file"
        raise ConfigError(f"output {redact(path)}: {what}; it takes H.264 and one stream")
    if settings.window_s is not None and not is_playlist(path):
        raise ConfigError(
            f"encode.window_s is for playlists; expected an output that ends in .m3u8, got {redact(path)}"
        )
    if is_rtsp(path):
        return _addresses(path, names)
    if is_playlist(path):
        playlist = Path(path)
        return {name: playlist if len(names) == 1 else _with_name(playlist, name) for name in names}
    if path == STDOUT:
        if len(names) > 1 or settings.segment_s is not None:
            what = "segments" if settings.segment_s is not None else f"{len(names)} sources"
            raise ConfigError(f"video to standard output: expected one source in one piece, got {what}; name a folder")
        return dict.fromkeys(names, STDOUT)
    videos = files_of(settings.path, names, ".annotated.mp4")
    for video in videos.values():
        output_format(video, settings.codec)
    return {**videos}


def _addresses(url: str, names: Sequence[str]) -> dict[str, Target]:
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
    return playlist.with_name(f"{playlist.stem}-{name.replace('/', '-')}{playlist.suffix}")


def _surviving(sections: Sequence[EncodeState], target: Path, left: Left) -> list[EncodeState | None]:
    if not sections:
        return []
    marks = [Mark(**section.video["mark"]) for section in sections]
    written, packets = written_before(target, marks, whole=left.whole, published=left.published)
    there = [section.video["packets"] <= packets for section in sections]
    return [
        replace(section, written=str(written)) if is_there else None
        for section, is_there in zip(sections, there, strict=True)
    ]


def _build(settings: EncodeSettings, context: StageContext) -> Stage:
    return encode(lambda started, target: open_video(settings, context.log, started, target), context.log)


STAGE = StageEntry(
    "encode",
    _build,
    settings=EncodeSettings,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids", "drawing", "anonymity"}),
    state=EncodeState,
    copies_video=lambda settings: settings.pictures == "changed",
    output=OutputEntry("video", plan_videos, _surviving),
)
