"""OpenTelemetry: where the time of a frame goes, from its capture to its result."""

import importlib.util
import os
import time
from typing import TYPE_CHECKING

from streamdet.errors import ConfigError
from streamdet.jobs.events import Event
from streamdet.result import Result
from streamdet.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_EVERY_S = 1.0  # a trace of each stream


class Traces:
    """A listener: a trace of one frame a second of each stream, and of each frame in which something happened.

    A trace `frame` has the spans `receive` (live sources: from capture until it is decoded and taken) and `process`
    (from there to the result).

    Args:
        provider: where spans go.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("streamdet", __version__)
        self._next_s: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Trace a result where it is due."""
        if not isinstance(event, Result) or event.frame.decoded_s is None:
            return
        now_s = time.monotonic()
        if now_s >= self._next_s.get(event.source, 0.0) or event.zones.events:
            self._next_s[event.source] = now_s + _EVERY_S
            self._trace(event, event.frame.decoded_s, now_s)

    def _trace(self, result: Result, decoded_s: float, now_s: float) -> None:
        from opentelemetry.trace import set_span_in_context

        end = time.time_ns()
        taken = end - round((time.perf_counter() - decoded_s) * 1e9)
        captured_s = result.frame.captured_s
        start = taken if captured_s is None else min(end - round((now_s - captured_s) * 1e9), taken)
        facts: dict[str, str | int] = {"stream": result.source, "frame": result.index}
        facts["objects"] = len(result.detections)
        frame = self._tracer.start_span("frame", attributes=facts, start_time=start)
        inside = set_span_in_context(frame)
        if captured_s is not None:
            self._tracer.start_span("receive", inside, start_time=start).end(taken)
        self._tracer.start_span("process", inside, start_time=taken).end(end)
        for each in result.zones.events:
            frame.add_event(each.kind, {"zone": each.zone, "class": each.class_name or ""}, end)
        frame.end(end)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def traces_of_environment() -> Traces | None:
    """Traces where OTEL_EXPORTER_OTLP_ENDPOINT says where they go; the variables of OpenTelemetry say how.

    Raises:
        ConfigError: its packages are not installed.
    """
    if not any(map(os.environ.get, _ENDPOINTS)):
        return None
    if any(importlib.util.find_spec(name) is None for name in ("opentelemetry.sdk", "opentelemetry.exporter")):
        raise ConfigError("OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry: pip install 'streamdet[otel]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "streamdet")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
