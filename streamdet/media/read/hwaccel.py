"""Decoding by a graphics processor, where PyAV and the machine have one.

FFmpeg gives what it decoded there back to the processor's memory, mostly as NV12 or P010; what it cannot decode there
it decodes in software.
"""

import logging
from functools import lru_cache

import av
from av.codec.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from streamdet.errors import ConfigError
from streamdet.media.locations import SourceSpec

_log = logging.getLogger(__name__)

FROM_A_DEVICE = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p012le": "yuv420p12le", "p016le": "yuv420p12le"}
"""What a device gives of 4:2:0, and the same with a plane for each component; P016 is how it gives 12 bits."""
_CODECS = ("h264", "hevc", "av1")


def kinds() -> list[str]:
    """Kinds of devices that decoders of this PyAV know, such as cuda, in its order."""
    codecs = [av.Codec(name, "r") for name in _CODECS]
    return [kind for kind in hwdevices_available() if any(_format_on(kind, codec) for codec in codecs)]


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
    _log.warning("no device can decode video here (%s); decoding in software", why)
    return None


def accelerator(kind: str | None) -> HWAccel | None:
    """What `av.open` wants for a kind of device that `choose_device` gave."""
    return None if kind is None else HWAccel(kind)


def tell_lost(shown: str, kind: str, problem: str) -> None:
    """Say of a source that the device which `choose_device` gave cannot be opened any more: its memory may be full."""
    _say(logging.WARNING, f"{shown}: decoded in software: {kind} has {problem}")


def tell(spec: SourceSpec, decoder: VideoCodecContext, frame: VideoFrame) -> None:
    """Say of a source, from a frame, whether the device that was to decode it did; once, however often it is called."""
    if spec.hwaccel is None:
        return
    if _by_device(spec.hwaccel, decoder):
        _say(logging.DEBUG, f"{spec.shown}: decoded by {spec.hwaccel}")
    elif decoder.is_hwaccel or _format_on(spec.hwaccel, decoder.codec) is None:
        what = f"{decoder.codec.name} {frame.format.name} of {frame.width}x{frame.height} pixels"
        _say(logging.WARNING, f"{spec.shown}: decoded in software: {what} is nothing that {spec.hwaccel} decodes here")
    # Else the device could not be opened for it, which `tell_lost` said.


def tell_failure(spec: SourceSpec, decoder: VideoCodecContext, error: av.FFmpegError) -> None:
    """Say once of a source that it is the device that fails, and not the packets that are broken."""
    # Packets are parsed in software. A device that gives up between two pictures leaves FFmpeg no way back to that.
    if spec.hwaccel and _by_device(spec.hwaccel, decoder) and not isinstance(error, av.error.InvalidDataError):
        what = f"{spec.hwaccel} fails to decode some of it ({error.strerror})"
        _say(logging.WARNING, f"{spec.shown}: {what}; with decode.hwaccel none, software decodes it")


@lru_cache(maxsize=1000)  # a camera that is connected to again and again
def _say(level: int, text: str) -> None:
    _log.log(level, "%s", text)


def _by_device(kind: str, decoder: VideoCodecContext) -> bool:
    """True if a decoder that has started gives pictures of a device: its format is that of the memory there.

    What they are downloaded as does not tell: 4:4:4 has the same format in software.
    """
    return decoder.is_hwaccel and decoder.pix_fmt == _format_on(kind, decoder.codec)


def _format_on(kind: str, codec: Codec) -> str | None:
    """The pixel format that a decoder has on a kind of device; None where it does not decode there."""
    for config in codec.hardware_configs or ():
        if config.is_supported and config.device_type.name == kind and config.format is not None:
            return config.format.name
    return None


def why_not(kind: str) -> str | None:
    """Why no device of a kind can be opened; None where one can."""
    for name in _CODECS:
        codec = av.Codec(name, "r")
        if _format_on(kind, codec) is None:
            continue
        try:
            HWAccel(kind).create(codec)
        except av.FFmpegError as error:
            return f"no driver, or no device that can be opened ({error.strerror})"
        return None
    return "no decoder"
