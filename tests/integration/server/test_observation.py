"""Figures and traces for those who watch the server."""

import gzip
import http.server
import json
import re
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from waiting import wait_until

ZONES = """zones:
  hold_s: 0.1
  areas: {left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}}
  lines: {middle: {points: [[0.5, 0.0], [0.5, 1.0]]}}
"""


def test_every_metric_of_the_board_is_there(serve, ask):
    board = json.loads((Path(__file__).parents[3] / "docs" / "grafana.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    wanted = {name for query in queries for name in re.findall(r"streamdet_\w+", query)}
    assert len(wanted) >= 12
    served = serve("yard", zones=ZONES)
    wait_until(lambda: ask(served, "GET", "/api/events?kind=line").body)
    text = ask(served, "GET", "/metrics").body.decode()
    samples = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}
    assert wanted - set(samples) == set()
    labels = {name for query in queries for name in re.findall(r"by \(([^)]*)\)", query)}
    assert {each.strip() for several in labels for each in several.split(",")} <= {
        *("le", "stream", "zone", "kind", "class"),
    }
    assert samples["streamdet_inference_frames_total"].value > 0


@pytest.fixture
def collector():
    """What an OpenTelemetry collector has received: spans by name."""
    spans = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest.FromString(body)
            spans.extend(
                span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *values):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


def test_traces_say_where_the_time_of_a_frame_goes(serve, collector, monkeypatch):
    address, spans = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    served = serve("yard", zones=ZONES)
    [name] = served.service.session.sources
    wait_until(lambda: sum(span.name == "frame" for span in spans) >= 2)
    frame = next(span for span in spans if span.name == "frame")
    parts = {span.name: span for span in spans if span.parent_span_id == frame.span_id}
    assert set(parts) == {"receive", "process"}
    assert frame.start_time_unix_nano == parts["receive"].start_time_unix_nano
    assert parts["receive"].end_time_unix_nano == parts["process"].start_time_unix_nano
    assert parts["process"].end_time_unix_nano == frame.end_time_unix_nano
    facts = {each.key: each.value for each in frame.attributes}
    assert facts["stream"].string_value == name
    assert facts["objects"].int_value == 1
