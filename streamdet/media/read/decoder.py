"""Decoding of one video stream that gives every frame that can be decoded, also where packets are broken."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from time import monotonic

import av
from av.video.frame import VideoFrame

from streamdet.errors import DecodeError, SourceError, SourceTimeout
from streamdet.media.container import (
    FILE_TIMEOUT_S,
    VideoPacket,
    VideoPackets,
    demux,
    frame_rate,
    open_container,
    reason,
)
from streamdet.media.locations import SourceSpec
from streamdet.media.read.hwaccel import tell, tell_failure
from streamdet.media.timeline import Clock
from streamdet.media.tracks import best_video_stream

# Reading continues behind a bad spot in a file; from a disk that is gone it fails each time.
_READ_ATTEMPTS = 100

_FRUITLESS_PACKETS = 1000

# Containers without pts: what FFmpeg gives as pts is guessed from dts, and wrong where there are B-frames.
_WITHOUT_PTS = frozenset({"avi"})


class _Patience:
    """Gives up where packet after packet gives nothing: a few forged bytes make millions of them."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self.restore()

    def restore(self) -> None:
        """Something came."""
        self._packets, self._since_s = 0, monotonic()

    def spend(self) -> None:
        """One more packet.

        Raises:
            SourceTimeout: many packets and much time; one alone may be a decoder's delay, the other a stopped process.
        """
        self._packets += 1
        if self._packets > _FRUITLESS_PACKETS and monotonic() - self._since_s > FILE_TIMEOUT_S:
            raise SourceTimeout(
                f"{self._shown}: nothing in {self._packets} packets can be decoded; given up after {FILE_TIMEOUT_S:g} s"
            )


class Decoder:
    """An open container, its best video stream, and frames of that in presentation order.

    Attributes:
        live: True where frames cannot be read again.
        time_base: seconds a unit of pts.
        rate: frames per second, None where unknown.
        trust_pts: False where the container stores none.
        clock: knows the packets that went in; tells when each frame that comes out is shown.
        encrypted: True where a packet was (CENC).
        undecodable: packets so far that gave no frame because they, or the file around them, are broken.

    Raises:
        SourceOpenError, SourceTimeout: as `open_container` and `best_video_stream`.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self.container = open_container(spec)
        try:
            self.stream = best_video_stream(self.container, spec)
        except BaseException:
            self.container.close()
            raise
        self.live = spec.kind == "camera" or (spec.kind == "network" and not self.container.duration)
        # Frame threads are twice as fast, but hold back a frame each, which a live source must not; a device has none.
        self.stream.thread_type = "SLICE" if self.live or self.stream.codec_context.is_hwaccel else "AUTO"
        self.time_base = self.stream.time_base or Fraction(1, 90_000)
        self.rate = frame_rate(self.stream)
        self.trust_pts = self.container.format.name not in _WITHOUT_PTS
        self.clock = Clock(trust_pts=self.trust_pts)
        self.undecodable = 0
        self.encrypted = False
        self._packets_in = 0
        self._frames_out = 0
        self._last_pts: int | None = None

    def close(self) -> None:
        """Close the container. Generators of packets and frames must have been closed before."""
        # PyAV frees a decoder without letting go of Python's lock, for which a frame thread that logs would wait.
        self.stream.codec_context.flush_buffers()
        self.container.close()

    def packets(self) -> VideoPackets:
        """Read the stream's packets; a failing read is counted and reading continues behind it.

        Raises:
            DecodeError: reading keeps failing, or fails once where that means a lost connection.
            SourceTimeout: nothing came in time, or nothing but empty packets.
        """
        failures = 0
        patience = _Patience(self._spec.shown)
        attempts = _READ_ATTEMPTS if self._spec.kind == "file" else 1
        while True:
            try:
                for packet in demux(self.container, self.stream):
                    failures = 0
                    patience.spend()
                    # An empty packet would end the decoder: AVI marks dropped frames with them, and PyAV the end.
                    if packet.size:
                        self.encrypted = self.encrypted or packet.has_sidedata("encryption_info")
                        yield packet
                        patience.restore()
                return
            except (av.error.ExitError, av.error.TimeoutError) as error:
                raise SourceTimeout(f"{self._spec.shown}: stopped sending data") from error
            except av.FFmpegError as error:
                failures += 1
                self.undecodable += 1
                if failures == attempts:
                    raise DecodeError(f"{self._spec.shown}: reading stopped: {reason(error)}") from error

    def frames(self, packets: Iterable[VideoPacket]) -> Iterator[VideoFrame]:
        """Decode packets to the last frame; where they end with an error, what is in the decoder comes before it.

        Raises:
            DecodeError, SourceTimeout: as `packets`; also where packets come and come, and none can be decoded.
        """
        failure: SourceError | None = None
        try:
            patience = _Patience(self._spec.shown)
            for packet in packets:
                if not packet.is_discard:  # what an edit list hides gives no frame
                    self._packets_in += 1
                    self.clock.packet(packet.pts, packet.dts, keyframe=packet.is_keyframe)
                for frame in self._decode(packet):
                    yield frame
                    patience.restore()
                patience.spend()
        except SourceError as error:
            failure = error
        yield from self._drain()
        if failure:
            raise failure

    def _decode(self, packet: VideoPacket) -> Iterator[VideoFrame]:
        try:
            frames = self.stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            tell_failure(self._spec, self.stream.codec_context, error)
            self.undecodable += 1
            self.clock.undecodable()
            return
        yield from self._counted(frames)

    def _drain(self) -> Iterator[VideoFrame]:
        """Take what the decoder still holds.

        With frame threads, an error in one of the last packets surfaces only here, and PyAV gives up all frames behind
        it. Then the numbers of packets and frames differ, and the end of the file is decoded again.
        """
        failed = False
        try:
            yield from self._counted(self.stream.codec_context.decode(None))
        except av.FFmpegError:
            failed = True
        complete = self._frames_out + self.undecodable >= self._packets_in
        if not complete and self._last_pts is not None and self.trust_pts and self._spec.kind == "file":
            yield from self._counted(self._frames_after(self._last_pts))
        elif failed:
            self.undecodable += 1

    def _counted(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            if not self._frames_out:
                tell(self._spec, self.stream.codec_context, frame)
            self._frames_out += 1
            self._last_pts = frame.pts
            yield frame

    def _frames_after(self, pts: int) -> Iterator[VideoFrame]:
        """Decode the end of the file in one thread, where an error costs its own frame only."""
        with open_container(replace(self._spec, hwaccel=None)) as container:
            stream = best_video_stream(container, self._spec)
            stream.thread_type = "NONE"
            try:
                container.seek(pts, stream=stream)
                for packet in demux(container, stream):
                    try:
                        yield from (frame for frame in packet.decode() if frame.pts is not None and frame.pts > pts)
                    except av.FFmpegError:
                        self.undecodable += packet.pts is None or packet.pts > pts
            except av.FFmpegError:
                return
