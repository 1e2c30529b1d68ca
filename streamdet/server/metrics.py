"""Figures for Prometheus, made when they are asked for: a frame costs a count of its latency and nothing else."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from time import monotonic

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from streamdet.jobs.events import Event
from streamdet.jobs.session import Session
from streamdet.result import Result
from streamdet.server.live import Live
from streamdet.server.status import Watch

_BOUNDS_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics(Collector):
    """A listener, and a collector of a Prometheus registry.

    Args:
        session, watch, live: where the figures come from.
    """

    def __init__(self, session: Session, watch: Watch, live: Live) -> None:
        self._session, self._watch, self._live = session, watch, live
        self._latencies: dict[str, list[int]] = defaultdict(lambda: [0] * (len(_BOUNDS_S) + 1))
        self._sums_s: Counter[str] = Counter()
        self._detections: Counter[tuple[str, str]] = Counter()
        self._events: Counter[tuple[str, str, str]] = Counter()

    def __call__(self, event: Event) -> None:
        """Count a result."""
        if not isinstance(event, Result):
            return
        if event.frame.captured_s is not None:
            latency_s = monotonic() - event.frame.captured_s
            self._latencies[event.source][bisect_left(_BOUNDS_S, latency_s)] += 1
            self._sums_s[event.source] += latency_s  # type: ignore[assignment]
        for found in event.detections:
            self._detections[event.source, found.class_name] += 1
        for each in event.zones.events:
            self._events[event.source, each.zone, each.kind] += 1

    def describe(self) -> Iterator[Metric]:
        """See Collector; nothing is counted to find the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        yield from self._streams()
        yield from self._counts()
        busy = GaugeMetricFamily("streamdet_stage_busy_ratio", "Share of time a stage is busy", labels=["stage"])
        for stage in self._session.stats.stages:
            busy.add_metric([stage.name], stage.busy_share)
        yield busy
        yield from self._inference()
        yield GaugeMetricFamily("streamdet_viewers", "Open pages", value=self._live.viewers)
        yield CounterMetricFamily("streamdet_pictures_encoded", "Pictures encoded for pages", value=self._live.encoded)

    def _streams(self) -> Iterator[Metric]:
        frames = CounterMetricFamily("streamdet_frames", "Frames out of the pipeline", labels=["stream"])
        dropped = CounterMetricFamily("streamdet_dropped", "Frames that were dropped on purpose", labels=["stream"])
        reconnects = CounterMetricFamily("streamdet_gaps", "Interruptions of the stream", labels=["stream"])
        up = GaugeMetricFamily("streamdet_up", "1 while frames arrive", labels=["stream"])
        fps = GaugeMetricFamily("streamdet_fps", "Frames a second, over 5 s", labels=["stream"])
        objects = GaugeMetricFamily("streamdet_objects", "Objects in the newest frame", labels=["stream"])
        inside = GaugeMetricFamily("streamdet_zone_objects", "Objects in an area", labels=["stream", "zone"])
        for stream in self._watch.streams():
            name = [stream.name]
            frames.add_metric(name, stream.frames)
            dropped.add_metric(name, stream.dropped)
            reconnects.add_metric(name, stream.session)
            up.add_metric(name, stream.state == "live")
            fps.add_metric(name, stream.fps)
            objects.add_metric(name, stream.objects)
            for zone, counts in stream.zones.items():
                if "inside" in counts:
                    inside.add_metric([stream.name, zone], counts["inside"])
        yield from (frames, dropped, reconnects, up, fps, objects, inside)

    def _inference(self) -> Iterator[Metric]:
        detect = next((stage for stage in self._session.stats.stages if stage.name == "detect"), None)
        if detect is not None:
            yield CounterMetricFamily("streamdet_inference_seconds", "Time spent in detect", value=detect.busy_s)
            yield CounterMetricFamily("streamdet_inference_frames", "Frames out of detect", value=detect.items_out)

    def _counts(self) -> Iterator[Metric]:
        latency = HistogramMetricFamily("streamdet_latency_seconds", "From capture to result", labels=["stream"])
        for name, counts in list(self._latencies.items()):
            sums = [sum(counts[: n + 1]) for n in range(len(counts))]
            buckets = list(zip([*map(str, _BOUNDS_S), "+Inf"], sums, strict=True))
            latency.add_metric([name], buckets, self._sums_s[name])
        yield latency
        detections = CounterMetricFamily("streamdet_detections", "Boxes found", labels=["stream", "class"])
        for (stream, class_name), count in list(self._detections.items()):
            detections.add_metric([stream, class_name], count)
        yield detections
        events = CounterMetricFamily("streamdet_events", "Events", labels=["stream", "zone", "kind"])
        for (stream, zone, kind), count in list(self._events.items()):
            events.add_metric([stream, zone, kind], count)
        yield events
