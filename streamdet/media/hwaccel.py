"""Decoding by a graphics processor, where PyAV and the machine have one.

FFmpeg gives what it decoded there back to the processor's memory as NV12 or P010; what it cannot decode there it
decodes in software.
"""

import logging
from functools import cache, lru_cache

import av
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from streamdet.errors import ConfigError
from streamdet.media.locations import SourceSpec

_log = logging.getLogger(__name__)

FROM_A_DEVICE = {"nv12": "yuv420p", "p010le": "yuv420p10le"}
"""What a device gives, and the same with a plane for each component."""
_CODECS = ("h264", "hevc", "av1")


def kinds() -> list[str]:
    """Kinds of devices that decoders of this PyAV know, such as cuda."""
    found = {
        config.device_type.name: None
        for name in _CODECS
        for config in av.Codec(name, "r").hardware_configs or ()
        if config.is_supported
    }
    return list(found)


def choose_device(wanted: str) -> str | None:
    """The kind of device that decodes; None for software, and where that was not the wish, a warning says why.

    Args:
        wanted: none; auto, the first that there is; or a kind.

    Raises:
        ConfigError: for a kind that this PyAV does not know.
    """
    if wanted == "none":
        return None
    known = kinds()
    if wanted not in ("auto", *known):
        raise ConfigError(f"decode.hwaccel: expected none, auto{''.join(f', {kind}' for kind in known)}, got {wanted}")
    problems = {kind: why_not(kind) for kind in (known if wanted == "auto" else (wanted,))}
    for kind, problem in problems.items():
        if problem is None:
            return kind
    why = "; ".join(f"{kind} has {problem}" for kind, problem in problems.items()) or "this PyAV has no decoder for any"
    _log.warning("no device decodes video here (%s): software does", why)
    return None


def accelerator(kind: str | None) -> HWAccel | None:
    """What `av.open` wants for a kind of device that `choose_device` gave."""
    return None if kind is None else HWAccel(kind)


def tell(spec: SourceSpec, decoder: VideoCodecContext, frame: VideoFrame) -> None:
    """Say of a source, from a frame, whether the device that was to decode it did; once, however often it is called."""
    if spec.hwaccel is None:
        return
    if decoder.is_hwaccel and frame.format.name in FROM_A_DEVICE:
        _say(logging.DEBUG, f"{spec.shown}: decoded by {spec.hwaccel}")
    else:
        what = f"{decoder.codec.name} {frame.format.name} of {frame.width}x{frame.height} pixels"
        _say(logging.WARNING, f"{spec.shown}: decoded in software: {what} is nothing that {spec.hwaccel} decodes here")


@lru_cache(maxsize=1000)  # a camera that is connected to again and again
def _say(level: int, text: str) -> None:
    _log.log(level, "%s", text)


@cache
def why_not(kind: str) -> str | None:
    """Why no device of a kind can be opened; None where one can."""
    for name in _CODECS:
        codec = av.Codec(name, "r")
        if not any(config.device_type.name == kind for config in codec.hardware_configs or ()):
            continue
        try:
            HWAccel(kind).create(codec)
        except av.FFmpegError as error:
            return f"no driver, or no device ({error.strerror})"
        return None
    return "no decoder"
