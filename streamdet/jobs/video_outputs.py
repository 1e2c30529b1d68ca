"""Where a stream's pictures go, by the path or address that a job names: a file, segments, a playlist, a server."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from streamdet.frames import StreamStarted
from streamdet.jobs.config import DecodeConfig, EncodeConfig
from streamdet.media.locations import redact
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.hls import HlsWriter
from streamdet.media.write.rtsp_publisher import RtspPublisher
from streamdet.media.write.segments import SegmentedWriter
from streamdet.media.write.writer import VideoWriter
from streamdet.sinks.failures import Deliveries
from streamdet.stages.encode import VideoOutput

_RTSP = re.compile(r"rtsps?://", re.IGNORECASE)


def is_rtsp(path: str | Path | None) -> bool:
    """Whether pictures are published rather than written."""
    return isinstance(path, str) and _RTSP.match(path) is not None


def is_playlist(path: str | Path | None) -> bool:
    """Whether pictures become HLS."""
    return path is not None and not is_rtsp(path) and Path(path).suffix.lower() == ".m3u8"


def video_outputs(
    settings: EncodeConfig, part: DecodeConfig, videos: Mapping[str, str | Path], deliveries: Deliveries
) -> Callable[[StreamStarted], VideoOutput | None]:
    """What opens the output of a stream.

    Args:
        settings, part: of the job.
        videos: path or address by name of the stream; looked up when the stream starts.
        deliveries: gets what is counted of outputs that may fail and recover.
    """

    def open_output(started: StreamStarted) -> VideoOutput | None:
        target = videos.get(started.source)
        return None if target is None else _open(target, started, settings, part, deliveries)

    return open_output


def _open(
    target: str | Path, started: StreamStarted, settings: EncodeConfig, part: DecodeConfig, deliveries: Deliveries
) -> VideoOutput:
    info, path = started.info, Path(target)
    start_s, end_s = part.start_s or None, part.end_s
    if not is_rtsp(target) and not is_playlist(target) and settings.segment_s is None:
        return VideoWriter(
            path,
            info,
            settings,
            start_s=start_s,
            end_s=end_s,
            resume=None if started.resume is None else started.resume.facts["encode"],
        )
    delivery = deliveries[str(target)] = Delivery(redact(str(target)), _unit(target))
    if is_rtsp(target):
        return RtspPublisher(str(target), info, delivery, settings)
    if settings.segment_s is not None:
        return SegmentedWriter(path, info, settings.segment_s, delivery, settings, end_s=end_s)
    return HlsWriter(
        path,
        info,
        delivery,
        settings,
        start_s=start_s,
        end_s=end_s,
        window_s=settings.window_s,
    )


def _unit(target: str | Path) -> str:
    return "pictures" if is_rtsp(target) or is_playlist(target) else "files"
