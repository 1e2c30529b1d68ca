"""Pictures as packets: for clips of what cannot be copied, or must not be."""

import io
from fractions import Fraction

import av

from streamdet.errors import SinkError
from streamdet.frames import Frame, StreamInfo
from streamdet.media.container import reason
from streamdet.media.packets import PacketLimits, PacketRing
from streamdet.media.timeline import DEFAULT_RATE
from streamdet.media.write.encoder import VideoEncoder, streaming_settings
from streamdet.media.write.options import DEFAULTS
from streamdet.media.write.recording import fitted

_TIME_BASE = Fraction(1, 90_000)


class EncodedPackets:
    """Encodes all pictures of a stream as they come, H.264 with a keyframe each second, and keeps the last packets.

    Args:
        info: of the stream.
        limits: how much is kept.

    Attributes:
        ring: the packets; its clock is that of `add`.
    """

    def __init__(self, info: StreamInfo, limits: PacketLimits) -> None:
        self.ring = PacketRing(limits)
        self._info = info
        self._size = 0, 0
        self._last = -1
        self._encoder: VideoEncoder | None = None

    def add(self, frame: Frame, clock_s: float) -> None:
        """Encode a picture.

        Args:
            frame: the next one.
            clock_s: its time; must ascend.

        Raises:
            SinkError: the encoder refuses, most likely the size.
        """
        size = frame.width, frame.height
        settings = streaming_settings(DEFAULTS, live=True)
        picture = fitted(frame.picture, size, settings.smallest_side, self._info.colour)
        if self._encoder is None or size != self._size:
            self._size, self._last = size, -1
            output = av.open(io.BytesIO(), "w", format="mp4")
            rate = self._info.average_rate or DEFAULT_RATE
            self._encoder = VideoEncoder(
                output, settings, picture, rate, _TIME_BASE, pixel_aspect=frame.pixel_aspect, reordered_frames=0
            )
            output.start_encoding()  # only now does the stream know what its packets are like
            self.ring.connect(output.streams.video[0])
            self.ring.align(0.0)
        pts = max(round(clock_s / _TIME_BASE), self._last + 1)
        self._last = pts
        try:
            for packet in self._encoder.encode(picture, pts, round(frame.duration * frame.time_base / _TIME_BASE)):
                self.ring.add(packet)
        except av.FFmpegError as error:
            raise SinkError(f"{self._info.location}: cannot be encoded: {reason(error)}") from error
