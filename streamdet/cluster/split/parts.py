"""Parts of one video, each done by a process of its own: first what is seen in it, then its pictures."""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamdet.cluster.work import detector_of
from streamdet.drawing.annotators import StreamAnnotator
from streamdet.errors import PipelineError
from streamdet.frames import Frame
from streamdet.jobs.outputs import SourceOutput
from streamdet.jobs.plan import SourceJob
from streamdet.jobs.session import run_source
from streamdet.media.read.source import open_source
from streamdet.media.write.writer import VideoWriter
from streamdet.sinks.read_jsonl import read_lines, result_of, skeleton_in
from streamdet.stages.decode import DecodeSettings

WARM_UP_FRAMES = 128


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a video.

    Attributes:
        number: its place.
        warm_s, start_s, end_s: where it starts to be looked at, to count, and where it ends; seconds.
    """

    number: int
    warm_s: float
    start_s: float
    end_s: float | None


def parts_of(start_s: float, end_s: float, length_s: float, frame_s: float) -> list[Part]:
    """Cut a video.

    Args:
        start_s, end_s: what is read of it, seconds.
        length_s: of a part; the last one may be up to half as long again.
        frame_s: how long a frame lasts.
    """
    count = max(1, round((end_s - start_s) / length_s))
    cuts = [start_s + number * length_s for number in range(count)]
    ends: list[float | None] = [*cuts[1:], None]
    warm_s = WARM_UP_FRAMES * frame_s
    return [
        Part(number, cut if number == 0 else max(start_s, cut - warm_s), cut, end)
        for number, (cut, end) in enumerate(zip(cuts, ends, strict=True))
    ]


def look(job: SourceJob, part: Part, folder: str) -> dict[str, Any]:
    """Write the detections of a part, its warm-up included; returns the path of the file and counts.

    Args:
        job: of the whole video, with detections as JSON Lines among its stages.
        part: of it.
        folder: where parts are.

    Raises:
        PipelineError: it failed.
    """
    path = Path(folder, f"{part.number:06}.jsonl")
    mine = Path(folder, f"{part.number:06}.{secrets.token_hex(4)}.jsonl")
    config = job.config
    decode = config.settings(DecodeSettings)
    stages = tuple(stage for stage in config.stages if stage not in ("annotate", "encode"))
    end_s = decode.end_s if part.end_s is None else part.end_s
    changes = {
        "stages": stages if "record" in stages else (*stages, "record"),
        "decode": decode.model_copy(update={"start_s": part.warm_s, "end_s": end_s}),
        "record": config.settings_of("record").model_copy(update={"path": str(mine), "format": "jsonl"}),
        "resume": False,
        "overwrite": True,
    }
    outputs = (SourceOutput("record", "detections", mine),)
    piece = replace(job, config=config.model_copy(update=changes), outputs=outputs, folders=(), not_resumable="a part")
    outcome = run_source(piece, detector_of(piece.config))
    if outcome.failures:
        raise PipelineError(outcome.failures[0].message)
    os.replace(mine, path)
    return {"path": str(path), "frames": outcome.tally.frames, "wall_s": outcome.stats.wall_s}


def draw(job: SourceJob, part: Part, lines: str, folder: str) -> str:
    """Draw the detections into the pictures of a part and encode these without audio; returns the path of the file.

    Args:
        job: of the whole video.
        part: of it.
        lines: the detections of the whole video.
        folder: where parts are.

    Raises:
        SourceError: the video cannot be read.
        SinkError: the part cannot be written.
    """
    path, mine = (Path(folder, f"{part.number:06}{end}.mp4") for end in ("", f".{secrets.token_hex(4)}"))
    config = job.config
    end_s = config.settings(DecodeSettings).end_s if part.end_s is None else part.end_s
    options = config.settings_of("encode").model_copy(update={"audio": "drop"})
    annotator = StreamAnnotator(config.settings_of("annotate"))
    found = _Found(Path(lines))
    with open_source(job.spec, start_s=part.warm_s, end_s=end_s) as opened:
        writer = VideoWriter(mine, opened.info, options, start_s=part.start_s, end_s=part.end_s)
        try:
            for frame in opened:
                if not isinstance(frame, Frame):
                    continue
                result = found.of(frame)
                picture = frame.picture
                if result is not None:
                    picture = annotator.annotate(picture, result.detections, result.pts_s)
                if frame.pts_s >= part.start_s:
                    writer.write(picture, frame.pts, frame.time_base, frame.duration)
        finally:
            writer.close()
    os.replace(mine, path)
    return str(path)


class _Found:
    """Detections by frame, read as they are wanted."""

    def __init__(self, path: Path) -> None:
        self._lines = (line for _, line in read_lines(path))
        run = next(self._lines)
        self._classes, self._skeleton = tuple(run["classes"]), skeleton_in(run)
        self._line: dict[str, Any] | None = self._next()

    def of(self, frame: Any) -> Any:
        """The result of a frame; None where nothing is written of it. Frames come in order."""
        while self._line is not None and self._line["frame"] < frame.index:
            self._line = self._next()
        if self._line is None or self._line["frame"] != frame.index:
            return None
        return result_of(self._line, self._classes, frame.picture, self._skeleton)

    def _next(self) -> dict[str, Any] | None:
        return next((line for line in self._lines if line["type"] == "frame"), None)


def frame_lines(path: str) -> Iterator[dict[str, Any]]:
    """Lines of frames of a file."""
    return (line for _, line in read_lines(path) if line["type"] == "frame")


def other_lines(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first line and the last one, of the run and of the end."""
    lines = [line for _, line in read_lines(path) if line["type"] in ("run", "end")]
    return lines[0], lines[-1]


def json_line(line: dict[str, Any]) -> str:
    """A line as `record` writes it."""
    return json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
