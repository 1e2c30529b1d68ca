"""Streaming AP: a result counts for the moment at which it is ready, not for the frame that it was computed from.

While the detector works, the world moves on: at the time of each frame the latest result that is ready is judged
against what that frame shows. A detector that is busy skips to the newest frame when it is free again.

Source: Li et al. 2020 (Towards Streaming Perception), section 3.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.evaluation.average_precision import average_precision
from streamdet.evaluation.judged import Pairs, VideoLabels


def streaming_average_precision(
    pairs: Pairs,
    classes: Sequence[str],
    latencies_s: Sequence[NDArray[np.float64]],
    only: Collection[str] | None = None,
) -> dict[str, Any]:
    """AP with latency counted.

    Only the predictions of taken_frames are read. A detector with a memory must not have seen the other frames.

    Args:
        pairs: videos with one Detections a frame.
        classes: names of the set's classes.
        latencies_s: for each video (F,) float64, seconds that the detector needs for each frame.
        only: names to judge; all by default.

    Returns:
        As average_precision.

    Raises:
        ValueError: if a video does not have one latency a frame.
    """
    late = []
    for (video, predictions), seconds in zip(pairs, latencies_s, strict=True):
        if len(seconds) != len(predictions):
            raise ValueError(f"video {video.name}: {len(seconds)} latencies for {len(predictions)} frames")
        shown: list[Detections] = []
        for start, stop in video.segments:
            latest = latest_ready(
                video.times_s[start:stop], ready_times(video.times_s[start:stop], seconds[start:stop])
            )
            for frame, source in enumerate(latest.tolist(), start=start):
                shown.append(predictions[start + source] if source >= 0 else predictions[frame][:0])
        late.append((video, shown))
    return average_precision(late, classes, only)


def taken_frames(video: VideoLabels, latencies_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(F,) bool: the frames that a detector has time for, if it needs these (F,) seconds for each."""
    ready_s = [ready_times(video.times_s[start:stop], latencies_s[start:stop]) for start, stop in video.segments]
    return np.isfinite(np.concatenate(ready_s))


def ready_times(times_s: NDArray[np.float64], latencies_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """When the result of each frame is ready, if a free detector always takes the newest frame.

    Args:
        times_s: (F,) float64, seconds, ascending, when each frame is there.
        latencies_s: (F,) float64, seconds that each frame takes.

    Returns:
        (F,) float64, seconds; infinite for a frame that was skipped.
    """
    ready_s = np.full(len(times_s), np.inf)
    frame, free_s = 0, -np.inf
    while frame < len(times_s):
        start_s = max(free_s, float(times_s[frame]))
        frame = int(np.searchsorted(times_s, start_s, side="right")) - 1
        free_s = ready_s[frame] = start_s + float(latencies_s[frame])
        frame += 1
    return ready_s


def latest_ready(times_s: NDArray[np.float64], ready_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """(F,) index of the frame whose result is the latest that is ready at each frame's time; -1 for none yet."""
    processed = np.append(np.flatnonzero(np.isfinite(ready_s)), -1)
    return processed[np.searchsorted(ready_s[processed[:-1]], times_s, side="right") - 1]
