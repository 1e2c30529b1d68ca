"""One connection to a live source: opened, read and decoded until it breaks or shall stop.

What FFmpeg does, measured: a killed server is a clean end of stream; a stalled one blocks until PyAV's timeout; lost
packets show in a line of FFmpeg's log and nowhere else. Closing a container while another thread reads it crashes, so
one thread does all of it.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame

from streamdet.errors import DecodeError, SourceError, SourceOpenError, SourceTimeout
from streamdet.media.container import (
    VideoPacket,
    demux,
    frame_rate,
    open_stream,
    reason,
)
from streamdet.media.live.losses import LossListener
from streamdet.media.live.options import LiveOptions
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.read.hwaccel import tell, tell_failure
from streamdet.media.tracks import best_video_stream

# A read that is interrupted just when a packet comes loses half of it, and RTSP over TCP is out of step from there on.
# So a camera that falls silent for a while is left alone; but one that is stopped must not wait for hours.
_LOOK_AROUND_S = 10.0

_UDP_BUFFER = 2**22

_REFUSED = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)
_NO_ANSWER = (av.error.ExitError, av.error.TimeoutError, av.error.InvalidDataError)


class RefusedError(SourceOpenError):
    """The user name or password is wrong, or missing."""


class UnsupportedError(SourceOpenError):
    """No other attempt can succeed: FFmpeg does not know the protocol."""


class Connection:
    """An open live source. A context manager; all calls come from one thread.

    Attributes:
        container: what is open.
        stream: its video.
        rate: frames per second, None where unknown.
        finite: it has an end, as recordings that a server plays do.
        paced: it comes in bursts, as segments of HLS do, and not as it is captured.
        timed: it carries times. Where it does not, as MJPEG over HTTP, FFmpeg's are made up.
        undecodable: packets so far that gave no frame because they are broken.
        waited_s: for how long the last packet was waited for.

    Raises:
        RefusedError: the server wants other credentials.
        UnsupportedError: this build of FFmpeg does not know the protocol.
        SourceOpenError: it cannot be reached, or what it sends is no video.
        SourceTimeout: it did not answer in time.
    """

    def __init__(self, spec: SourceSpec, options: LiveOptions, stop: Event) -> None:
        self._spec = spec
        self._options = options
        self._stop = stop
        self._closing = ExitStack()
        self._losses: LossListener | None = None
        began_s = monotonic()
        try:
            if options.wait_for_keyframe and options.transport == "udp":
                self._losses = self._closing.enter_context(LossListener())
            self.container = self._closing.enter_context(_open(spec, options))
            self.stream = best_video_stream(self.container, spec)
            if self._losses is not None:
                # No thread of the decoder may wait for Python's lock, to log, while this one waits for it.
                self.stream.codec_context.thread_count = 1
        except BaseException:
            self._closing.close()
            raise
        # Opening reads ahead: what was lost then is among the packets to come, of no more time than opening took.
        self._suspect_s = monotonic() - began_s if self._losses is not None and self._losses.heard() else 0.0
        self._first_pts_s: float | None = None
        self.stream.thread_type = "SLICE"  # frame threads hold back a frame each
        self.rate = frame_rate(self.stream)
        self.finite = spec.kind == "network" and bool(self.container.duration)
        self.paced = self.container.format.name == "hls"
        self.timed = Flags.no_timestamps not in Flags(self.container.format.flags)
        self.undecodable = 0
        self.waited_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @property
    def description(self) -> str:
        """Size and codec, for messages."""
        context = self.stream.codec_context
        return f"{context.width}x{context.height} {context.name}"

    def packets(self) -> Iterator[VideoPacket]:
        """Packets until the stream ends or shall stop.

        Raises:
            SourceTimeout: nothing came for the options' timeout_s.
            DecodeError: the connection broke.
        """
        last_s = monotonic()
        while not self._stop.is_set():
            asked_s = monotonic()
            try:
                for packet in demux(self.container, self.stream):
                    last_s = monotonic()
                    self.waited_s = last_s - asked_s
                    if packet.size:
                        yield packet
                    if self._stop.is_set():
                        return
                    asked_s = monotonic()
                return
            except (av.error.ExitError, av.error.TimeoutError) as error:
                if monotonic() - last_s >= self._options.timeout_s:
                    raise SourceTimeout(
                        f"{self._spec.shown}: sent nothing for {self._options.timeout_s:g} s"
                    ) from error
            except (av.FFmpegError, RuntimeError) as error:
                raise DecodeError(f"{self._spec.shown}: reading stopped: {reason(error)}") from error

    def decode(self, packet: VideoPacket) -> list[VideoFrame]:
        """The frames that a packet completes; none of a broken one, which is counted."""
        try:
            frames = self.stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            tell_failure(self._spec, self.stream.codec_context, error)
            self.undecodable += 1
            return []
        for frame in frames[:1]:
            tell(self._spec, self.stream.codec_context, frame)
        return frames

    def lost_before(self, packet: VideoPacket) -> bool:
        """True if packets were lost on the way to this one; only with the options' wait_for_keyframe.

        Args:
            packet: the next of `packets()`.
        """
        if self._losses is None:
            return False
        if self._suspect_s and packet.pts is not None:
            pts_s = float(packet.pts * packet.time_base)
            if self._first_pts_s is None:
                self._first_pts_s = pts_s
            if pts_s - self._first_pts_s > self._suspect_s:
                self._suspect_s = 0.0
        return self._losses.heard() or self._suspect_s > 0


def _open(spec: SourceSpec, options: LiveOptions) -> InputContainer:
    try:
        return _opened(spec, options)
    except _REFUSED as error:
        raise RefusedError(f"{spec.shown}: refused: the user name or password is wrong or missing") from error
    except av.error.ProtocolNotFoundError as error:
        scheme = urlsplit(spec.location).scheme
        raise UnsupportedError(
            f"{spec.shown}: this build of FFmpeg does not receive {scheme}; let another one do it: "
            f"ffmpeg -i ADDRESS -c copy -f mpegts - | streamdet run -"
        ) from error
    except av.error.HTTPNotFoundError as error:
        raise SourceOpenError(f"{spec.shown}: the server has no such stream (404)") from error
    except _NO_ANSWER as error:
        raise SourceTimeout(f"{spec.shown}: no video within {options.timeout_s:g} s") from error
    except (av.FFmpegError, RuntimeError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EPROTONOSUPPORT and spec.location.lower().startswith("rtsp"):
            other = "udp" if options.transport == "tcp" else "tcp"
            what = f"does not send over {options.transport}; use --set decode.transport={other}"
            raise SourceOpenError(f"{spec.shown}: {what}") from error
        raise _explained(spec, error) from error


def _opened(spec: SourceSpec, options: LiveOptions) -> InputContainer:
    # Without these, opening waits for enough frames to guess the rate from, 1.2 s of them, and for audio that may never
    # come, 5 s. What is then still unknown, the decoder finds out.
    settings = {"fpsprobesize": "0", "analyzeduration": "500000"}
    read_timeout_s = options.timeout_s / 2  # a read that is interrupted ends after twice that
    if spec.location.lower().startswith("rtsp"):
        settings |= {"rtsp_transport": options.transport, "allowed_media_types": "video"}
        settings |= {"timeout": str(round(options.timeout_s * 1e6))}
        # Reading RTSP continues after a timeout; other protocols are out of step then.
        read_timeout_s = min(_LOOK_AROUND_S, options.timeout_s)
    elif spec.location.lower().startswith("udp"):
        # A keyframe comes in one burst, which FFmpeg's usual buffer does not hold; what is lost all the same is no end.
        settings |= {"buffer_size": str(_UDP_BUFFER), "overrun_nonfatal": "1"}
    return open_stream(spec, settings, (options.timeout_s, read_timeout_s))


def _explained(spec: SourceSpec, error: Exception) -> SourceError:
    """FFmpeg calls a host that does not exist an input/output error."""
    host = urlsplit(spec.location).hostname if spec.kind == "network" else None
    if host and isinstance(error, av.FFmpegError) and error.errno == 5:
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError):
            return SourceOpenError(f"{spec.shown}: the host {redact(host)} is not known to the name service (DNS)")
    return SourceOpenError(f"{spec.shown}: cannot be opened: {reason(error)}")
