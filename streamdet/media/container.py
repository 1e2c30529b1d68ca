"""Opening what FFmpeg reads, with one clear line for each way in which that fails."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from streamdet.errors import SourceOpenError, SourceTimeout
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.read.hwaccel import accelerator, tell_lost, why_not

# Packet is generic for type checkers only.
VideoPacket: TypeAlias = "Packet[VideoStream]"
VideoPackets: TypeAlias = Iterator[VideoPacket]
AnyStream = TypeVar("AnyStream", bound=Stream)

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 5.0
# A file may lie on a slow disk; but a few forged bytes in its index can keep FFmpeg busy for hours.
FILE_TIMEOUT_S = 60.0

# 8K. A file of eight kilobytes can claim 225 million pixels, of which FFmpeg would hold 16 pictures and more.
MAX_PIXELS = 2**25
# FFmpeg hands it to the decoders that it opens to look into a file, too.
PIXEL_LIMIT = {"max_pixels": str(MAX_PIXELS)}

# Of a stream that it saw too little of, FFmpeg takes the time base for the rate: 90000 frames a second.
_FASTEST_GUESS = 240

_CAPTURE_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


def open_container(spec: SourceSpec) -> InputContainer:
    """Open a file, URL or camera for reading.

    Raises:
        SourceOpenError: it is missing, empty, refused or not a video.
        SourceTimeout: a server did not answer in time.
    """
    if spec.kind == "file":
        _check_file(spec)
    try:
        return _open(spec)
    except (av.error.TimeoutError, av.error.ExitError) as error:
        timeout_s = FILE_TIMEOUT_S if spec.kind == "file" else OPEN_TIMEOUT_S
        raise SourceTimeout(f"{spec.shown}: no answer within {timeout_s:g} s") from error
    except av.error.InvalidDataError as error:
        raise SourceOpenError(f"{spec.shown}: {_why_unreadable(spec)}") from error
    except (av.FFmpegError, ValueError) as error:
        raise SourceOpenError(f"{spec.shown}: cannot be opened: {reason(error)}") from error


def open_file(path: Path, hwaccel: str | None = None) -> InputContainer:
    """Open a file of unknown origin.

    Args:
        path: the file.
        hwaccel: kind of device that decodes it, see hwaccel.choose_device.

    Raises:
        av.FFmpegError, ValueError: it cannot be opened.
    """
    timeout = (FILE_TIMEOUT_S, FILE_TIMEOUT_S)
    # A path that starts with / is never taken for a protocol, as "a:b.mp4" would be.
    return _opened(str(path.absolute()), hwaccel, redact(str(path)), options=PIXEL_LIMIT, timeout=timeout)


def open_stream(spec: SourceSpec, options: dict[str, str], timeout_s: tuple[float, float]) -> InputContainer:
    """Open a URL or a camera.

    Args:
        options: FFmpeg's, of the format and the protocol.
        timeout_s: for opening, and for each read.

    Raises:
        av.FFmpegError, ValueError: it cannot be opened.
    """
    options = PIXEL_LIMIT | options
    if spec.kind == "network":
        return _opened(spec.location, spec.hwaccel, spec.shown, options=options, timeout=timeout_s)
    capture = _CAPTURE_FORMATS.get(sys.platform, "")
    try:
        av.ContainerFormat(capture, "r")
    except ValueError:
        raise ValueError(f"this build of FFmpeg has no {capture or 'camera'} input") from None
    device = f"/dev/video{spec.location}" if capture == "v4l2" else spec.location
    if capture == "v4l2" and not Path(device).exists():
        raise ValueError(f"there is no {device}")
    return _opened(device, spec.hwaccel, spec.shown, format=capture, options=options, timeout=timeout_s)


def demux(container: InputContainer, *streams: AnyStream) -> Iterator["Packet[AnyStream]"]:
    """Read packets of some streams, as `container.demux` does.

    Raises:
        av.FFmpegError: reading fails.
    """
    packets: Iterator[Any] = container.demux(*streams)
    # Streams may appear while a file is read. At its end PyAV 18 asks for those, too, and does not know them.
    with suppress(IndexError):
        yield from packets


def reason(error: Exception) -> str:
    """What went wrong, in FFmpeg's words: without its prefix, file name and credentials."""
    text = error.strerror if isinstance(error, av.FFmpegError) else str(error)
    return redact(text or type(error).__name__)


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a pixel over its height; 1 where nothing sensible is known."""
    aspect = stream.sample_aspect_ratio
    return aspect if aspect is not None and Fraction(1, 10) <= aspect <= 10 else Fraction(1)


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Frames per second, None where nothing sensible is known."""
    guess = stream.guessed_rate
    return stream.average_rate or (guess if guess is not None and guess <= _FASTEST_GUESS else None)


def _check_file(spec: SourceSpec) -> None:
    """Say plainly what FFmpeg would report as invalid data or as an I/O error."""
    path = Path(spec.location)
    if not path.exists():
        raise SourceOpenError(f"{spec.shown}: no such file")
    if path.is_dir():
        raise SourceOpenError(f"{spec.shown}: is a folder, expected a file")
    if path.is_file() and path.stat().st_size == 0:
        raise SourceOpenError(f"{spec.shown}: is empty (0 bytes)")


def _why_unreadable(spec: SourceSpec) -> str:
    if spec.kind == "file":
        with Path(spec.location).open("rb") as file:
            # An mp4 keeps its index at the end unless told otherwise: it is useless until that is written.
            if file.read(8)[4:] == b"ftyp":
                return "an MP4 file that is damaged or was never finished: its index (moov) is missing or broken"
    if spec.location.lower().startswith("http"):
        return "not a video: FFmpeg does not recognise its content; a web page with a video in it is none"
    return "not a video: FFmpeg does not recognise its content"


def _opened(location: str, hwaccel: str | None, shown: str, **settings: Any) -> InputContainer:
    """Open what a device shall decode; where the device is not available, software does."""
    container: InputContainer
    settings["metadata_errors"] = "replace"
    try:
        container = av.open(location, hwaccel=accelerator(hwaccel), **settings)
    except av.FFmpegError:
        if hwaccel is None or (problem := why_not(hwaccel)) is None:
            raise
        container = av.open(location, **settings)
        tell_lost(shown, hwaccel, problem)
    return container


def _open(spec: SourceSpec) -> InputContainer:
    if spec.kind == "file":
        return open_file(Path(spec.location), spec.hwaccel)
    # Of the options, each protocol takes those that it knows.
    options = {"rtsp_transport": "tcp"} if spec.location.lower().startswith("rtsp") else {}
    return open_stream(spec, options, (OPEN_TIMEOUT_S, READ_TIMEOUT_S))
