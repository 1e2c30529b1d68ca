"""A part of a video as a video: the last minutes for judging, the rest for training."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from streamdet.datasets.labels import FrameReader, LabelledVideo, aspect_of
from streamdet.errors import ConfigError
from streamdet.frames import Image


@dataclass(frozen=True, slots=True)
class _PartOfFrames:
    frames: FrameReader
    start: int
    stop: int

    @property
    def pixel_aspect(self) -> Fraction:
        """As of the frames themselves."""
        return aspect_of(self.frames)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        count = self.stop - self.start
        return self.frames.read(
            self.start + min(start, count), self.start + min(count if stop is None else stop, count)
        )


def cut(video: LabelledVideo, start: int = 0, stop: int | None = None) -> LabelledVideo:
    """Frames start to stop (exclusive); negative ones count from the end, as in a slice. Times stay as they are.

    Raises:
        ConfigError: if no frame is left.
    """
    first, last, _ = slice(start, stop).indices(len(video))
    if first >= last:
        raise ConfigError(f"{video.name}: frames {start} to {stop} are not among its {len(video)}")
    inside = ((max(a, first) - first, min(b, last) - first) for a, b in video.segments)
    return replace(
        video,
        times_s=video.times_s[first:last],
        labels=video.labels[first:last],
        segments=tuple((a, b) for a, b in inside if a < b),
        frames=_PartOfFrames(video.frames, first, last),
    )
