"""All areas and lines of one stream, from frame to frame."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.result import ZoneEvent, ZonePlace, ZoneReport
from streamdet.zones.counting import AreaCounter, Counter, Limits, LineCounter, Sighting
from streamdet.zones.geometry import Floats, line_places, polygon_distances
from streamdet.zones.heat import HeatMap
from streamdet.zones.options import Area, Line, ZoneOptions
from streamdet.zones.speed import SpeedMeter

Arrays = Mapping[str, NDArray[Any]]


class StreamZones:
    """Counts, speeds and the heat map of one stream.

    Args:
        stream: its name.
        options: what is counted.
        before: the same stream's, with other options: counts of areas and lines that stay are kept.
    """

    def __init__(self, stream: str, options: ZoneOptions, before: "StreamZones | None" = None) -> None:
        self.options = options
        self._areas = {name: area for name, area in options.areas.items() if area.is_for(stream)}
        self._lines = {name: line for name, line in options.lines.items() if line.is_for(stream)}
        self._counters: dict[str, Counter] = {name: AreaCounter(name, area) for name, area in self._areas.items()}
        self._counters |= {name: LineCounter(name) for name in self._lines}
        ground = next((each for each in options.grounds.values() if each.is_for(stream)), None)
        self._speed = None if ground is None else SpeedMeter(ground)
        self._heat = None if options.heat_s is None else HeatMap(options.heat_s)
        self._last_s: float | None = None
        self._pending: list[ZoneEvent] = []  # of what a gap has ended
        if before is not None:
            state = before.state_dict()
            kept = self._same_shapes(before)
            self.load_state_dict(
                state | {"counters": {name: state["counters"][name] for name in kept}}, before.heat_arrays()
            )

    def _same_shapes(self, before: "StreamZones") -> set[str]:
        areas = {name for name, area in self._areas.items() if before._areas.get(name) == area}
        return areas | {name for name, line in self._lines.items() if before._lines.get(name) == line}

    def update(self, detections: Detections, width: int, height: int, time_s: float) -> tuple[Detections, ZoneReport]:
        """The next frame.

        Args:
            detections: with track ids, in pixels of the frame.
            width, height: of the frame, pixels.
            time_s: presentation time.

        Returns:
            the detections with the columns `inside` and, where the ground is known, `speeds_mps`; and the report.
        """
        size = np.array([width, height], np.float64)
        anchors = self._anchors(detections.boxes.astype(np.float64))
        tracked = np.flatnonzero((detections.track_ids >= 0) & np.isfinite(anchors).all(axis=1))
        track_ids = detections.track_ids[tracked].tolist()
        places = anchors[tracked]
        speeds = np.full(len(detections), np.nan, np.float32)
        if self._speed is not None:
            speeds[tracked] = self._speed.update(track_ids, places / size, time_s)
        names = detections.class_names[tracked].tolist()
        known: list[float | None] = [None if np.isnan(v) else v for v in speeds[tracked].tolist()]
        limits = Limits(self.options.hold_s, self.options.margin * height, self.options.gone_s)
        events, self._pending = self._pending, []
        for name, counter in self._counters.items():
            distances, along = self._measure(name, places, size)
            classes = (self._areas.get(name) or self._lines[name]).classes
            rows = zip(track_ids, names, distances.tolist(), along.tolist(), known, strict=True)
            seen = [Sighting(*row) for row in rows if classes is None or row[1] in classes]
            events += counter.update(seen, time_s, limits)
        heat = None
        if self._heat is not None:
            step_s = 0.0 if self._last_s is None else max(time_s - self._last_s, 0.0)
            heat = self._heat.update(places / size, step_s)
        self._last_s = time_s
        return self._with_columns(detections, speeds), ZoneReport(self._places(), tuple(events), heat)

    def _anchors(self, boxes: Floats) -> Floats:
        x = (boxes[:, 0] + boxes[:, 2]) / 2
        y = boxes[:, 3] if self.options.anchor == "bottom" else (boxes[:, 1] + boxes[:, 3]) / 2
        return np.stack([x, y], axis=1)

    def _measure(self, name: str, places: Floats, size: Floats) -> tuple[Floats, Floats]:
        if name in self._areas:
            distances = polygon_distances(places, np.array(self._areas[name].polygon) * size)
            return distances, np.zeros(len(places))
        return line_places(places, np.array(self._lines[name].points) * size)

    def _with_columns(self, detections: Detections, speeds: NDArray[np.float32]) -> Detections:
        areas = [counter for counter in self._counters.values() if isinstance(counter, AreaCounter)]
        rows = [[area.holds(track_id) for area in areas] for track_id in detections.track_ids.tolist()]
        inside = np.array(rows, np.bool_).reshape(len(detections), len(areas))
        return detections.with_zones(inside, None if self._speed is None else speeds)

    def _places(self) -> tuple[ZonePlace, ...]:
        shapes: list[tuple[str, Area | Line]] = [*self._areas.items(), *self._lines.items()]
        return tuple(
            ZonePlace(
                name,
                isinstance(shape, Line),
                shape.points if isinstance(shape, Line) else shape.polygon,
                self._counters[name].counts(),
            )
            for name, shape in shapes
        )

    def forget(self) -> None:
        """Time was lost: who was inside has left when it was seen last; the next frame tells it. Counts stay."""
        for counter in self._counters.values():
            self._pending += counter.forget()
        if self._speed is not None:
            self._speed.forget()
        self._last_s = None

    def continue_at(self, time_s: float) -> None:
        """The last frame was at this time of the file that starts now, before its first frame."""
        if self._last_s is None:
            return
        by_s, self._last_s = time_s - self._last_s, time_s
        for counter in self._counters.values():
            counter.shift(by_s)
        if self._speed is not None:
            self._speed.shift(by_s)

    def state_dict(self) -> dict[str, Any]:
        """What the next frame depends on, as JSON holds it; but for the heat map."""
        return {
            "counters": {name: counter.state_dict() for name, counter in self._counters.items()},
            "speed": None if self._speed is None else self._speed.state_dict(),
            "last_s": self._last_s,
            "pending": [{name: getattr(event, name) for name in ZoneEvent.__slots__} for event in self._pending],
        }

    def heat_arrays(self) -> dict[str, NDArray[Any]]:
        """The heat map; empty without one."""
        return {} if self._heat is None else {"heat": self._heat.state()}

    def load_state_dict(self, state: Mapping[str, Any], heat: Arrays) -> None:
        """Continue where `state_dict` and `heat_arrays` were taken."""
        for name, counted in state["counters"].items():
            if name in self._counters:
                self._counters[name].load_state_dict(counted)
        if self._speed is not None and state["speed"] is not None:
            self._speed.load_state_dict(state["speed"])
        if self._heat is not None and "heat" in heat:
            self._heat.load_state(heat["heat"])
        self._last_s = state["last_s"]
        self._pending = [ZoneEvent(**event) for event in state["pending"]]
