"""Events to those who want to be told: only what they asked for, and not too often."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from waiting import wait_until

from streamdet.errors import ConfigError
from streamdet.media.locations import SourceSpec
from streamdet.result import ZoneEvent, ZoneReport
from streamdet.stages.alert import STAGE, AlertSettings, alert
from streamdet.stages.outputs import OutputLog


@contextmanager
def webhook(status=204):
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.extend(json.loads(line) for line in body.splitlines())
            self.send_response(status)
            self.end_headers()

        def log_message(self, *values):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()


@pytest.fixture
def happen(make_result):
    """Results in which these happened: (second, kind, zone, class)."""
    from dataclasses import replace

    def make(*rows):
        return [
            replace(
                make_result(index=round(25 * time_s)),
                zones=ZoneReport((), (ZoneEvent(kind, zone, time_s, 7, name, direction="in"),)),
            )
            for time_s, kind, zone, name in rows
        ]

    return make


def test_only_what_was_asked_for_and_not_again_while_it_cools_down(run_stage, happen):
    items = happen(
        (0, "line", "door", "person"),
        (1, "left", "door", "person"),
        (2, "line", "yard", "person"),
        (3, "line", "door", "car"),
        (4, "line", "door", "person"),
        (12, "line", "door", "person"),
    )
    with webhook() as (address, received):
        settings = AlertSettings(to=address, kinds=("line",), zones=("door",), classes=("person",), cool_down_s=10.0)
        log = OutputLog()
        assert run_stage(alert(settings, log), items) == items
        wait_until(lambda: len(received) == 2)
    assert [line["time_s"] for line in received] == [0, 12]
    assert received[0] == {
        **{"type": "event", "source": "a", "kind": "line", "zone": "door", "track": 7, "class": "person"},
        **{"time_s": 0, "direction": "in"},
    }
    assert log.deliveries[address].sent == 2
    assert log.failures == ()


def test_what_could_not_be_delivered_is_told_at_the_end(run_stage, happen, said):
    log = OutputLog()
    with webhook(status=400) as (address, _):
        run_stage(alert(AlertSettings(to=address), log), happen((0, "line", "door", "person")))
    [(source, text)] = said(log)
    assert source is None
    assert "1 lines were not delivered" in text


@pytest.mark.parametrize("to", [None, "alerts.jsonl", "ftp://host/x"])
def test_an_address_that_is_none_is_refused(to):
    assert STAGE.output is not None
    with pytest.raises(ConfigError, match="expected mqtt://host/topic"):
        STAGE.output.plan(AlertSettings(to=to), [SourceSpec("a.mp4", "a", "file")])
