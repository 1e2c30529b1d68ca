"""clips: writes a short video of what happens at areas and lines, from some seconds before it on.

The packets of a camera are copied: nothing is encoded, and the clip has its full resolution. What browsers do not play
(MJPEG), files, and streams in which somebody is anonymised are encoded as they come.
"""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from streamdet.errors import SinkError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Marker, StreamEnded, StreamGap, StreamInfo, StreamStarted
from streamdet.media.locations import SourceSpec
from streamdet.media.packets import PacketClip, PacketLimits, PacketRing, adopt_interrupted
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.encoded_packets import EncodedPackets
from streamdet.media.write.part_file import write_at_once
from streamdet.result import Result
from streamdet.sinks.jsonl import event_line
from streamdet.stages.entry import OutputEntry, OutputPlan, StageContext, StageEntry
from streamdet.stages.event_filter import EventFilter, Kind

_MORE_S = 2.0  # of packets than a clip starts before its event: results come later than packets


class ClipSettings(EventFilter):
    """Which events have a clip, and how long clips are kept.

    Attributes:
        kinds, zones, classes: clips of these; None: all.
        path: a folder; each stream has a folder of its own in it.
        before_s, after_s: a clip starts so long before its event, and ends so long after the last one in it.
        longest_s: a clip ends after so long, whatever happens.
        memory_mb: most of each stream that is kept in memory to start a clip before its event.
        keep_days: older clips are removed; null: never.
        keep_gb: the oldest are removed while all take more; null: never.
    """

    kinds: tuple[Kind, ...] | None = ("entered", "line", "dwell", "crowd")
    path: str = Field(default="clips", min_length=1)
    before_s: float = Field(default=5.0, ge=0, le=300)
    after_s: float = Field(default=5.0, ge=0, le=300)
    longest_s: float = Field(default=60.0, gt=0, le=3600)
    memory_mb: float = Field(default=64.0, gt=0, le=4096)
    keep_days: float | None = Field(default=30.0, gt=0)
    keep_gb: float | None = Field(default=20.0, gt=0)

    @property
    def limits(self) -> PacketLimits:
        """How much of a stream is kept in memory."""
        return PacketLimits(self.before_s + _MORE_S, round(self.memory_mb * 2**20))


class _Folder:
    """Where clips are: says once that they cannot be written, and removes old ones.

    Args:
        settings: of the stage.
        delivery: counts clips.
    """

    def __init__(self, settings: ClipSettings, delivery: Delivery) -> None:
        self.path, self._settings, self._delivery = Path(settings.path), settings, delivery
        with suppress(OSError, SinkError):
            adopt_interrupted(self.path)

    def written(self) -> None:
        """A clip is there."""
        self._delivery.sent += 1
        self._delivery.recover()
        self.sweep()

    def failed(self, error: Exception) -> None:
        """A clip could not be written: a full disk, say."""
        why = str(error).rpartition("cannot be written: ")[2]
        self._delivery.fail(f"{self.path}: clips cannot be written: {why}")

    def sweep(self) -> None:
        """Remove what is too old or too much."""
        found = []
        for path in self.path.glob("*/*.mp4"):
            with suppress(OSError):  # somebody else has removed it
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        left = sum(size for _, size, _ in found)
        keep_gb, keep_days = self._settings.keep_gb, self._settings.keep_days
        most = float("inf") if keep_gb is None else keep_gb * 1e9
        oldest = float("-inf") if keep_days is None else time.time() - keep_days * 86_400
        for at, size, path in sorted(found):
            if at >= oldest and left <= most:
                return
            left -= size
            for each in (path, path.with_suffix(".json")):
                with suppress(OSError):
                    each.unlink()


class _OpenClip:
    """A clip that is being written.

    Args:
        path: its file.
        ring: where its packets come from.
        from_s: it starts with the keyframe before this moment of the clock.
    """

    def __init__(self, path: Path, ring: PacketRing, from_s: float) -> None:
        video = ring.video
        if video is None:
            raise SinkError(f"{path}: cannot be written: the stream gives nothing that could be")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._ring, self.until_s = path, ring, from_s
        self._clip = PacketClip(path, video)
        self._events: list[dict[str, object]] = []
        self._clip.write(ring.since(from_s))

    def note(self, line: dict[str, object]) -> None:
        """Say in the file beside it what happens."""
        self._events.append(line)

    def write(self) -> None:
        """Add what has come; nothing of another connection."""
        if self._ring.video is self._clip.video:
            self._clip.write(self._ring.after(self._clip.last, self.until_s))

    def close(self) -> None:
        """Complete it."""
        self._clip.close()
        text = json.dumps({"clip": self.path.name, "events": self._events}, ensure_ascii=False)
        write_at_once(self.path.with_suffix(".json"), text.encode())

    def discard(self) -> None:
        """Leave nothing."""
        self._clip.discard()


