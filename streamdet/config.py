"""What a job is: sources, stages in their order, and each stage's settings.

A section is named as its stage; pipelines/*.yaml hold such jobs. `load_yaml` reads these and every other YAML file.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic import field_validator as check

from streamdet.yaml_file import Override, Section, load_yaml, parse_override

__all__ = [
    "BatchConfig",
    "DecodeConfig",
    "DetectConfig",
    "EncodeConfig",
    "Override",
    "PipelineConfig",
    "RecordConfig",
    "Section",
    "StageName",
    "load_yaml",
    "parse_override",
]

StageName = Literal["decode", "batch", "detect", "track", "annotate", "encode", "record"]

_PRESETS_X26X = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
_PRESETS = {"h264": _PRESETS_X26X, "hevc": _PRESETS_X26X, "av1": tuple(str(n) for n in range(14))}
_MAX_CRF = {"h264": 51, "hevc": 51, "av1": 63}
_STRIDE, _MIN_SIDE, _MAX_SIDE = 32, 64, 2048  # the detectors' coarsest stride: a side is a multiple of it


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _available(*names: str) -> Callable[[str], str]:
    """Refuse, by name, what the interface knows and this version cannot do."""

    def validate(value: str) -> str:
        if value not in names:
            raise ValueError(f"{value} is not available in this version; expected {_or(names)}")
        return value

    return validate


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
        if side % _STRIDE or not _MIN_SIDE <= side <= _MAX_SIDE:
            nearest = min(max(round(side / _STRIDE) * _STRIDE, _MIN_SIDE), _MAX_SIDE)
            raise ValueError(
                f"expected multiples of {_STRIDE} from {_MIN_SIDE} to {_MAX_SIDE}, got {side}; nearest: {nearest}"
            )
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _number_as_text(value: Any) -> Any:
    """SVT-AV1 numbers its presets: YAML reads an integer."""
    return str(value) if type(value) is int else value


class DecodeConfig(Section):
    """Which part of every source is read."""

    start_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    end_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_frames: int | None = Field(default=None, ge=1)
    stride: int = Field(default=1, ge=1)
    mode: Annotated[Literal["auto", "every-frame", "freshest"], AfterValidator(_available("auto", "every-frame"))] = (
        "auto"
    )

    @check("end_s")
    @classmethod
    def _after_start(cls, end_s: float | None, info: ValidationInfo) -> float | None:
        start_s = info.data.get("start_s", 0.0)
        if end_s is not None and end_s <= start_s:
            raise ValueError(f"expected an end after the start at {start_s:g} s, got {end_s:g}")
        return end_s


class BatchConfig(Section):
    """How many frames the detector takes at once: consecutive ones of a stream, and streams read side by side."""

    frames_per_clip: int = Field(default=8, ge=1, le=64)
    max_streams: int = Field(default=1, ge=1, le=64)


class DetectConfig(Section):
    """Which detector runs, where, and which boxes it keeps."""

    model: str = Field(default="street", min_length=1)
    conf: float = Field(default=0.25, ge=0, le=1)
    iou: float = Field(default=0.6, ge=0, le=1)
    max_detections: int = Field(default=300, ge=1, le=10_000)
    classes: tuple[str, ...] | None = Field(default=None, min_length=1)
    image_size: Annotated[Any, AfterValidator(_image_size)] = None
    device: Annotated[str, AfterValidator(_device)] = "auto"
    runtime: Annotated[
        Literal["auto", "torch", "openvino", "onnxruntime"], AfterValidator(_available("auto", "torch"))
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16", "int8"], AfterValidator(_available("auto", "fp32", "bf16", "fp16"))
    ] = "auto"
    memory: Literal["carry", "reset"] = "carry"


class EncodeConfig(Section):
    """The annotated video. path: a file, or a folder for several sources; None: <stem>.annotated.mp4 here."""

    path: str | None = Field(default=None, min_length=1)
    codec: Literal["h264", "hevc", "av1"] = "h264"
    crf: int | None = Field(default=None, ge=0)
    preset: Annotated[str | None, BeforeValidator(_number_as_text)] = None
    audio: Literal["copy", "drop"] = "copy"

    @check("crf", "preset")
    @classmethod
    def _fits_codec(cls, value: int | str | None, info: ValidationInfo) -> int | str | None:
        codec = info.data.get("codec")
        if codec is None or value is None:  # the codec's own mistake is reported already
            return value
        if isinstance(value, int) and value > _MAX_CRF[codec]:
            raise ValueError(f"expected 0 to {_MAX_CRF[codec]} for {codec}, got {value}")
        if isinstance(value, str) and value not in _PRESETS[codec]:
            raise ValueError(f"expected one of {codec}'s ({', '.join(_PRESETS[codec])}), got {value}")
        return value


class RecordConfig(Section):
    """The detections as a file. path: a file, a folder for several sources, or - for standard output.

    format None: by the ending of path, .jsonl, .txt (MOTChallenge) or .json (COCO results); jsonl where it has none.
    """

    path: str | None = Field(default=None, min_length=1)
    format: Literal["jsonl", "mot", "coco"] | None = None


class PipelineConfig(Section):
    """A complete job, as a file of pipelines/ holds it."""

    sources: tuple[str, ...] = ()
    stages: tuple[StageName, ...] = ("decode", "batch", "detect", "track", "annotate", "encode")
    decode: DecodeConfig = DecodeConfig()
    batch: BatchConfig = BatchConfig()
    detect: DetectConfig = DetectConfig()
    encode: EncodeConfig = EncodeConfig()
    record: RecordConfig = RecordConfig()
    report: str | None = Field(default=None, min_length=1)
    overwrite: bool = False

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
