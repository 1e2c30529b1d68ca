"""Getting to a keyframe before a given time, and still knowing each frame's number from the file's start."""

from collections.abc import Iterable
from itertools import chain, islice
from math import ceil
from pathlib import Path

import av

from streamdet.media.container import VideoPacket, VideoPackets, demux, open_container
from streamdet.media.locations import SourceSpec
from streamdet.media.read.decoder import Decoder
from streamdet.media.tracks import best_video_stream

# Packets since the last keyframe that are held while looking for the next; a stream with none for so long is decoded.
# A forged index can make the same megabytes a packet again and again.
_HELD_PACKETS, _HELD_BYTES = 2000, 2**28

# Packets at a file's start that are decoded to see whether each gives a picture.
_LOOKED_AT = 48

# Their packets need not give a picture each wherever they are: hidden references, pictures that were not coded.
_NOT_ONE_EACH = frozenset({"mpeg4", "vp8", "msmpeg4v3", "wmv1", "wmv2", "wmv3", "vc1", "rv30", "rv40"})


class FrameCounter:
    """Knows the number, counted from the file's start, of the first frame decoded after a seek.

    All packets before a keyframe in the file are shown before it, so that number is the number of packets before the
    keyframe plus that of packets behind it which are shown earlier than the frame. Packets that an mp4's edit list
    hides are decoded but never shown, and do not count.

    Args:
        skipped: packets before the keyframe that are shown.
        packets: those from the keyframe on.

    Attributes:
        packets: the same; their times are noted up to the first frame.
    """

    def __init__(self, skipped: int, packets: Iterable[VideoPacket]) -> None:
        self._skipped = skipped
        self._times: list[int] = []
        self._counting = True
        self.packets = self._noted(packets)

    def _noted(self, packets: Iterable[VideoPacket]) -> VideoPackets:
        for packet in packets:
            if self._counting and packet.pts is not None and not packet.is_discard:
                self._times.append(packet.pts)
            yield packet

    def number_of_first(self, pts: int) -> int:
        """The number of the first frame, whose pts is given."""
        self._counting = False
        earlier = sum(time < pts for time in self._times)
        self._times.clear()
        return self._skipped + earlier


def never_shown(spec: SourceSpec) -> int | None:
    """Packets at a file's start that give no picture, since what they refer to was cut off.

    Returns:
        Their number; None where packets cannot be counted instead of frames.
    """
    if not Path(spec.location).is_file():  # a pipe can be read only once
        return None
    times: list[int | None] = []
    shown: list[int | None] = []
    broken: list[int | None] = []
    with open_container(spec) as container:
        stream = best_video_stream(container, spec)
        if stream.codec_context.codec.canonical_name in _NOT_ONE_EACH:
            return None
        for packet in chain(islice((packet for packet in demux(container, stream) if packet.size), _LOOKED_AT), [None]):
            if packet is not None and not packet.is_discard:
                times.append(packet.pts)
            try:
                shown += [frame.pts for frame in stream.codec_context.decode(packet)]
            except av.FFmpegError:
                broken.append(None if packet is None else packet.pts)
    first = min((time for time in shown if time is not None), default=None)
    if first is None or None in shown or None in times:
        return None
    early = sum(time is not None and time < first for time in times)
    unseen = early - sum(time is not None and time < first for time in broken)
    return unseen if unseen >= 0 and unseen + len(broken) + len(shown) == len(times) else None


def jump(decoder: Decoder, pts: int, unseen: int) -> FrameCounter:
    """Seek by a container's full index (mp4, mov): nothing before the keyframe is read.

    Args:
        decoder: at its start.
        pts: the frame that is looked for.
        unseen: packets that count as no frame, see `never_shown`.

    Raises:
        LookupError: there is no full index, or it does not lead to a keyframe before pts. The position is lost.
    """
    stream = decoder.stream
    entries = stream.index_entries
    if stream.frames == 0 or len(entries) != stream.frames or stream.time_base is None:
        raise LookupError
    # The index is in dts, which are smaller than pts by the encoder's reordering: less than a second.
    decoder.container.seek(pts - ceil(1 / stream.time_base), stream=stream)
    packets = decoder.packets()
    first = next(packets, None)
    if first is None or not first.is_keyframe or first.dts is None or (first.pts or first.dts) > pts:
        raise LookupError
    number = entries.search_timestamp(first.dts, any_frame=True)
    if number < 0 or entries[number].timestamp != first.dts:
        raise LookupError
    shown = sum(not entry.is_discard for entry in islice(entries, number))
    return FrameCounter(shown - unseen, chain([first], packets))


def skip(decoder: Decoder, pts: int, unseen: int) -> FrameCounter:
    """Read from the start, without decoding, up to the last keyframe shown at or before pts.

    Works in every container, at the speed of reading: Matroska and transport streams do not say how many frames lie
    before a point in them. Arguments as of `jump`.

    Raises:
        LookupError: times do not ascend, so that a packet's place does not tell its frame's. The position is lost.
    """
    packets = decoder.packets()
    held: list[VideoPacket] = []
    skipped = held_bytes = 0
    last: int | None = None
    for packet in packets:
        time = packet.pts if packet.dts is None else packet.dts
        if packet.pts is None or time is None or (last is not None and time <= last):
            raise LookupError
        last = time
        if packet.is_keyframe and packet.pts <= pts:
            skipped += sum(not before.is_discard for before in held)
            held.clear()
            held_bytes = 0
        held.append(packet)
        held_bytes += packet.size
        if len(held) > _HELD_PACKETS or held_bytes > _HELD_BYTES or time > pts:
            break
    return FrameCounter(skipped - unseen, chain(held, packets))
