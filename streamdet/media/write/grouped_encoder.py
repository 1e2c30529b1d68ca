"""Encodes the groups of pictures in which something changed, and copies the packets of all others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple, cast

import av
from av.container import OutputContainer

from streamdet.errors import SinkError
from streamdet.frames import Picture
from streamdet.media.colour import Colour, tag
from streamdet.media.nal_units import SYNTAX, split_units, with_start_codes
from streamdet.media.planes import picture_of
from streamdet.media.write.encoder import Beside, EncoderSettings, VideoEncoder, VideoPacket
from streamdet.media.write.groups import Group, GroupReader


class Moment(NamedTuple):
    """When a frame is shown.

    Attributes:
        source_pts: in the source, in its time base.
        pts, duration: in the output, in that of the output.
    """

    source_pts: int
    pts: int
    duration: int


def open_beside(
    output: OutputContainer,
    settings: EncoderSettings,
    reader: GroupReader,
    size: tuple[int, int],
    colour: Colour,
    rate: Fraction,
    time_base: Fraction,
    reordered_frames: int,
) -> VideoEncoder:
    """An encoder whose pictures can lie between those of a source, in one track that all decoders take.

    H.264 has parameter sets of another number than the source's, and all of them are in the header of the file (avc1);
    x265 numbers them as all others do, so they are repeated before each keyframe of both kinds (hev1).

    Args:
        output: container that the track is added to.
        settings: of the encoder.
        reader: of the source.
        size, colour: of its pictures, tags as they are.
        rate, time_base, reordered_frames: as in `VideoEncoder`.

    Raises:
        SinkError: the encoder refuses, or the container holds no frames that go back as far as the source's.
    """
    if reader.delay > reordered_frames:
        raise SinkError("the source has B-frames, and times too fine for them in this container; use --encode all")
    if min(size) < settings.smallest_side:
        raise SinkError(f"{settings.name} takes no pictures as small as these; use --encode all")
    is_h264 = reader.codec == "h264"
    options = {**settings.options, **({"x264-params": f"sps-id={reader.free_id}"} if is_h264 else {})}
    settings = replace(settings, options=options, mp4_tag=None if is_h264 else "hev1", sets_in_header=is_h264)

    def header(own: bytes) -> bytes:
        units = [*reader.header, *(split_units(own, None) if is_h264 else [])]
        sets = [unit for unit in units if SYNTAX[reader.codec].type_of(unit) in SYNTAX[reader.codec].sets]
        # The first one's profile and level stand for all in avcC.
        return with_start_codes(sorted(sets, key=lambda unit: _rank(unit, reader.codec)))

    like = av.VideoFrame(*size, "yuv420p")
    tag(like, colour)
    return VideoEncoder(
        output,
        settings,
        like,
        rate,
        time_base,
        pixel_aspect=reader.pixel_aspect,
        reordered_frames=reordered_frames,
        beside=Beside(reader.stream, header, reader.delay),
    )


def _rank(unit: bytes, codec: str) -> tuple[int, int, int]:
    syntax = SYNTAX[codec]
    kind = syntax.type_of(unit)
    first = codec == "h264" and kind == syntax.sets[0]
    return syntax.sets.index(kind), -unit[1] if first else 0, -unit[3] if first else 0


class GroupedEncoder:
    """What `VideoEncoder` does for frames, with the source's own packets wherever nothing changed.

    A frame that did not change waits, without its picture, until its group ends or something in it changes; then the
    pictures before are decoded once more. What is not exactly as the packets say is encoded.

    Args:
        encoder: of `open_beside`.
        reader: of the source, at its start.
        convert: makes a frame for the encoder.

    Attributes:
        copied, encoded: frames so far.
        problems: why groups could not be copied, and the number of these groups.
    """

    def __init__(self, encoder: VideoEncoder, reader: GroupReader, convert: Callable[[Picture], av.VideoFrame]) -> None:
        self._encoder, self._reader, self._convert = encoder, reader, convert
        self._delay = encoder.delay
        self._group: Group | None = None
        self._is_at_end = False
        self._waits = False
        self._waiting: list[Moment] = []
        self.copied = self.encoded = 0
        self.problems: Counter[str] = Counter()

    def add(self, picture: Picture, moment: Moment, *, changed: bool) -> list[VideoPacket]:
        """Take the next frame; gives the packets that are certain now."""
        packets = self._enter(moment.source_pts)
        if self._waits and not changed and self._is_next(moment):
            self._waiting.append(moment)
            return packets
        packets += self._encode_waiting()
        return packets + self._encode(self._convert(picture), moment)

    def encode(self, frame: av.VideoFrame, pts: int, duration: int) -> list[VideoPacket]:
        """Encode a frame that is none of the source's."""
        packets = self._encode_waiting()
        return packets + self._encoder.encode(frame, pts, duration)

    def restart(self) -> list[VideoPacket]:
        """As `VideoEncoder`; frames that wait still wait."""
        return self._encoder.restart()

    def flush(self) -> list[VideoPacket]:
        """All that is left."""
        return self._encoder.flush(self._leave())

    def adopt(self, packet: VideoPacket) -> VideoPacket:
        """As `VideoEncoder`."""
        return self._encoder.adopt(packet)

    def state(self) -> dict[str, Any]:
        """As `VideoEncoder`; where the group is that was started."""
        first = self._group.times[0] if self._group is not None else None
        own = {"group": first, "waits": self._waits, "waiting": [list(moment) for moment in self._waiting]}
        return {**self._encoder.state(), **own}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As `VideoEncoder`.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self._encoder.load_state(state)
        if state["group"] is not None:
            self._group = self._reader.group_at(int(state["group"]))
        self._waits = bool(state["waits"])
        self._waiting = [Moment(*map(int, moment)) for moment in state["waiting"]]

    def _enter(self, pts: int) -> list[VideoPacket]:
        """Find the group of a frame; gives the packets of the one before."""
        if self._is_at_end or (self._group is not None and pts <= self._group.times[-1]):
            return []
        packets = self._leave()
        self._group = self._reader.group_at(pts)
        self._is_at_end = self._group is None
        problem = None if self._group is None else self._group.why_not_after(self._delay)
        self._waits = self._group is not None and problem is None
        self.problems.update([] if problem is None else [problem])
        return packets

    def _is_next(self, moment: Moment) -> bool:
        return self._group is not None and self._group.times[len(self._waiting)] == moment.source_pts

    def _leave(self) -> list[VideoPacket]:
        """A group is over: all of it is copied, or what waits is encoded."""
        group, waiting = self._group, self._waiting
        if group is None or len(waiting) < len(group.times):
            return self._encode_waiting()
        self._waiting, self._waits = [], False
        self.copied += len(waiting)
        return self._encoder.insert(self._numbered(group), [(moment.pts, moment.duration) for moment in waiting])

    def _numbered(self, group: Group) -> Iterator[VideoPacket]:
        numbers = {pts: number for number, pts in enumerate(group.times)}
        for data, packet in self._reader.copied(group):
            copy = cast(VideoPacket, av.Packet(data))
            copy.pts, copy.is_keyframe = numbers[packet.pts or 0], packet.is_keyframe
            yield copy

    def _encode_waiting(self) -> list[VideoPacket]:
        """Nothing of this group is copied: encode its frames so far."""
        waiting, self._waiting, self._waits = self._waiting, [], False
        packets: list[VideoPacket] = []
        if self._group is not None and waiting:
            frames = self._reader.frames(self._group, len(waiting))
            for moment, frame in zip(waiting, frames, strict=True):
                packets += self._encode(self._convert(picture_of(frame)), moment)
        return packets

    def _encode(self, frame: av.VideoFrame, moment: Moment) -> list[VideoPacket]:
        self.encoded += 1
        return self._encoder.encode(frame, moment.pts, moment.duration)
