"""encode: writes each stream's pictures to a video of its own."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Protocol

from streamdet.errors import SinkError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, Marker, Picture, StreamEnded, StreamStarted
from streamdet.media.write.writer import VideoWriter
from streamdet.result import Result
from streamdet.sinks.failures import Failures, close_all, remembered

Item = Result | Marker


class VideoOutput(Protocol):
    """Where pictures go; streamdet.media.write.writer.VideoWriter is one. Both methods raise SinkError."""

    def write(self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0) -> None:
        """Add a picture: (H, W, 3) uint8 RGB, or as a source gives it."""
        ...

    def close(self) -> None:
        """Finish it; what was written is playable."""
        ...


def encode(outputs: Callable[[StreamStarted], VideoOutput | None], failures: Failures) -> Stage:
    """Write every picture; everything passes through.

    An output is finished at its stream's end, or when the run ends for whatever reason. One that fails is given up,
    and the others and the run go on.

    Args:
        outputs: opens the output of a stream; None where it has none.
        failures: gets (stream, error) of every output that failed.
    """

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        videos: dict[str, VideoOutput] = {}
        try:
            for item in inbox:
                with remembered(failures, item.source):
                    _write(item, videos, outputs)
                yield item
        finally:
            close_all(videos, failures)

    return Stage("encode", process)


def _write(item: Item, videos: dict[str, VideoOutput], outputs: Callable[[StreamStarted], VideoOutput | None]) -> None:
    source = item.source
    if isinstance(item, StreamStarted):
        if video := outputs(item):
            videos[source] = video
    elif isinstance(item, StreamEnded):
        if video := videos.pop(source, None):
            video.close()
    elif isinstance(item, Result | Checkpoint) and (video := videos.get(source)):
        try:
            if isinstance(item, Result):
                video.write(item.frame.picture, item.pts, item.frame.time_base, item.frame.duration)
            elif not item.last and isinstance(video, VideoWriter) and (state := video.checkpoint()) is not None:
                item.facts["encode"] = state
        except SinkError:
            del videos[source]
            with suppress(SinkError):  # what is wrong with it is said already
                video.close()
            raise
