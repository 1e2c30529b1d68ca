"""One video of several that were encoded alike: their packets one after another, and the audio of their source."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from streamdet.errors import SinkError
from streamdet.media.container import demux, open_file
from streamdet.media.write.copied import TrackCopier, open_tracks
from streamdet.media.write.formats import output_format
from streamdet.media.write.part_file import PartFile, write_error


def join_videos(parts: Sequence[Path], source: Path, target: Path, codec: str, *, audio: bool) -> int:
    """Write the video packets of all parts, with their own times, and copy audio and subtitles of the source once.

    Args:
        parts: in order of time; the first frame of each is a keyframe, and later than all before.
        source: what they were made from.
        target: mp4, mov or mkv, replaced where it exists.
        codec: of the parts.
        audio: whether audio is copied.

    Returns:
        How many pictures there are.

    Raises:
        SinkError: it cannot be written, or a part cannot be read.
    """
    container = output_format(target, codec)
    part = PartFile(target)
    copier = TrackCopier(
        open_tracks(source, container, None, None, ("audio", "subtitle")) if audio else [], Fraction(0)
    )
    try:
        count = _joined(parts, part.path, container.muxer, copier)
        part.publish(part.path)
    except (av.FFmpegError, OSError, IndexError) as error:
        part.discard()
        raise write_error(target, error) from error
    except SinkError:
        part.discard()
        raise
    finally:
        copier.close()
    return count


def _joined(parts: Sequence[Path], path: Path, muxer: str, copier: TrackCopier) -> int:
    count = 0
    options = {"movflags": "+faststart"} if muxer in ("mp4", "mov") else {}
    with av.open(str(path.absolute()), "w", format=muxer, container_options=options) as output:
        with open_file(parts[0]) as first:
            video = output.add_stream_from_template(first.streams.video[0])
            video.time_base = first.streams.video[0].time_base
        copier.add_to(output)
        for each in parts:
            with open_file(each) as opened:
                for packet in demux(opened, opened.streams.video[0]):
                    if not packet.size:
                        continue
                    packet.stream = video
                    copier.copy(output, (packet.dts or 0) * Fraction(packet.time_base))
                    output.mux(packet)
                    count += 1
        copier.copy(output, None)
    return count
