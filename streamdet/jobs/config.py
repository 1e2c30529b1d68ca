"""What a job is: sources, stages in their order, and each stage's settings.

A section is named as its stage; pipelines/*.yaml hold such jobs, which `streamdet.yaml_file.load_yaml` reads.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic import field_validator as check

from streamdet.media.write.options import EncodeOptions
from streamdet.models.options import DetectOptions, Precision, Runtime
from streamdet.yaml_file import Section

StageName = Literal["decode", "batch", "detect", "track", "annotate", "encode", "record"]

_MIN_SIDE, _MAX_SIDE = 64, 4096


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise ValueError(f"expected auto, cpu, cuda or cuda:N, got {value}")
    return value


def _image_size(value: Any) -> int | tuple[int, int] | None:
    """Read N, [H, W], "N" or "HxW"."""
    if value is None:
        return None
    sides = value
    if isinstance(value, str):
        sides = [int(side) if side.isascii() and side.isdigit() else side for side in value.lower().split("x")]
    elif not isinstance(value, list):
        sides = [value]
    if len(sides) not in (1, 2) or any(type(side) is not int for side in sides):
        raise ValueError(f"expected N or HxW in pixels, such as 320 or 192x320, got {json.dumps(value)}")
    for side in sides:
        if not _MIN_SIDE <= side <= _MAX_SIDE:
            raise ValueError(f"expected {_MIN_SIDE} to {_MAX_SIDE} pixels, got {side}")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _seconds(value: Any) -> Any:
    """Read 90, "90", "1:30" or "00:01:30.5"."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)", value, re.ASCII)
    if found is None:
        raise ValueError(f"expected seconds or hours:minutes:seconds, such as 90, 1:30 or 00:01:30, got {value}")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


class DecodeConfig(Section):
    """Which part of every source is read, and how live ones are.

    Live sources are cameras and streams from a network; files take no notice of mode freshest and what follows it, but
    hwaccel: none, auto, or a kind of device that decodes, see media.hwaccel.
    """

    start_s: Annotated[float, BeforeValidator(_seconds)] = Field(default=0.0, ge=0, allow_inf_nan=False)
    end_s: Annotated[float | None, BeforeValidator(_seconds)] = Field(default=None, gt=0, allow_inf_nan=False)
    max_frames: int | None = Field(default=None, ge=1)
    stride: int = Field(default=1, ge=1)
    mode: Literal["auto", "every-frame", "freshest"] = "auto"
    max_staleness_s: float | None = Field(default=0.5, gt=0, allow_inf_nan=False)
    hwaccel: str = "none"
    track_index: int | None = Field(default=None, ge=0)
    transport: Literal["tcp", "udp"] = "tcp"
    wait_for_keyframe: bool = False
    timeout_s: float = Field(default=5.0, gt=0, le=3600)
    stale_after_s: float = Field(default=3.0, gt=0, le=3600)

    @check("end_s")
    @classmethod
    def _after_start(cls, end_s: float | None, info: ValidationInfo) -> float | None:
        start_s = info.data.get("start_s", 0.0)
        if end_s is not None and end_s <= start_s:
            raise ValueError(f"expected an end after the start at {start_s:g} s, got {end_s:g}")
        return end_s


class BatchConfig(Section):
    """How many frames the detector takes at once: consecutive ones of a stream, or one each of streams side by side.

    With live sources it is one each, the newest ones; frames_per_clip is for files.

    Attributes:
        frames_per_clip: None: 8, or 1 where streams are side by side.
        max_streams: None: 1, or 16 with live sources.
        deadline_s: how long the first live frame waits for those of other streams.
    """

    frames_per_clip: int | None = Field(default=None, ge=1, le=64)
    max_streams: int | None = Field(default=None, ge=1, le=64)
    deadline_s: float = Field(default=0.005, ge=0, le=10)

    @check("max_streams")
    @classmethod
    def _one_way_at_a_time(cls, max_streams: int | None, info: ValidationInfo) -> int | None:
        # A cut to another scene splits a clip, which only one stream at a time can be.
        if (max_streams or 1) > 1 and (info.data.get("frames_per_clip") or 1) > 1:
            raise ValueError(f"expected 1, or frames_per_clip 1 beside it, got {max_streams}")
        return max_streams


