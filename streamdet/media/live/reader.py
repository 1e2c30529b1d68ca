"""The thread that reads a live source: connects, decodes, and connects again, for as long as it is wanted."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from threading import Event, Thread
from time import monotonic

from av.video.frame import VideoFrame

from streamdet.errors import SourceError
from streamdet.media.backoff import Backoff
from streamdet.media.border import errors_of
from streamdet.media.container import VideoPacket, pixel_aspect
from streamdet.media.live.backlog import Backlog
from streamdet.media.live.connection import Connection, RefusedError, UnsupportedError
from streamdet.media.live.handover import Arrival, Cause, Handover, Link
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.timeline import MAX_DEVIATION_S, TIME_BASE, LiveTimeline
from streamdet.media.locations import SourceSpec
from streamdet.media.packets import PacketRing
from streamdet.media.read.deinterlace import Label, LabelledFrame, deinterlaced
from streamdet.media.timeline import DEFAULT_RATE

_log = logging.getLogger(__name__)

# While frames come and all of them seem too old, what they are compared with is wrong: a sender's clock that runs slow.
_SILENT_S = 2.0

# A connection that lasted so long was a good one: the next failure is the first one again.
_GOOD_S = 1.0

# A sender's clock that is further off was never set; then arrival is the better guess.
_MAX_CLOCK_ERROR = timedelta(hours=1)


class Reader:
    """Reads a source in a thread of its own and hands its frames over.

    Attributes:
        problem: why there is no connection right now; None while there is one, and before the first attempt.
        undecodable: packets so far that gave no frame because they are broken.
    """

    def __init__(
        self,
        spec: SourceSpec,
        options: LiveOptions,
        handover: Handover,
        stride: int,
        packets: PacketRing | None = None,
    ) -> None:
        self.problem: str | None = None
        self._spec = spec
        self._options = options
        self._handover = handover
        self._stride = stride
        self._packets = packets
        self._stop = Event()
        self._timeline = LiveTimeline()
        self._backoff = Backoff(options.first_retry_s, options.max_retry_s)
        self._connections = 0
        self._index = -1
        self._told_s = 0.0  # when it was last said why there is no connection
        self._undecodable_before = 0
        self._connection: Connection | None = None
        self._up_since_s: float | None = None  # when the connection gave its first frame
        self._gate: Cause | None = None
        self._backlog = Backlog()
        self._waited_s = 0.0  # for the packets of the next frame
        self._times: dict[int, tuple[float, datetime | None]] = {}  # of frames that are being deinterlaced
        # What cannot be interrupted, such as a name service that does not answer, must not hold up the end.
        self._thread = Thread(target=self._run, name=f"live {spec.name}", daemon=True)

    @property
    def undecodable(self) -> int:
        """Packets so far that gave no frame because they are broken."""
        connection = self._connection
        return self._undecodable_before + (connection.undecodable if connection is not None else 0)

    def start(self) -> None:
        """Start to connect."""
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Ask the thread to end, and wait for that; one that is still connecting by then ends on its own, later."""
        self._stop.set()
        self._handover.close()
        self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                pause_s = None
                self._up_since_s = None
                try:
                    with errors_of(self._spec.shown):
                        if self._read_connection():
                            break
                    why = "the server closed the connection"
                except RefusedError as error:
                    why, pause_s = str(error), self._options.refused_retry_s
                except UnsupportedError as error:
                    self._handover.end(error)
                    return
                except SourceError as error:
                    if self._spec.kind == "camera" and self._index < 0:  # a device that is not there will not come
                        self._handover.end(error)
                        return
                    why = str(error)
                if self._was_good():
                    self._backoff.reset()
                pause_s = pause_s or self._backoff.next_s()
                self._report(why.removeprefix(f"{self._spec.shown}: "), pause_s)
                self._stop.wait(pause_s)
        except BaseException as error:  # not a source's fault: raised where the frames are taken
            self._handover.end(error)
        else:
            self._handover.end()

    def _report(self, why: str, pause_s: float) -> None:
        """Note why there is no connection."""
        if self._stop.is_set():
            return
        # A camera that is off for a week is not reported every ten seconds; one that never gave a frame, now and then.
        silent = why == self.problem and (self._index >= 0 or monotonic() - self._told_s < self._options.remind_s)
        level = logging.DEBUG if silent else logging.WARNING
        self._told_s = self._told_s if silent else monotonic()
        _log.log(level, "%s: %s; trying again in %.1f s", self._spec.name, why, pause_s)
        self.problem = why

    def _was_good(self) -> bool:
        return self._up_since_s is not None and monotonic() - self._up_since_s >= _GOOD_S

    def _read_connection(self) -> bool:
        """Connect, and read until it ends; True if that was the end of the source."""
        with Connection(self._spec, self._options, self._stop) as connection:
            self._connection = connection
            try:
                self._timeline.reconnected()
                self._gate = None
                self._backlog = Backlog()
                link = Link(self._connections, connection.rate, pixel_aspect(connection.stream))
                self._connections += 1
                if self._packets is not None:
                    self._packets.connect(connection.stream if connection.timed else None)
                for label, picture in deinterlaced(self._labelled(connection)):
                    arrived_s, sender_time = self._times.pop(label.index)
                    if label.index % self._stride == 0:
                        arrival = Arrival(picture, link, label.index, label.pts, label.duration, arrived_s, sender_time)
                        self._handover.put(arrival)
                return connection.finite
            finally:
                self._times.clear()
                self._undecodable_before += connection.undecodable
                self._connection = None

    def _labelled(self, connection: Connection) -> Iterator[LabelledFrame]:
        """Decode, and give each frame its place on the timeline."""
        for frame in self._decoded(connection):
            if self._up_since_s is None:
                self._up_since_s = monotonic()
                self.problem = None
                _log.info("%s: connected, %s", self._spec.name, connection.description)
            time_base = frame.time_base or Fraction(1, 90_000)
            pts_s = frame.pts * time_base if frame.pts is not None and connection.timed else None
            if connection.paced and pts_s is not None:
                self._pace(pts_s)
            now_s = monotonic()
            if self._handover.refuses_since_s is not None and now_s - self._handover.refuses_since_s > _SILENT_S:
                self._timeline.forget_delay()
            # What a server plays or sends in segments does not come at the pace of a camera's clock.
            waited_s = 0.0 if connection.finite or connection.paced else self._waited_s
            self._waited_s = 0.0
            placed = self._timeline.place(pts_s, now_s, _step_s(connection, frame), waited_s)
            self._index += 1
            sender_time = _sender_time(connection.container.start_time_realtime, pts_s)
            self._times[self._index] = placed.captured_s, sender_time
            if self._packets is not None and pts_s is not None:
                self._packets.align(placed.captured_s - float(pts_s))
            yield Label(self._index, placed.pts, round(frame.duration * time_base / TIME_BASE)), frame

    def _decoded(self, connection: Connection) -> Iterator[VideoFrame]:
        for packet in connection.packets():
            self._waited_s += connection.waited_s
            if self._packets is not None:
                self._packets.add(packet)
            self._gate = self._gate_at(connection, packet)
            if self._gate is not None:
                self._index += 1
                self._handover.drop(self._gate)
            else:
                yield from connection.decode(packet)

    def _gate_at(self, connection: Connection, packet: VideoPacket) -> Cause | None:
        """Why a packet is not decoded: it follows a loss, or decoding falls behind; up to the next keyframe."""
        if connection.lost_before(packet):
            return "keyframe"
        if self._gate == "keyframe" and not packet.is_keyframe:
            return "keyframe"
        if not self._options.freshest or connection.paced or not connection.timed or packet.pts is None:
            return None
        pts_s = float(packet.pts * packet.time_base)
        skips = self._backlog.skips(pts_s, monotonic(), connection.waited_s, keyframe=packet.is_keyframe)
        return "late" if skips else None

    def _pace(self, pts_s: Fraction) -> None:
        """Wait until it is a frame's turn; where the source was late, time starts again from there."""
        ahead_s = self._timeline.ahead_s(pts_s, monotonic())
        if 0 < ahead_s < MAX_DEVIATION_S:
            self._stop.wait(ahead_s)
        elif ahead_s < -1:
            self._timeline.reconnected()


def _step_s(connection: Connection, frame: VideoFrame) -> Fraction:
    """From one frame to the next, for want of a better guess; 0 where there is none."""
    if not connection.timed:
        return Fraction(0)
    if frame.duration and frame.time_base:
        return frame.duration * frame.time_base
    return 1 / (connection.rate or DEFAULT_RATE)


def _sender_time(zero_us: int | None, pts_s: Fraction | None) -> datetime | None:
    """Capture by the sender's clock.

    Args:
        zero_us: microseconds from 1970 to the sender's pts 0, once RTCP has told.
    """
    if zero_us is None or pts_s is None:
        return None
    time = datetime.fromtimestamp(zero_us / 1e6, UTC) + timedelta(seconds=float(pts_s))
    return time if abs(time - datetime.now(UTC)) < _MAX_CLOCK_ERROR else None
