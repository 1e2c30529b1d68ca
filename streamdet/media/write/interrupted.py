"""What a run that was interrupted has written of a video: found, kept safe, and read again."""

import heapq
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av

from streamdet.media.container import VideoPacket, demux, open_file
from streamdet.media.nal_units import SYNTAX, split_units, with_start_codes
from streamdet.media.write.part_file import Mark, part_path, write_error

_LENGTH_SIZE = 4  # as FFmpeg's muxers write them


def written_before(target: Path, marks: Sequence[Mark], *, whole: bool, published: bool) -> tuple[Path, int]:
    """The file that holds most of what an interrupted run has written of a video, and how many whole pictures.

    Args:
        target: the output.
        marks: places of the growing file up to which it was synced to the disk.
        whole: what came behind them is there as well: there was no power cut.
        published: the run gave what it had its final name. What has that name otherwise is of another run.
    """
    packets: dict[Path, int] = {target: _count(target, None) if published else 0}
    for path in (part_path(target), _kept(target)):
        lengths = [mark.length for mark in marks if mark.fits(path)]
        packets[path] = _count(path, None if whole else max(lengths)) if lengths else 0
    best = max(packets, key=lambda path: packets[path])
    return best, packets[best]


def _count(path: Path, until_bytes: int | None) -> int:
    try:
        return sum(1 for _ in whole_packets(path, until_bytes))
    except (av.FFmpegError, OSError, LookupError):
        return 0


def keep_interrupted(written: Path, target: Path) -> Path:
    """Put what an interrupted run has written out of the way of a new PartFile.

    Raises:
        SinkError: it is gone.
    """
    try:
        return written.replace(_kept(target)) if written == part_path(target) else written
    except OSError as error:
        raise write_error(target, error) from error


def forget_interrupted(target: Path) -> None:
    """All of it is in the new file."""
    with suppress(OSError):
        _kept(target).unlink()


def _kept(target: Path) -> Path:
    return target.with_name(f".{target.name}.resumed")


def whole_packets(path: Path, until_bytes: int | None = None) -> Generator[VideoPacket]:
    """Video packets of a file that was being written when its writer was killed, up to where it is torn.

    Args:
        path: of the file.
        until_bytes: so much of it is on the disk for certain; None: all of it.

    Raises:
        av.FFmpegError: it cannot be read at all.
    """
    with open_file(path) as file:
        try:
            for packet in demux(file, file.streams.video[0]):
                end = (packet.pos or 0) + packet.size
                if packet.is_corrupt or not packet.size or (until_bytes is not None and end > until_bytes):
                    return
                yield packet
        except av.FFmpegError:
            return


def packets_again(path: Path, time_base: Fraction, encoder: Mapping[str, Any]) -> Generator[VideoPacket]:
    """The packets of a torn file as the encoder gave them.

    Args:
        path: mp4, mov, mkv or webm.
        time_base: of the encoder's packets.
        encoder: `VideoEncoder.state`. Matroska holds no dts; that of packet n is the pts of frame n - delay.

    Raises:
        av.FFmpegError, LookupError, ValueError: it cannot be read, or the state is none.
    """
    delay, first_dts = int(encoder["delay"]), int(encoder["first_dts"])
    apart = (int(encoder["first_pts"]) - first_dts) // max(1, delay)
    shown: list[int] = []
    for number, packet in enumerate(whole_packets(path)):
        data = bytes(packet)
        has_lengths = packet.stream.codec_context.name in SYNTAX
        again = av.Packet(with_start_codes(split_units(data, _LENGTH_SIZE)) if has_lengths else data)
        again.pts = _units(packet.pts, packet, time_base)
        heapq.heappush(shown, again.pts)
        earliest = first_dts + number * apart if number < delay else heapq.heappop(shown)
        again.dts = earliest if packet.dts is None else _units(packet.dts, packet, time_base)
        again.duration = _units(packet.duration, packet, time_base)
        again.time_base, again.is_keyframe = time_base, packet.is_keyframe
        yield cast(VideoPacket, again)


def _units(count: int | None, packet: VideoPacket, time_base: Fraction) -> int:
    return round((count or 0) * packet.time_base / time_base)
