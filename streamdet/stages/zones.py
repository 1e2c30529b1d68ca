"""zones: counts who is in an area and who crosses a line, and measures speeds, by the tracks of each stream."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from streamdet.flow import Stage
from streamdet.frames import SavedState, StateSection, StreamGap, StreamInfo
from streamdet.result import Result
from streamdet.stages.classes import check_classes
from streamdet.stages.entry import Changes, StageContext, StageEntry
from streamdet.stages.per_stream import StreamWorker, per_stream
from streamdet.zones.options import ZoneOptions
from streamdet.zones.stream_zones import StreamZones

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ZoneState(StateSection):
    """Counts of one stream, and who is where.

    Attributes:
        counted: `StreamZones.state_dict`.
        heat: `StreamZones.heat_arrays`.
    """

    counted: Mapping[str, Any]
    heat: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class _Zones(StreamWorker[ZoneState]):
    def __init__(self, latest: Callable[[], ZoneOptions]) -> None:
        self._latest = latest
        self._zones: StreamZones | None = None  # from the first frame on, which names the stream
        self._saved: SavedState[ZoneState] | None = None
        self._lost = False  # time, between what was saved and the first frame

    def start(self, info: StreamInfo, saved: SavedState[ZoneState] | None) -> None:
        self._saved = saved

    def process(self, result: Result) -> Result:
        options = self._latest()
        if self._zones is None:
            self._zones = self._started(result, options)
        elif self._zones.options is not options:
            self._zones = StreamZones(result.source, options, before=self._zones)
        found, report = self._zones.update(result.detections, result.width, result.height, result.pts_s)
        return replace(result, detections=found, zones=report)

    def _started(self, result: Result, options: ZoneOptions) -> StreamZones:
        zones = StreamZones(result.source, options)
        if self._saved is not None:
            zones.load_state_dict(self._saved.section.counted, self._saved.section.heat)
            if self._saved.step_s is not None:
                zones.continue_at(result.pts_s - self._saved.step_s)
            if self._lost:
                zones.forget()
        return zones

    def gap(self, gap: StreamGap) -> None:
        self._lost = True
        if self._zones is not None:
            self._zones.forget()

    def snapshot(self) -> ZoneState | None:
        return None if self._zones is None else ZoneState(self._zones.state_dict(), self._zones.heat_arrays())


def zones(options: ZoneOptions, changes: Changes | None = None) -> Stage:
    """Result to Result with `zones`, and with the columns inside and speeds_mps of its detections.

    Args:
        options: what is counted and measured; each stream for itself.
        changes: of the options while the job runs; areas and lines that stay as they are keep their counts.
    """
    changes = changes or Changes()
    return per_stream("zones", lambda: _Zones(lambda: changes.latest("zones", options)))


def _check(options: ZoneOptions, context: StageContext) -> None:
    check_classes(options.class_names, context.detector.spec.classes)


def _build(options: ZoneOptions, context: StageContext) -> Stage:
    _check(options, context)
    for name, stream in options.named_streams:
        if context.sources and stream not in context.sources:
            there = ", ".join(context.sources)
            _log.warning("zones: %s is for the stream %s, which is not there; there are %s", name, stream, there)
    return zones(options, context.changes)


STAGE = StageEntry(
    "zones",
    _build,
    settings=ZoneOptions,
    check=_check,
    adjustable=frozenset(ZoneOptions.model_fields),
    needs=frozenset({"detections", "track_ids"}),
    gives=frozenset({"zones"}),
    state=ZoneState,
    shows_pictures=False,
)
