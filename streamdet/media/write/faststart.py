"""Rewrites a fragmented mp4 as a plain one whose index comes first."""

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from streamdet.media.write.copied import TrackCopier
from streamdet.media.write.extras import Extras
from streamdet.media.write.formats import OutputFormat


def rewrite_faststart(
    source: Path,
    target: Path,
    container: OutputFormat,
    *,
    video_time_base: Fraction,
    frames: int,
    last_frame: tuple[int, int],
    samples: int,
    late: TrackCopier,
    until_s: Fraction | None,
    extras: Extras,
) -> None:
    """Copy all packets of a fragmented mp4, and the tracks that could not be in it, into a plain mp4.

    Args:
        source, target: existing and new file.
        container: of both.
        video_time_base: of the encoder.
        frames: number of video packets.
        last_frame: pts of the last frame and pts at which it ends, in that time base: fragments lose its duration
            where there are B-frames, since mp4 stores the differences of dts.
        samples: number of all packets.
        late: subtitles, and audio that starts long after the video.
        until_s: where those end; None: with their file.
        extras: tags and chapters.

    Raises:
        av.FFmpegError, OSError, ValueError: there is no room, or the source cannot be read.
    """
    options = container.final_options(video_time_base, None if late.tracks else samples)
    with (
        av.open(str(source.absolute())) as fragments,
        av.open(str(target.absolute()), "w", format=container.muxer, container_options=options) as output,
    ):
        streams = _copy_streams(fragments, output)
        late.add_to(output)
        extras.add_to(output)
        for packet in fragments.demux(*streams):
            if not packet.size or packet.pts is None or packet.dts is None:
                continue
            if packet.stream.type == "video":
                late.copy(output, packet.dts * packet.time_base)
                frames -= 1
                _set_duration(packet, last_frame, video_time_base, is_last=frames == 0)
            packet.stream = streams[packet.stream]
            output.mux(packet)
            samples -= 1
        if samples:
            raise OSError(f"{samples} packets could not be read back")
        late.copy(output, until_s)


def _copy_streams(fragments: InputContainer, output: OutputContainer) -> dict[Stream, Stream]:
    streams: dict[Stream, Stream] = {}
    for stream in fragments.streams:
        copy = output.add_stream_from_template(stream, opaque=True)
        copy.codec_context.codec_tag = stream.codec_context.codec_tag
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        streams[stream] = copy
    return streams


def _set_duration(
    packet: "av.Packet[Stream]", last_frame: tuple[int, int], time_base: Fraction, *, is_last: bool
) -> None:
    """Make the last frame last until its end, and no other longer.

    The last packet keeps the duration that makes the sum of all right (see `VideoEncoder.flush`).
    """
    last_pts, end_pts = (round(pts * time_base / packet.time_base) for pts in last_frame)
    left = end_pts - (packet.pts or 0)
    if packet.pts == last_pts:
        packet.duration = max(packet.duration or 0, left) if is_last else left
    elif not is_last:
        packet.duration = min(packet.duration or left, left)
