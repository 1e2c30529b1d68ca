"""track: gives every box an identity that holds over frames."""

from collections.abc import Iterator

import numpy as np

from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, Marker, StreamEnded, StreamGap, StreamStarted
from streamdet.result import Result
from streamdet.tracking.byte_tracker import ByteTracker
from streamdet.tracking.options import TrackOptions

Item = Result | Marker


def track() -> Stage:
    """Result to Result with identities; one tracker a stream, which begins anew after a gap."""
    return Stage("track", _process)


def _process(inbox: Inbox[Item]) -> Iterator[Item]:
    trackers: dict[str, ByteTracker] = {}
    steps_s: dict[str, float] = {}  # of streams that continue another file: from its last frame to their first
    for item in inbox:
        if isinstance(item, Result):
            tracker = trackers.setdefault(item.source, ByteTracker(TrackOptions(), 0.25))
            if item.source in steps_s:
                tracker.continue_at(item.pts_s - steps_s.pop(item.source))
            yield item.with_detections(tracker.update(item.detections, item.pts_s))
            continue
        if isinstance(item, StreamGap) and item.source in trackers:
            trackers[item.source].reset()
        elif isinstance(item, StreamEnded):
            trackers.pop(item.source, None)
        elif isinstance(item, Checkpoint) and item.source in trackers:
            state = trackers[item.source].state_dict()
            item.arrays["track"] = {name: np.asarray(value) for name, value in state.items()}
        elif isinstance(item, StreamStarted) and (before := item.goes_on_from) and "track" in before.arrays:
            tracker = trackers[item.source] = ByteTracker(TrackOptions(), 0.25)
            tracker.load_state_dict(before.arrays["track"])
            if item.resume is None:
                steps_s[item.source] = before.facts["decode"]["step_s"]
        yield item
