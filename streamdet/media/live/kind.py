"""Which sources are live, so that they are read as such."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from streamdet.errors import SourceError
from streamdet.media.container import open_container
from streamdet.media.locations import VIDEO_SUFFIXES, SourceSpec

_LIVE_SCHEMES = re.compile(r"(rtsps?|rtmps?|udp|srt|tcp)://", re.IGNORECASE)
_PLAYLIST = ".m3u8"


def is_live(spec: SourceSpec) -> bool:
    """Whether a source is a camera or a stream without an end.

    Cameras, rtsp://, rtmp://, udp://, srt:// and tcp:// are. Of http(s)://, addresses that end like a video file are
    not; the server is asked for all others, which takes up to 5 s: what has no duration is live (HLS, MJPEG). A
    playlist that nobody answers for is taken as live, since that is what one waits for.
    """
    if spec.kind != "network":
        return spec.kind == "camera"
    if _LIVE_SCHEMES.match(spec.location):
        return True
    suffix = PurePosixPath(urlsplit(spec.location).path).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return False
    try:
        with open_container(spec) as container:
            return not container.duration
    except SourceError:
        return suffix == _PLAYLIST
