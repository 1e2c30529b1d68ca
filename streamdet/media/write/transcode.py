"""Decoding and encoding with nothing between them: the pace that no pipeline with both can exceed."""

from itertools import islice
from pathlib import Path

import av
from av.video.frame import PictureType

from streamdet.errors import DecodeError
from streamdet.media.container import frame_rate, open_container, reason
from streamdet.media.locations import SourceSpec
from streamdet.media.timeline import DEFAULT_RATE
from streamdet.media.tracks import best_video_stream
from streamdet.media.write.encoder import VideoEncoder, encoder_settings
from streamdet.media.write.formats import output_format
from streamdet.media.write.options import DEFAULTS


def transcode(spec: SourceSpec, path: Path, *, max_frames: int) -> int:
    """Encode a file's pictures as a VideoWriter does by default; at a constant rate, and without sound.

    Args:
        spec: a video file.
        path: the mp4 to write.
        max_frames: most frames.

    Returns:
        the number of frames.

    Raises:
        SourceError: the file cannot be read.
    """
    container = output_format(path, "h264")
    encoder, frames = None, 0
    with open_container(spec) as source, av.open(str(path.absolute()), "w", format=container.muxer) as output:
        stream = best_video_stream(source, spec)
        stream.thread_type = "AUTO"
        rate = frame_rate(stream) or DEFAULT_RATE
        try:
            for frame in islice(source.decode(stream), max_frames):
                if encoder is None:
                    reordered = container.reordered_frames(1 / rate)
                    encoder = VideoEncoder(
                        output, encoder_settings(DEFAULTS), frame, rate, 1 / rate, reordered_frames=reordered
                    )
                frame.pict_type = PictureType.NONE  # not the source's choice of keyframes
                output.mux(encoder.encode(frame, frames, 1))
                frames += 1
            if encoder is not None:
                output.mux(encoder.flush())
        except av.FFmpegError as error:
            raise DecodeError(f"{spec.shown}: cannot be transcoded: {reason(error)}") from error
    return frames
