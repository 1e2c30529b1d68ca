"""Publishes video to an RTSP server, and lets nothing that the server does hold up the run."""

import io
import threading
import time
from dataclasses import dataclass
from fractions import Fraction

import av

from streamdet.errors import ConfigError, SinkError
from streamdet.frames import Picture, StreamInfo
from streamdet.media.backoff import Backoff
from streamdet.media.container import reason
from streamdet.media.locations import redact
from streamdet.media.timeline import DEFAULT_RATE
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.encoder import EncoderSettings, VideoEncoder, streaming_settings
from streamdet.media.write.options import DEFAULTS, EncodeOptions
from streamdet.media.write.recording import fitted
from streamdet.media.write.rtp import CLOCK_RATE, nal_units
from streamdet.media.write.rtsp_client import SILENCE_S, TIMEOUT_S, Address, RtspError, RtspSession

_TIME_BASE = Fraction(1, CLOCK_RATE)
_CLOSE_TIMEOUT_S = 2.0
_LOOK_EVERY_S = 1.0
_RETRY_REFUSED_S = 30.0
_LONGEST_PAUSE_S = 1.0  # of a file that is played: a gap in its times is not waited for


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    pixels: Picture
    pts_s: Fraction
    wall_s: float


class RtspPublisher:
    """Publishes H.264 over TCP; a thread of its own encodes and sends.

    - Fresh, not complete: a picture that is not sent yet when the next one comes is dropped. A file is played at its
      own pace and waits for the server as long as that answers.
    - A server that is away, mute, stalled or killed is tried again and again, at growing intervals; a new connection
      starts with a keyframe. Nothing is encoded meanwhile.

    Args:
        url: `rtsp://` or `rtsps://`, credentials included.
        info: of the stream.
        delivery: counts pictures that were sent and those that were dropped: "late", or while "disconnected".
        options: how the video is encoded.
        timeout_s, silence_s: of the connection; see RtspSession.

    Raises:
        ConfigError: the address has no host, or an unknown crf or preset.
    """

    def __init__(
        self,
        url: str,
        info: StreamInfo,
        delivery: Delivery,
        options: EncodeOptions = DEFAULTS,
        *,
        timeout_s: float = TIMEOUT_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        try:
            self._address = Address.of(url)
        except ValueError as error:
            raise ConfigError(f"output {redact(url)}: expected rtsp://host/path: {error}") from error
        self._shown = redact(url)
        self._info = info
        self._delivery = delivery
        self._timeout_s, self._silence_s = timeout_s, silence_s
        self._settings = streaming_settings(options, live=True)
        self._changed = threading.Condition()  # guards what follows
        self._waiting: _Picture | None = None
        self._given = 0
        self._session: RtspSession | None = None
        self._connected = self._closing = False
        self._played_from_s: float | None = None  # when second 0 of a file would have been shown
        self._thread = threading.Thread(target=self._run, name=f"publish {self._shown}", daemon=True)
        self._thread.start()

    def write(self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0) -> None:
        """Hand over the next picture, which must not be changed afterwards."""
        arrived = _Picture(picture, pts * time_base, time.time())
        with self._changed:
            if not self._info.live:
                self._play(float(arrived.pts_s))
            if self._waiting is not None:
                self._drop()
            self._waiting = arrived
            self._given += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Send what waits, if that is quick, and say goodbye.

        Raises:
            SinkError: the server was not reached, at the end or at all.
        """
        with self._changed:
            if self._connected and self._waiting is not None:
                self._changed.wait_for(lambda: self._waiting is None or not self._connected, _CLOSE_TIMEOUT_S)
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_TIMEOUT_S / 2)
        if self._thread.is_alive() and (session := self._session) is not None:
            session.stop()
            self._thread.join(_CLOSE_TIMEOUT_S / 2)
        # What was in hand when a connection broke was not sent either.
        self._delivery.drop("disconnected", self._given - self._delivery.sent - self._delivery.dropped.total())
        problem = self._delivery.failing
        if problem is None and self._given and not self._delivery.sent:
            problem = f"{self._shown}: not published: no answer yet"
        if problem is not None:
            raise SinkError(f"{problem}; of all pictures {self._delivery.sent} were sent")

    def _play(self, pts_s: float) -> None:
        """Let a file take as long as it lasts, and wait for a server that answers."""
        self._changed.wait_for(
            lambda: self._waiting is None or self._delivery.failing is not None or self._closing, 2 * _CLOSE_TIMEOUT_S
        )
        now_s = time.monotonic()
        due_s = now_s if self._played_from_s is None else self._played_from_s + pts_s
        wait_s = min(due_s - now_s, _LONGEST_PAUSE_S)
        if wait_s > 0:
            self._changed.wait_for(lambda: self._closing, wait_s)
        if self._played_from_s is None or abs(due_s - now_s) > _LONGEST_PAUSE_S:
            self._played_from_s = time.monotonic() - pts_s

    def _drop(self) -> None:
        self._delivery.drop("late" if self._connected else "disconnected")

    def _run(self) -> None:
        backoff = Backoff()
        while not self._closing:
            sent = self._delivery.sent
            try:
                self._publish()
            except (av.FFmpegError, OSError, SinkError) as error:
                if self._closing:
                    return
                said = reason(error) if isinstance(error, av.FFmpegError) else getattr(error, "strerror", None)
                said = redact(said or str(error))
                self._delivery.fail(f"{self._shown}: not published: {said}")
                if self._delivery.sent > sent:
                    backoff.reset()
                refused = isinstance(error, RtspError) and error.refused
                wait_s = _RETRY_REFUSED_S if refused else backoff.next_s()
                with self._changed:
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closing, wait_s)

    def _publish(self) -> None:
        """Encode and send over one connection until the end."""
        picture = self._next()
        if picture is None:
            return
        encoder = _Encoder(picture.pixels, self._info, self._settings)
        data, pts = encoder.encode(picture)
        with RtspSession(self._address, self._timeout_s, self._silence_s) as session:
            self._session = session
            try:
                session.announce(nal_units(data))
                self._connected = True
                while picture is not None:
                    session.send(data, pts, picture.wall_s)
                    self._delivery.sent += 1
                    self._delivery.recover()
                    picture = self._next(session)
                    if picture is not None:
                        data, pts = encoder.encode(picture)
            finally:
                self._connected = False
                self._session = None

    def _next(self, session: RtspSession | None = None) -> _Picture | None:
        """Wait for a picture; None at the end. Meanwhile the session is looked after."""
        with self._changed:
            while self._waiting is None and not self._closing:
                if not self._changed.wait(_LOOK_EVERY_S) and session is not None:
                    session.look()
            picture, self._waiting = self._waiting, None
            self._changed.notify_all()
        return picture


class _Encoder:
    """H.264 of one connection: pictures of one size, in units of 1/90000 s from its first one on."""

    def __init__(self, like: Picture, info: StreamInfo, settings: EncoderSettings) -> None:
        self._size = (like.width, like.height)
        self._info = info
        self._smallest_side = settings.smallest_side
        self._first_s: Fraction | None = None
        self._last = -1
        # Nothing is written to it: an encoder belongs to a container, and this one asks for headers in band.
        self._nowhere = av.open(io.BytesIO(), "w", format="h264")
        self._encoder = VideoEncoder(
            self._nowhere,
            settings,
            self._convert(like),
            info.average_rate or DEFAULT_RATE,
            _TIME_BASE,
            pixel_aspect=info.pixel_aspect,
            reordered_frames=0,
        )

    def encode(self, picture: _Picture) -> tuple[bytes, int]:
        """A picture as H.264 with start codes, and its pts."""
        self._first_s = picture.pts_s if self._first_s is None else self._first_s
        self._last = max(self._last + 1, round((picture.pts_s - self._first_s) / _TIME_BASE))
        packets = self._encoder.encode(self._convert(picture.pixels), self._last, 0)
        return b"".join(bytes(packet) for packet in packets), self._last

    def _convert(self, pixels: Picture) -> av.VideoFrame:
        return fitted(pixels, self._size, self._smallest_side, self._info.colour)
