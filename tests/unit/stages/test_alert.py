"""Events to those who want to be told: only what they asked for, and not too often."""

import base64
import json
import sqlite3
from contextlib import contextmanager
from datetime import datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from server_process import free_port
from waiting import wait_until

from streamdet.errors import ConfigError
from streamdet.frames import StreamEnded
from streamdet.media.locations import SourceSpec
from streamdet.media.write.delivery import Delivery
from streamdet.result import ZoneEvent, ZoneReport
from streamdet.sinks.events import open_transport
from streamdet.sinks.outbox import Outbox
from streamdet.stages.alert import STAGE, AlertRule, AlertSettings, alert
from streamdet.stages.outputs import OutputLog


@contextmanager
def webhook(status=204):
    """Gives its address and what it has received; `status` may be a list, which is worked off."""
    received = []
    statuses = status if isinstance(status, list) else []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = statuses.pop(0) if statuses else status if isinstance(status, int) else 204
            if answer == 204:
                received.extend(json.loads(line) for line in body.splitlines())
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *values):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
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
    picture = base64.b64decode(received[0].pop("picture"))
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape[1] == 320
    assert received[0].pop("id") != received[1]["id"]
    assert received[0] == {
        **{"type": "event", "source": "a", "kind": "line", "zone": "door", "track": 7, "class": "person"},
        **{"time_s": 0, "direction": "in"},
    }
    assert log.deliveries[address].sent == 2
    assert log.failures == ()


def test_a_stream_that_comes_back_with_a_clock_of_its_own_is_told_again(run_stage, happen):
    first, second = happen((100, "line", "door", "person"), (1, "line", "door", "person"))
    with webhook() as (address, received):
        run_stage(alert(AlertSettings(to=address), OutputLog()), [first, StreamEnded("a", 0, 1), second])
        wait_until(lambda: len(received) == 2)


def test_what_could_not_be_delivered_is_told_at_the_end(run_stage, happen, said):
    log = OutputLog()
    with webhook(status=400) as (address, _):
        run_stage(alert(AlertSettings(to=address), log), happen((0, "line", "door", "person")))
    [(source, text)] = said(log)
    assert source is None
    assert "1 alerts were not delivered" in text


@pytest.mark.parametrize("to", [None, "alerts.jsonl", "ftp://host/x", "smtp://host/nobody", "smtp:///me@host"])
def test_an_address_that_is_none_is_refused(to):
    assert STAGE.output is not None
    with pytest.raises(ConfigError, match=r"expected (mqtt://host/topic|smtp://host/receiver)"):
        STAGE.output.plan(AlertSettings(to=to), [SourceSpec("a.mp4", "a", "file")])


def test_rules_have_days_hours_receivers_and_cool_downs_of_their_own(run_stage, happen):
    noon = datetime(2026, 6, 3, 12, 0).astimezone()  # a Wednesday
    rule = AlertRule(to="http://127.0.0.1/x", days=("wed",), hours="22:00-06:00")
    at = [(3, 12), (3, 23), (4, 5), (4, 6), (4, 23), (3, 5)]
    assert [rule.is_due(noon.replace(day=day, hour=hour)) for day, hour in at] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    now = datetime.now().astimezone()
    other = f"{(now.hour + 2) % 24:02}:00-{(now.hour + 3) % 24:02}:00"
    with webhook() as (first, heard_first), webhook() as (second, heard_second):
        rules = {
            "lines": AlertRule(to=(first, second), kinds=("line",), picture=False),
            "never": AlertRule(to=first, hours=other),
            "calm": AlertRule(to=second, kinds=("left",), cool_down_s=10.0),
        }
        items = happen((0, "line", "door", "person"), (1, "left", "door", "car"), (2, "left", "door", "car"))
        run_stage(alert(AlertSettings(rules=rules), OutputLog()), items)
        wait_until(lambda: len(heard_second) == 2 and len(heard_first) == 1)
    assert [(line["rule"], line["time_s"], "picture" in line) for line in heard_second] == [
        ("lines", 0, False),
        ("calm", 1, True),
    ]


def test_who_stays_long_enough_is_told_once_and_who_leaves_is_not(run_stage, happen):
    stays = [(0, "entered", "gate", "person"), *((second, "line", "x", "car") for second in range(1, 6))]
    leaves = [(10, "entered", "gate", "person"), (11, "left", "gate", "person"), (20, "line", "x", "car")]
    with webhook() as (address, received):
        run_stage(alert(AlertSettings(to=address, for_s=3.0, zones=("gate",)), OutputLog()), happen(*stays, *leaves))
        wait_until(lambda: received)
    assert [(line["kind"], line["zone"], line["time_s"], line["seconds"]) for line in received] == [
        ("dwell", "gate", 3, 3)
    ]


