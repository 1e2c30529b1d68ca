"""Which of a source's video tracks is the one that is meant."""

import logging
from collections import Counter
from functools import lru_cache
from itertools import islice
from pathlib import Path

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from streamdet.errors import SourceOpenError
from streamdet.media.container import MAX_PIXELS, PIXEL_LIMIT, demux, open_container
from streamdet.media.locations import SourceSpec

_log = logging.getLogger(__name__)

# Packets of all tracks that are processed where a container does not say how many pictures a track has.
_LOOKED_AT = 400

_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails


def best_video_stream(container: InputContainer, spec: SourceSpec) -> VideoStream:
    """The video that a user means: the track that is asked for, else the largest one, a default one before others.

    A track of a single picture (a preview, a photo beside its motion) is chosen only where no other has more; cover art
    never. Where several are left, a warning names those that are not read.

    Its decoder refuses pictures of more than MAX_PIXELS.

    Source: the stream selection of the ffmpeg program (fftools/ffmpeg_mux_init.c, map_auto_video), which takes single
    pictures for video.

    Raises:
        SourceOpenError: there is none, no decoder for it, its pictures are too large, or only parts of one.
    """
    videos = [stream for stream in container.streams.video if not stream.disposition & _NO_VIDEO]
    if not videos:
        raise SourceOpenError(f"{spec.shown}: {_what_instead(container, spec)}")
    decodable = [video for video in videos if video.codec_context is not None]
    if not decodable:
        raise SourceOpenError(f"{spec.shown}: this build of FFmpeg has no decoder for its video")
    best = _asked_for(decodable, spec) if spec.track_index is not None else _best(decodable, spec)
    width, height = best.codec_context.width, best.codec_context.height
    if width * height > MAX_PIXELS:
        most = f"{MAX_PIXELS / 1e6:.1f} million (8K)"
        raise SourceOpenError(f"{spec.shown}: its pictures have {width}x{height} pixels; expected at most {most}")
    best.codec_context.options = PIXEL_LIMIT
    return best


def _what_instead(container: InputContainer, spec: SourceSpec) -> str:
    others = sorted({stream.type for stream in container.streams if stream.type != "video"})
    if spec.location.lower().startswith("rtsp") and not others:  # it is asked for video alone
        return "offers no video, only audio or data"
    named = {"subtitle": "subtitles"}
    return f"holds no video, only {' and '.join(named.get(other, other) for other in others) or 'pictures'}"


def _asked_for(videos: list[VideoStream], spec: SourceSpec) -> VideoStream:
    for video in videos:
        if video.index == spec.track_index:
            if _is_tile(video):
                raise SourceOpenError(
                    f"{spec.shown}: its track {video.index} is a tile of a picture, not a picture; leave --track-index "
                    "out to read the whole"
                )
            return video
    raise SourceOpenError(f"{spec.shown}: has no video track {spec.track_index}; it has {_named(videos)}")


def _best(videos: list[VideoStream], spec: SourceSpec) -> VideoStream:
    if len(videos) == 1 and not _is_tile(videos[0]):
        return videos[0]
    pictures = _pictures(videos, spec)
    moving = [video for video in videos if pictures[video.index] != 1]
    if not moving and (tiles := [video for video in videos if _is_tile(video)]):
        videos = [video for video in videos if Disposition.default in video.disposition and not _is_tile(video)]
        if not videos:
            raise SourceOpenError(
                f"{spec.shown}: is one picture made of {len(tiles)} tiles in a way that is not read; "
                "save it as .jpg or .png"
            )
    best = max(moving or videos, key=_preference)
    others = [video for video in moving if video is not best]
    if others:
        what = f"track {best.index} is read, and not {_named(others)}; --track-index chooses another one"
        _warn(f"{spec.shown}: holds {len(moving)} videos: {what}")
    return best


def _is_tile(video: VideoStream) -> bool:
    return Disposition.dependent in video.disposition


def _named(videos: list[VideoStream]) -> str:
    contexts = ((video.index, video.codec_context) for video in videos)
    return ", ".join(f"{index} ({context.name}, {context.width}x{context.height})" for index, context in contexts)


def _pictures(videos: list[VideoStream], spec: SourceSpec) -> Counter[int]:
    """How many pictures each track has, by index; of those that do not say, as far as a look at the packets tells."""
    # AVI counts the empty packets that fill a short track up.
    counted = "avi" not in videos[0].container.format.name
    counts = Counter({video.index: video.frames if counted else 0 for video in videos})
    # A pipe can be read only once.
    if all(counts.values()) or spec.kind != "file" or not Path(spec.location).is_file():
        return counts
    with open_container(spec) as container:
        streams = [container.streams[video.index] for video in videos]
        seen = Counter(packet.stream_index for packet in islice(demux(container, *streams), _LOOKED_AT) if packet.size)
    return Counter({index: count or seen[index] for index, count in counts.items()})


def _preference(video: VideoStream) -> int:
    pixels = video.codec_context.width * video.codec_context.height
    return pixels + (5_000_000 if Disposition.default in video.disposition else 0)


@lru_cache(maxsize=1000)  # a source is opened more than once
def _warn(text: str) -> None:
    _log.warning("%s", text)
