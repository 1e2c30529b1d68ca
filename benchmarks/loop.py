"""A short video as a long stream, to see whether a memory drifts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from streamdet.datasets.labels import FrameReader, LabelledVideo
from streamdet.frames import Image


@dataclass(frozen=True, slots=True)
class _Repeated:
    frames: FrameReader
    count: int
    total: int

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        stop = self.total if stop is None else min(stop, self.total)
        while start < stop:
            first = start % self.count
            last = min(self.count, first + stop - start)
            yield from self.frames.read(first, last)
            start += last - first


def loop(video: LabelledVideo, passes: int) -> LabelledVideo:
    """The video again and again, as one stream whose time goes on.

    Every pass shows the same, so what a detector loses from the second pass to the last is drift. The jump back to the
    first frame is no break: a memory must get over it, as over a cut.

    Args:
        video: without a break in time.
        passes: how often it is shown.

    Raises:
        ValueError: if the video has breaks.
    """
    if len(video.segments) != 1:
        raise ValueError(f"{video.name} has {len(video.segments) - 1} breaks in time, a loop needs a video without")
    frames = len(video)
    step_s = float(np.median(np.diff(video.times_s))) if frames > 1 else 1.0
    period_s = float(video.times_s[-1] - video.times_s[0]) + step_s
    highest = max((int(entry.track_ids.max(initial=-1)) for entry in video.labels if entry is not None), default=-1)
    labels = tuple(
        entry
        and replace(
            entry,
            track_ids=np.where(entry.track_ids < 0, -1, entry.track_ids + number * (highest + 1)).astype(np.int64),
        )
        for number in range(passes)
        for entry in video.labels
    )
    return replace(
        video,
        times_s=(np.arange(passes)[:, None] * period_s + video.times_s).ravel(),
        labels=labels,
        segments=((0, passes * frames),),
        frames=_Repeated(video.frames, frames, passes * frames),
    )
