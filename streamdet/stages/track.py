"""track: refines boxes in the light of earlier ones, and gives the same object the same track id in all frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from streamdet.flow import Stage
from streamdet.frames import SavedState, StateSection, StreamGap, StreamInfo
from streamdet.models.options import KEEP, DetectOptions
from streamdet.result import Result
from streamdet.stages.entry import StageContext, StageEntry
from streamdet.stages.per_stream import StreamWorker, per_stream
from streamdet.tracking.options import TrackOptions
from streamdet.tracking.registry import build_tracker
from streamdet.tracking.registry import min_score as lowest_score_of
from streamdet.tracking.tracker import CarryingTracker, SavableTracker, Tracker


@dataclass(frozen=True)
class TrackState(StateSection):
    """The tracks of one stream.

    Attributes:
        tracker: `SavableTracker.state_dict`.
    """

    tracker: Mapping[str, NDArray[Any]]


class _Tracks(StreamWorker[TrackState]):
    def __init__(self, build: Callable[[DetectOptions], Tracker], latest: Callable[[], DetectOptions]) -> None:
        self._build, self._latest = build, latest
        self._show = latest()
        self._tracker = build(self._show)
        self._step_s: float | None = None  # of a file that follows another one: to its first frame

    def start(self, info: StreamInfo, saved: SavedState[TrackState] | None) -> None:
        super().start(info, saved)
        self._step_s = None if saved is None else saved.step_s

    def process(self, result: Result) -> Result:
        if self._step_s is not None and isinstance(self._tracker, SavableTracker):
            self._tracker.continue_at(result.pts_s - self._step_s)
        self._step_s = None
        self._adjust()
        if result.cut:
            self._tracker.reset()
        size = result.width, result.height
        if not result.looked and isinstance(self._tracker, CarryingTracker):
            carried = self._tracker.carry(result.pts_s, size)
            return result.with_detections(replace(carried, skeleton=result.detections.skeleton))
        return result.with_detections(self._tracker.update(result.detections, result.pts_s, size))

    def _adjust(self) -> None:
        """Where other objects shall be shown now, a tracker that shows them continues the tracks."""
        show, before = self._latest(), self._tracker
        if show is not self._show:
            self._show, self._tracker = show, self._build(show)
            if isinstance(before, SavableTracker) and isinstance(self._tracker, SavableTracker):
                self._tracker.load_state_dict(before.state_dict())

    def gap(self, gap: StreamGap) -> None:
        self._tracker.reset()

    def snapshot(self) -> TrackState | None:
        return TrackState(self._tracker.state_dict()) if isinstance(self._tracker, SavableTracker) else None

    def restore(self, section: TrackState) -> None:
        if isinstance(self._tracker, SavableTracker):
            self._tracker.load_state_dict(section.tracker)


def track(
    options: TrackOptions | None = None,
    show: DetectOptions = KEEP,
    latest: Callable[[], DetectOptions] | None = None,
) -> Stage:
    """Result to Result with track ids; one tracker a stream, which starts again after a gap.

    Args:
        options: which tracker, and its thresholds.
        show: which objects are shown.
        latest: gives which ones are shown now, where that may change.

    Raises:
        ConfigError: there is no such tracker.
    """
    options = options or TrackOptions()

    def build(shown: DetectOptions) -> Tracker:
        return build_tracker(options, shown.conf, shown.class_conf)

    build(show)
    return per_stream("track", lambda: _Tracks(build, latest or (lambda: show)))


def _why_not_saved(options: TrackOptions) -> str | None:
    saved = isinstance(build_tracker(options, 0.0), SavableTracker)
    return None if saved else f"the tracks of tracker {options.tracker} cannot be saved; expected memory or byte"


def _build(options: TrackOptions, context: StageContext) -> Stage:
    return track(options, context.show, lambda: context.changes.latest("detect", context.show))


STAGE = StageEntry(
    "track",
    _build,
    settings=TrackOptions,
    needs=frozenset({"detections"}),
    gives=frozenset({"track_ids"}),
    state=TrackState,
    lowest_score=lowest_score_of,
    why_not_saved=_why_not_saved,
    shows_pictures=False,
)