class DetectConfig(DetectOptions):
    """Which detector runs and where, besides which boxes it keeps."""

    model: str = Field(default="street", min_length=1)
    image_size: Annotated[Any, AfterValidator(_image_size)] = None
    device: Annotated[str, AfterValidator(_device)] = "auto"
    runtime: Runtime = "auto"
    precision: Precision = "auto"
    memory: Literal["carry", "reset"] = "carry"


def _duration_s(value: Any) -> Any:
    """Read 90, "90s", "10m" or "1h"."""
    found = re.fullmatch(r"(\d{1,9})([smh]?)", value) if isinstance(value, str) else None
    if isinstance(value, str) and found is None:
        raise ValueError(f"expected a length of time such as 90s, 10m or 1h, got {value}")
    return value if found is None else int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


Duration = Annotated[int, BeforeValidator(_duration_s), Field(ge=1)]


class EncodeConfig(EncodeOptions):
    """The annotated video.

    Attributes:
        path: a file, a folder for several sources, an rtsp:// address to publish to, or a playlist (.m3u8); None:
            <stem>.annotated.mp4 here.
        segment_s: a new file so often.
        window_s: how far a playlist reaches back; None: a minute of live sources, all of others.
    """

    path: str | None = Field(default=None, min_length=1)
    segment_s: Duration | None = None
    window_s: Duration | None = None


class RecordConfig(Section):
    """The detections. path: a file, a folder for several sources, - for standard output, or where they are sent to:
    mqtt://host/topic, or the http(s):// address of a webhook.

    format None: by the ending of path, .jsonl, .txt (MOTChallenge) or .json (COCO results); jsonl where it has none.
    """

    path: str | None = Field(default=None, min_length=1)
    format: Literal["jsonl", "mot", "coco"] | None = None


class PipelineConfig(Section):
    """A complete job, as a file of pipelines/ holds it.

    Attributes:
        state_in, state_out: files of the memory that a source begins with, and of what it is at its end.
        resume: go on with the same job where it was interrupted; begin at the beginning where it has not begun.
    """

    sources: tuple[str, ...] = ()
    stages: tuple[StageName, ...] = ("decode", "batch", "detect", "track", "annotate", "encode")
    decode: DecodeConfig = DecodeConfig()
    batch: BatchConfig = BatchConfig()
    detect: DetectConfig = DetectConfig()
    encode: EncodeConfig = EncodeConfig()
    record: RecordConfig = RecordConfig()
    report: str | None = Field(default=None, min_length=1)
    state_in: str | None = Field(default=None, min_length=1)
    state_out: str | None = Field(default=None, min_length=1)
    overwrite: bool = False
    resume: bool = False

    @check("resume")
    @classmethod
    def _or_overwrite(cls, resume: bool, info: ValidationInfo) -> bool:
        if resume and info.data.get("overwrite"):
            raise ValueError("expected resume or overwrite, not both")
        return resume

    @check("stages")
    @classmethod
    def _in_order(cls, stages: tuple[StageName, ...]) -> tuple[StageName, ...]:
        got = f"got {', '.join(stages) or 'none'}"
        if stages[:3] != ("decode", "batch", "detect") or len(set(stages)) != len(stages):
            raise ValueError(f"expected decode, batch, detect and then each of the others at most once, {got}")
        for first, later in (("track", "annotate"), ("track", "encode"), ("track", "record"), ("annotate", "encode")):
            if first in stages and later in stages and stages.index(first) > stages.index(later):
                raise ValueError(f"expected {first} before {later}, {got}")
        return stages
