"""overlay: copies each file's video bit for bit, with boxes, labels and tracks as subtitles that a player can hide."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import Field

from streamdet.drawing.annotators import StreamAnnotator
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.script import ScriptCanvas, header
from streamdet.errors import ConfigError
from streamdet.flow import Stage
from streamdet.frames import Marker, StateSection, StreamEnded, StreamGap, StreamStarted
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.write.part_file import Mark
from streamdet.result import Result
from streamdet.sinks.overlay_file import (
    CUES,
    Moment,
    OverlayFile,
    check_overlay,
    sidecars_of,
    text_of,
)
from streamdet.stages.entry import Left, OutputEntry, OutputPlan, StageEntry
from streamdet.stages.outputs import Output, OutputLog, Target, output_stage
from streamdet.stages.targets import files_of, is_folder


class OverlaySettings(AnnotateOptions):
    """What is shown over the copied video, as in annotate; and where.

    Attributes:
        path: .mkv, which holds the subtitles; .mp4, .m4v or .mov, with an .ass and a .vtt file beside it; .ass or .vtt
            alone; or a folder for several sources. None: <stem>.annotated.mkv here.
        audio: "copy" all tracks of the source or "drop" them.
    """

    path: str | None = Field(default=None, min_length=1)
    audio: Literal["copy", "drop"] = "copy"


@dataclass(frozen=True)
class OverlayState(StateSection):
    """An overlay that is being written.

    Attributes:
        file: `OverlayFile.checkpoint`.
        paths: `StreamAnnotator.state_dict`.
    """

    file: Mapping[str, Any]
    paths: Mapping[str, NDArray[Any]]


class _Overlay:
    """An `Output` that draws in words."""

    def __init__(self, settings: OverlaySettings, started: StreamStarted, target: Path) -> None:
        info, saved = started.info, started.saved("overlay")
        self._size = info.width, info.height
        self._file = OverlayFile(
            target,
            info,
            header(*self._size),
            audio=settings.audio == "copy",
            saved=None if saved is None else saved.section.file,
        )
        self._annotator = StreamAnnotator(settings)
        if saved is not None:
            self._annotator.load_state_dict(saved.section.paths)
        self._has_cues = CUES in (target.suffix.lower(), *(path.suffix for path in sidecars_of(target)))
        self._complete = False

    def write(self, item: Result | Marker) -> None:
        if isinstance(item, Result):
            frame = item.frame
            found = item.detections.finite()
            canvas = ScriptCanvas(*self._size)
            self._annotator.draw(canvas, found, item.pts_s, item.zones, item.clip_class)
            events = [f"{drawn.layer},{drawn.style},{drawn.text}" for drawn in canvas.drawn]
            cue = _cue(item) if self._has_cues and len(found) else None
            self._file.frame(Moment(frame.pts, frame.duration, frame.time_base), events, cue)
        elif isinstance(item, StreamGap):
            self._file.gap()
            self._annotator.reset()
        elif isinstance(item, StreamEnded):
            self._complete = item.error is None

    def snapshot(self) -> OverlayState | None:
        state = self._file.checkpoint()
        return None if state is None else OverlayState(state, self._annotator.state_dict())

    def close(self) -> None:
        self._file.close(complete=self._complete)


def _cue(result: Result) -> str:
    """What a page needs to draw it; the arrow of WebVTT must not stand in it."""
    cue = {"width": result.width, "height": result.height, "detections": result.to_dict()["detections"]}
    return json.dumps(cue, ensure_ascii=False, separators=(",", ":")).replace(">", "\\u003e")


def overlay(settings: OverlaySettings, log: OutputLog) -> Stage:
    """Write what every frame shows; everything passes through.

    Args:
        settings: what is shown; each stream's file is its target.
        log: is told of each output that fails.
    """

    def open_output(started: StreamStarted | None, target: Target) -> Output:
        if started is None:
            raise ValueError("frames came before their stream's start")
        return _Overlay(settings, started, Path(target))

    return output_stage("overlay", open_output, log)


def plan_overlays(settings: OverlaySettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    """Where the overlay of each source goes.

    Raises:
        ConfigError: the path cannot be one, a source has no video that could be copied, or something is to be hidden,
            which needs other pictures.
    """
    path = settings.path
    if settings.hide:
        raise ConfigError("overlay.hide: the video is copied, so nothing in it can be hidden; use --annotate draw")
    if path == "-" or (path is not None and "://" in path):
        raise ConfigError(f"overlay {redact(path)}: expected a file such as .mkv, or a folder")
    files = files_of(path, [source.name for source in sources], ".annotated.mkv")
    for source in sources:
        check_overlay(files[source.name], source)
    beside = [each for file in files.values() for each in sidecars_of(file) if each.exists()]
    return OutputPlan(files, folder=path if path is not None and is_folder(path) else None, earlier=beside)


def _surviving(sections: Sequence[OverlayState], target: Path, left: Left) -> list[OverlayState | None]:
    path = text_of(target)
    marks = [Mark(section.file["length"], section.file["tail_sha256"]) for section in sections]
    return [section if mark.fits(path) else None for section, mark in zip(sections, marks, strict=True)]


STAGE = StageEntry(
    "overlay",
    lambda settings, context: overlay(settings, context.log),
    settings=OverlaySettings,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids", "zones", "clip_class"}),
    state=OverlayState,
    output=OutputEntry("video", plan_overlays, _surviving),
    copies_video=lambda settings: True,
    shows_pictures=False,
)
