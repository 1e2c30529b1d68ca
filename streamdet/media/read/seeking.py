"""Getting to a keyframe before a given time, and still knowing each frame's number from the file's beginning."""

from collections.abc import Callable
from itertools import chain, islice
from math import ceil

from av.container import InputContainer
from av.video.stream import VideoStream

from streamdet.media.container import VideoPacket, VideoPackets

# Packets since the last keyframe that are held while looking for the next; a stream with none for so long is decoded.
# A forged index can make the same megabytes a packet again and again.
_HELD_PACKETS, _HELD_BYTES = 2000, 2**28


class FrameCounter:
    """Knows the number, counted from the file's beginning, of the first frame decoded after a seek.

    All packets before a keyframe in the file are shown before it, so that number is the number of packets before the
    keyframe plus that of packets behind it which are shown earlier than the frame. Packets that an mp4's edit list
    hides are decoded but never shown, and do not count.

    Args:
        skipped: packets before the keyframe that are shown.
    """

    def __init__(self, skipped: int) -> None:
        self._skipped = skipped
        self._times: list[int] = []
        self._counting = True

    def counted(self, packets: VideoPackets) -> VideoPackets:
        """Pass packets on and note their times, up to the first frame."""
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


def jump(
    container: InputContainer, stream: VideoStream, pts: int, read: Callable[[], VideoPackets]
) -> tuple[int, VideoPackets]:
    """Seek by a container's full index (mp4, mov): nothing before the keyframe is read.

    Returns:
        The number of packets before the keyframe that are shown, and the packets from it on.

    Raises:
        LookupError: there is no full index, or it does not lead to a keyframe before pts. The position is lost.
    """
    entries = stream.index_entries
    if stream.frames == 0 or len(entries) != stream.frames or stream.time_base is None:
        raise LookupError
    # The index is in dts, which are smaller than pts by the encoder's reordering: less than a second.
    container.seek(pts - ceil(1 / stream.time_base), stream=stream)
    packets = read()
    first = next(packets, None)
    if first is None or not first.is_keyframe or first.dts is None or (first.pts or first.dts) > pts:
        raise LookupError
    number = entries.search_timestamp(first.dts, any_frame=True)
    if number < 0 or entries[number].timestamp != first.dts:
        raise LookupError
    shown = sum(not entry.is_discard for entry in islice(entries, number))
    return shown, chain([first], packets)


def skip(pts: int, packets: VideoPackets) -> tuple[int, VideoPackets]:
    """Read from the beginning, without decoding, up to the last keyframe shown at or before pts.

    Works in every container, at the speed of reading: Matroska and transport streams do not say how many frames lie
    before a point in them.

    Returns:
        The number of packets before the keyframe that are shown, and the packets from it on.
    """
    held: list[VideoPacket] = []
    skipped = held_bytes = 0
    for packet in packets:
        if packet.is_keyframe and packet.pts is not None and packet.pts <= pts:
            skipped += sum(not before.is_discard for before in held)
            held.clear()
            held_bytes = 0
        held.append(packet)
        held_bytes += packet.size
        time = packet.pts if packet.dts is None else packet.dts
        if len(held) > _HELD_PACKETS or held_bytes > _HELD_BYTES or (time is not None and time > pts):
            break
    return skipped, chain(held, packets)