def test_what_was_not_delivered_is_delivered_after_a_restart(run_stage, happen, tmp_path, said):
    log, outbox = OutputLog(), str(tmp_path / "alerts.sqlite")
    with webhook() as (address, _):
        pass  # it is away from now on
    settings = AlertSettings(to=address.replace("://", "://me:s3cret@"), outbox=outbox)
    run_stage(alert(settings, log), happen((0, "line", "door", "person"), (1, "line", "door", "car")))
    assert said(log) == []
    assert b"s3cret" not in (tmp_path / "alerts.sqlite").read_bytes()
    with webhook() as (again, received):
        with sqlite3.connect(outbox) as database:  # the receiver is back, at another port
            database.execute("UPDATE outbox SET address = ?", (again,))
        database.close()
        run_stage(alert(AlertSettings(to=again, outbox=outbox), OutputLog()), [])
        wait_until(lambda: len(received) == 2)
    assert [line["time_s"] for line in received] == [0, 1]
    assert all("picture" in line for line in received)


def test_of_thousands_none_is_lost_though_the_receiver_fails_and_the_run_is_started_again(tmp_path):
    path, receivers = tmp_path / "alerts.sqlite", {}
    with webhook([500, 204, 503] * 3) as (address, received):
        for part in range(4):
            receivers = {address: (lambda: open_transport(address), Delivery(address, "events"))}
            outbox = Outbox(path, receivers, close_timeout_s=0.2)
            for number in range(500):
                outbox.put(address, json.dumps({"number": 500 * part + number}).encode())
            outbox.close()
        outbox = Outbox(path, receivers)
        wait_until(lambda: outbox.waiting == 0)
        outbox.close()
    assert sorted({line["number"] for line in received}) == list(range(2_000))
    assert len(received) <= 2_004, "one may come twice at each end"


def test_while_the_disk_is_full_alerts_are_kept_in_memory(tmp_path):
    said = []
    with webhook() as (address, received):
        delivery = Delivery(address, "events", changed=lambda changed: said.append(changed.failing))
        outbox = Outbox(tmp_path / "alerts.sqlite", {address: (lambda: open_transport(address), delivery)})
        outbox._database.execute(
            "CREATE TRIGGER main.full BEFORE INSERT ON outbox BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
        )
        outbox.put(address, b'{"number": 1}')
        wait_until(lambda: received)
        outbox.close()
    assert "disk is full" in said[0]


class Mailbox:
    """Takes mails for a test."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 as it is called
        self.mails.append((envelope, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken"


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_an_e_mail_has_the_picture_and_comes_to_all_receivers(run_stage, happen):
    mailbox = Mailbox()

    def authenticate(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"cam@example.org", b"s3cret"))

    controller = Controller(
        mailbox, "127.0.0.1", free_port(), authenticator=authenticate, auth_require_tls=False, auth_required=True
    )
    controller.start()
    try:
        address = f"smtp://cam%40example.org:s3cret@127.0.0.1:{controller.port}/me@example.org,you@example.org"
        log = OutputLog()
        run_stage(alert(AlertSettings(to=address), log), happen((0, "line", "door", "person")))
    finally:
        controller.stop()
    assert log.failures == ()
    [(envelope, mail)] = mailbox.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("cam@example.org", ["me@example.org", "you@example.org"])
    assert mail["Subject"] == "a: person line door"
    [picture] = mail.iter_attachments()
    assert cv2.imdecode(np.frombuffer(picture.get_content(), np.uint8), cv2.IMREAD_COLOR).shape[1] == 320
    assert "direction: in" in mail.get_body().get_content()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_wrong_password_of_a_mail_server_is_told_without_it(run_stage, happen, said):
    controller = Controller(
        Mailbox(),
        "127.0.0.1",
        free_port(),
        authenticator=lambda *_: AuthResult(success=False, handled=False),
        auth_require_tls=False,
        auth_required=True,
    )
    controller.start()
    try:
        log = OutputLog()
        address = f"smtp://cam:s3cret@127.0.0.1:{controller.port}/me@example.org"
        run_stage(alert(AlertSettings(to=address), log), happen((0, "line", "door", "person")))
    finally:
        controller.stop()
    [(_, text)] = said(log)
    assert "the user name or password is wrong" in text
    assert "s3cret" not in text
