"""streamdet finds objects in video streams with a memory.

    import streamdet

    detector = streamdet.load("street")
    for result in streamdet.stream("street.mp4", detector):
        print(result.pts_s, result.detections.class_names)

Names are loaded when they are first used: torch only for what needs it.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamdet.errors import (
    CheckpointError,
    ConfigError,
    DecodeError,
    ModelError,
    PipelineError,
    SinkError,
    SourceError,
    SourceOpenError,
    SourceTimeout,
    StageError,
    StreamdetError,
)
from streamdet.version import __version__

if TYPE_CHECKING:
    from streamdet.detections import Detections
    from streamdet.drawing.pictures import view
    from streamdet.explanation.explain import explain
    from streamdet.frames import Frame
    from streamdet.jobs.read import read
    from streamdet.jobs.stream import stream
    from streamdet.media.read.probe import probe
    from streamdet.models.contract import Detector
    from streamdet.result import Result
    from streamdet.runtimes.loading import load

# OpenCV reads it once, when it is loaded: without it, a picture of a hundred bytes may claim a billion pixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**26))

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DecodeError",
    "Detections",
    "Detector",
    "Frame",
    "ModelError",
    "PipelineError",
    "Result",
    "SinkError",
    "SourceError",
    "SourceOpenError",
    "SourceTimeout",
    "StageError",
    "StreamdetError",
    "__version__",
    "explain",
    "load",
    "probe",
    "read",
    "stream",
    "view",
]

_HEAVY = {
    "Detections": "streamdet.detections",
    "Detector": "streamdet.models.contract",
    "Frame": "streamdet.frames",
    "Result": "streamdet.result",
    "explain": "streamdet.explanation.explain",
    "load": "streamdet.runtimes.loading",
    "probe": "streamdet.media.read.probe",
    "read": "streamdet.jobs.read",
    "stream": "streamdet.jobs.stream",
    "view": "streamdet.drawing.pictures",
}


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module 'streamdet' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HEAVY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
