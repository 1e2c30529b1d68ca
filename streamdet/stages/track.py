"""track: gives every box an identity that holds over frames."""

from collections.abc import Iterator

from streamdet.flow import Inbox, Stage
from streamdet.frames import Marker, StreamEnded, StreamGap
from streamdet.stages.result import Result
from streamdet.tracking.byte_tracker import ByteTracker

Item = Result | Marker


def track() -> Stage:
    """Result to Result with identities; one tracker a stream, which begins anew after a gap."""
    return Stage("track", _process)


def _process(inbox: Inbox[Item]) -> Iterator[Item]:
    trackers: dict[str, ByteTracker] = {}
    for item in inbox:
        if isinstance(item, Result):
            tracker = trackers.setdefault(item.source, ByteTracker())
            yield item.with_detections(tracker.update(item.detections, item.pts_s))
            continue
        if isinstance(item, StreamGap) and item.source in trackers:
            trackers[item.source].reset()
        elif isinstance(item, StreamEnded):
            trackers.pop(item.source, None)
        yield item