class _StreamClips:
    """The clips of one stream."""

    def __init__(self, settings: ClipSettings, folder: _Folder, info: StreamInfo) -> None:
        self._settings, self._folder, self._info = settings, folder, info
        self._copied: PacketRing | None = info.packets
        self._encoded: EncodedPackets | None = None
        self._clip: _OpenClip | None = None
        self._started_s = 0.0

    def take(self, result: Result) -> Result:
        """The next frame; events in it learn the name of their clip."""
        now_s = result.pts_s if result.frame.captured_s is None else result.frame.captured_s
        wanted = [event for event in result.zones.events if self._settings.wants(event)]
        try:
            ring = self._ring(result, now_s)
            self._write(now_s)
            if wanted:
                self._open(result, ring, now_s)
        except (SinkError, OSError) as error:
            self._give_up(error)
        if self._clip is None or not wanted:
            return result
        name = f"{self._clip.path.parent.name}/{self._clip.path.name}"
        for event in wanted:
            self._clip.note(event_line(result, event))
        events = tuple(replace(event, clip=name) if event in wanted else event for event in result.zones.events)
        return replace(result, zones=replace(result.zones, events=events))

    def end(self) -> None:
        """The stream is over, or time was lost: complete what is open."""
        clip, self._clip = self._clip, None
        if clip is None:
            return
        try:
            clip.write()
            clip.close()
        except (SinkError, OSError) as error:
            self._folder.failed(error)
        else:
            self._folder.written()

    def _ring(self, result: Result, now_s: float) -> PacketRing:
        if self._copied is not None and self._copied.video is not None:
            self._encoded = None
            return self._copied
        if self._encoded is None:
            self._encoded = EncodedPackets(self._info, self._settings.limits)
        self._encoded.add(result.frame, now_s)
        return self._encoded.ring

    def _open(self, result: Result, ring: PacketRing, now_s: float) -> None:
        if self._clip is None:
            folder = re.sub(r"[^A-Za-z0-9_.-]+", "_", result.source).strip(".") or "stream"
            path = self._folder.path / folder / f"{_stamp(result)}.mp4"
            self._clip = _OpenClip(path, ring, now_s - self._settings.before_s)
            self._started_s = now_s
        longest_s = self._started_s - self._settings.before_s + self._settings.longest_s
        self._clip.until_s = min(now_s + self._settings.after_s, longest_s)

    def _write(self, now_s: float) -> None:
        if self._clip is not None:
            self._clip.write()
            if now_s >= self._clip.until_s:
                self.end()

    def _give_up(self, error: Exception) -> None:
        clip, self._clip = self._clip, None
        if clip is not None:
            clip.discard()
        self._folder.failed(error)


def _stamp(result: Result) -> str:
    """The moment of a frame, as names of files have it; of files that since their start."""
    moment = result.frame.wall_time
    if moment is None:
        moment = datetime.fromtimestamp(max(result.pts_s, 0.0), UTC)
        return f"{(moment - datetime.fromtimestamp(0, UTC)).days:02}-{moment:%H%M%S}-{moment.microsecond // 1000:03}"
    return f"{moment.astimezone(UTC):%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03}"


def clips(settings: ClipSettings, delivery: Delivery) -> Stage:
    """Write clips of all streams; results pass, and their events say which clip shows them.

    Args:
        settings: which, where and how long.
        delivery: counts clips, and tells when they cannot be written.
    """

    def process(inbox: Inbox[Result | Marker]) -> Iterator[Result | Marker]:
        folder = _Folder(settings, delivery)
        streams: dict[str, _StreamClips] = {}
        try:
            for item in inbox:
                if isinstance(item, StreamStarted):
                    streams[item.source] = _StreamClips(settings, folder, item.info)
                elif isinstance(item, StreamGap) and item.source in streams:
                    streams[item.source].end()
                elif isinstance(item, StreamEnded) and item.source in streams:
                    streams.pop(item.source).end()
                yield streams[item.source].take(item) if isinstance(item, Result) else item
        finally:
            for stream in streams.values():
                stream.end()

    return Stage("clips", process)


def _plan(settings: ClipSettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    return OutputPlan(
        {source.name: f"{settings.path}/" for source in sources},
        shared=True,
        folder=settings.path,
        named=False,
        not_resumable="clips cannot be continued; expected a job without them",
    )


def _build(settings: ClipSettings, context: StageContext) -> Stage:
    return clips(settings, context.log.delivery(f"{settings.path}/", "clips"))


STAGE = StageEntry(
    "clips",
    _build,
    settings=ClipSettings,
    needs=frozenset({"detections", "zones"}),
    uses=frozenset({"anonymity", "drawing"}),
    gives=frozenset({"clips"}),
    output=OutputEntry("clips", _plan),
    packets=lambda settings: settings.limits,
)
