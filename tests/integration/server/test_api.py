"""The REST interface over a real socket: streams, areas and lines, events, figures, and who is not let in."""

import http.client
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml
from waiting import wait_until
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from streamdet.errors import ConfigError
from streamdet.server.guard import MAX_BODY
from streamdet.server.run import choose_token

TOKEN = "0123456789abcdef-test"
MIDDLE = {"points": [[0.5, 0.0], [0.5, 1.0]]}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_streams_are_shown_paused_added_and_removed_and_their_credentials_stay_here(serve, ask):
    served = serve("yard")
    [name] = served.service.session.sources
    wait_until(lambda: served.state(name) == "live")
    [stream] = ask(served, "GET", "/api/streams").body
    assert stream["objects"] == 1
    picture = ask(served, "GET", f"/api/streams/{name}/picture.jpg?width=100").body
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (56, 100, 3)

    assert ask(served, "PATCH", f"/api/streams/{name}", {"paused": True}).status == 200
    wait_until(lambda: served.state(name) == "paused")
    ask(served, "PATCH", f"/api/streams/{name}", {"paused": False})
    wait_until(lambda: served.state(name) == "live")

    added = ask(served, "POST", "/api/streams", {"source": served.camera.url("gate")})
    [gate] = added.body["names"]
    assert added.status == 201
    wait_until(lambda: served.state(gate) == "live")
    assert yaml.safe_load(served.job.read_text())["sources"] == [served.camera.url("yard"), served.camera.url("gate")]
    assert ask(served, "DELETE", f"/api/streams/{name}").status == 204
    assert [each["name"] for each in ask(served, "GET", "/api/streams").body] == [gate]
    refused = ask(served, "DELETE", f"/api/streams/{gate}")
    assert (refused.status, "the only stream" in refused.body["error"]) == (422, True)
    text = served.job.read_text()
    assert yaml.safe_load(text)["sources"] == [served.camera.url("gate")]
    assert text.startswith("# My cameras\n")
    assert yaml.safe_load(text)["decode"] == {"stale_after_s": 1.0}
    everything = [
        ask(served, "GET", path).body for path in ("/api/streams", "/api/status", "/metrics", "/openapi.json")
    ]
    assert "s3cret" not in str(everything)

    assert ask(served, "PATCH", "/api/streams/nobody", {"paused": True}).status == 404
    for wrong in ("/etc/passwd", "file:///etc/passwd", "cameras.yaml", "@list.txt", "concat:/etc/passwd", "no://where"):
        refused = ask(served, "POST", "/api/streams", {"source": wrong})
        assert (refused.status, "expected an address" in refused.body["error"]) == (422, True)


def test_a_line_is_drawn_saved_and_counts_and_its_events_are_kept(serve, ask):
    served = serve("yard", zones="zones:\n  hold_s: 0.1   # quick\n")
    [name] = served.service.session.sources
    drawn = ask(served, "PUT", "/api/zones/lines/the%20middle/of%20it", {**MIDDLE, "streams": [name]})
    assert drawn.status == 200, drawn.body
    saved = yaml.safe_load(served.job.read_text())["zones"]
    assert saved == {"lines": {"the middle/of it": {**MIDDLE, "streams": [name]}}, "hold_s": 0.1}
    wait_until(lambda: len(ask(served, "GET", "/api/events?kind=line").body) >= 2)
    second, first = ask(served, "GET", "/api/events?kind=line").body[-2:]
    assert {first["direction"], second["direction"]} == {"in", "out"}
    assert (first["class"], first["stream"], first["zone"]) == ("square", name, "the middle/of it")
    assert abs(first["time"] - time.time()) < 60
    picture = ask(served, "GET", f"/api/events/{first['id']}/picture.jpg").body
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == 320
    assert image.max() > 200
    assert ask(served, "GET", "/api/events?stream=other").body == []
    assert [event["id"] for event in ask(served, "GET", f"/api/events?before={second['id']}&limit=1").body] == [
        first["id"]
    ]
    hours = ask(served, "GET", f"/api/timeline?start={first['time'] - 1800}&hours=2").body
    assert sum(hours) >= 2
    metrics = ask(served, "GET", "/metrics").body.decode()
    assert f'streamdet_up{{stream="{name}"}} 1.0' in metrics
    assert f'streamdet_events_total{{kind="line",stream="{name}",zone="the middle/of it"}}' in metrics
    assert f'streamdet_latency_seconds_bucket{{le="+Inf",stream="{name}"}}' in metrics

    wrong = ask(served, "PUT", "/api/zones/areas/a", {"polygon": [[0, 0], [1, 2]]})
    assert wrong.status == 422
    assert "zones: areas.a.polygon" in wrong.body["error"]
    assert ask(served, "PUT", "/api/zones/other/a", MIDDLE).status == 422
    assert ask(served, "DELETE", "/api/zones/lines/nothing").status == 404
    assert ask(served, "DELETE", "/api/zones/lines/the%20middle/of%20it").body["lines"] == {}
    assert "lines" not in yaml.safe_load(served.job.read_text())["zones"]


def test_an_event_has_a_clip_that_is_fetched_in_parts(serve, ask):
    served = serve(
        "yard", zones=f"zones: {{hold_s: 0.1, lines: {{middle: {json.dumps(MIDDLE)}}}}}\nclips: {{after_s: 0.5}}\n"
    )
    wait_until(lambda: any(event["clip"] == "ready" for event in ask(served, "GET", "/api/events").body))
    event = next(event for event in ask(served, "GET", "/api/events").body if event["clip"] == "ready")
    path = f"/api/events/{event['id']}/clip.mp4"
    whole, part = ask(served, "GET", path), ask(served, "GET", path, Range="bytes=100-199")
    assert (whole.status, whole.headers["Content-Type"], whole.headers["Accept-Ranges"]) == (200, "video/mp4", "bytes")
    assert (part.status, part.body) == (206, whole.body[100:200])
    with av.open(io.BytesIO(whole.body)) as file:
        frames = list(file.decode(video=0))
    assert (frames[0].width, len(frames) > 5) == (320, True)
    assert ask(served, "GET", "/api/events/999999/clip.mp4").status == 404
    assert ask(served, "GET", f"/api/events/{2**63}/clip.mp4").status == 422
    assert ask(served, "GET", path, token=None).status == 401


def test_thresholds_change_while_it_runs(serve, ask):
    served = serve("yard")
    wait_until(lambda: ask(served, "GET", "/api/streams").body[0]["objects"] == 1)
    assert ask(served, "PATCH", "/api/settings", {"classes": ["circle"]}).body["classes"] == ["circle"]
    wait_until(lambda: ask(served, "GET", "/api/streams").body[0]["objects"] == 0)
    assert "unknown class dog" in ask(served, "PATCH", "/api/settings", {"classes": ["dog"]}).body["error"]
    assert ask(served, "PATCH", "/api/settings", {"model": "/etc/passwd"}).status == 422


def test_nobody_is_let_in_without_the_token(serve, ask):
    served = serve("yard")
    for path in ("/api/streams", "/api/events", "/openapi.json", "/metrics", "/api/zones", "/docs", "/nothing"):
        assert ask(served, "GET", path, token=None).status == 401
        assert ask(served, "GET", path, token="wrong").status == 401
    assert ask(served, "POST", "/api/streams", {"source": "rtsp://a/b"}, token=None).status == 401
    assert ask(served, "GET", "/health", token=None).body == {"ok": True}
    start = ask(served, "GET", "/", token=None)
    assert (start.status, start.headers["location"]) == (303, "/login")
    assert ask(served, "GET", "/?token=wrong", token=None).headers["location"] == "/login"
    entered = ask(served, "GET", f"/?token={TOKEN}", token=None)
    assert (entered.status, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert ask(served, "GET", "/api/streams", token=None, Cookie=cookie.partition(";")[0]).status == 200
    assert ask(served, "POST", "/login", {"token": "wrong"}, token=None).status == 403
    assert ask(served, "POST", "/login", {"token": TOKEN}, token=None).headers["set-cookie"] == cookie
    with pytest.raises(InvalidStatus):
        connect(served.url.replace("http", "ws") + "/live", compression=None)


def test_other_sites_and_other_names_are_refused(serve, ask):
    served = serve("yard")
    assert ask(served, "GET", "/api/streams", Host="evil.example").status == 421
    assert ask(served, "GET", "/login", token=None, Host="evil.example:80").status == 421
    assert ask(served, "GET", "/api/streams", Host="[::1").status == 421
    for origin in ("https://evil.example", "null", served.url.replace("127.0.0.1", "127.0.0.2")):
        assert ask(served, "PATCH", "/api/settings", {"conf": 0.5}, Origin=origin).status == 403
        with pytest.raises(InvalidStatus):
            connect(served.url.replace("http", "ws") + "/live", additional_headers=BEARER, origin=origin)
    assert ask(served, "PATCH", "/api/settings", {"conf": 0.5}, Origin=served.url).status == 200
    headers = ask(served, "GET", "/").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    "path", ["/static/../guard.py", "/static/%2e%2e/guard.py", "/static/..%2fguard.py", "/static//etc/passwd"]
)
def test_no_path_leads_out_of_the_page(serve, ask, path):
    assert ask(serve("yard"), "GET", path, token=None).status == 404


def test_what_is_too_large_or_too_slow_costs_nothing(serve, ask, monkeypatch):
    monkeypatch.setattr("streamdet.server.run._HEAD_TIMEOUT_S", 0.5)
    monkeypatch.setattr("streamdet.server.guard._BODY_TIMEOUT_S", 0.5)
    served = serve("yard")
    assert ask(served, "PATCH", "/api/settings", b"1" * (MAX_BODY + 1)).status == 413
    host, _, port = served.url.removeprefix("http://").partition(":")
    for sent in (
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        f"PATCH /api/settings HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
        + b"Content-Length: 9\r\n\r\n1",
    ):
        with socket.create_connection((host, int(port)), timeout=60) as slow:
            slow.sendall(sent)
            answer = slow.recv(1000)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert ask(served, "GET", "/api/streams").status == 200


def open_live(served):
    return connect(served.url.replace("http", "ws") + "/live", additional_headers=BEARER, compression=None)


def next_frame(viewer, name):
    """The number of the next frame that a viewer gets; it says that it has seen it."""
    while isinstance(message := viewer.recv(60), str):
        pass
    viewer.send(json.dumps({"seen": name}))
    return json.loads(message[4 : 4 + int.from_bytes(message[:4])])["frame"]


def test_a_viewer_who_never_reads_costs_nobody_and_all_share_one_encoding(serve):
    served = serve("yard")
    [name] = served.service.session.sources
    wait_until(lambda: served.state(name) == "live")
    want = json.dumps({"watch": {name: {"width": 480, "fps": 30}}})
    with open_live(served) as dead:
        dead.send(want)  # and never says that it has seen anything
        time.sleep(1)
        before = served.service.live.encoded
        with open_live(served) as a, open_live(served) as b:
            for viewer in (a, b):
                viewer.send(want)
            frames = [next_frame(viewer, name) for _ in range(20) for viewer in (a, b)]
        encoded = served.service.live.encoded - before
    assert len(set(frames)) >= 15
    assert encoded < 32, "40 messages"
    wait_until(lambda: served.service.live.viewers == 0)
    for wrong in ("no json", '{"watch": 7}', '{"watch": {"a": {"width": 0, "fps": 1}}}', '{"watch": {"a": 3}}', "[]"):
        with open_live(served) as odd:
            odd.send(wrong)
            with pytest.raises(ConnectionClosedError, match="1007"):
                list(iter(odd.recv, None))


def test_the_examples_of_the_guide(serve):
    served = serve("yard")
    text = (Path(__file__).parents[3] / "docs" / "serve.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith(("auth=", "curl "))]
    assert len(lines) == 7
    script = "\n".join(lines).replace("http://127.0.0.1:8765", served.url).replace("curl -s", "curl -w '\\n' -fSs")
    done = subprocess.run(
        ["bash", "-ec", script],
        env={**os.environ, "STREAMDET_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"door"' in done.stdout
    assert "streamdet_up" in done.stdout
    assert '{"ok":true}' in done.stdout


def test_tokens(tmp_path):
    made = choose_token(None, tmp_path)
    assert (choose_token(None, tmp_path), len(made) > 30) == (made, True)
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="at least 16"):
        choose_token("short", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected the file of a job, sources, or --demo"),
        (["--demo", "--host", "0.0.0.0"], "expected a --token as well"),
        (["--demo", "--tls-cert", "a.pem"], "--tls-cert and --tls-key together"),
        (["nothing.yaml"], "nothing.yaml"),
    ],
)
def test_commands_that_are_wrong(words, said, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    environment.pop("STREAMDET_TOKEN", None)
    command = [sys.executable, "-m", "streamdet", "serve", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_the_demo_is_served_until_it_is_told_to_end(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "STREAMDET_TOKEN": TOKEN}
    command = [sys.executable, "-m", "streamdet", "serve", "--demo", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        line = ""
        while "open http" not in line:
            line = process.stderr.readline()
            assert line, "it has ended"
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 143
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_stream_cannot_join_what_is_over(serve, ask):
    served = serve("yard")
    served.service.session.stop()
    wait_until(lambda: not served.service.running)
    refused = ask(served, "POST", "/api/streams", {"source": served.camera.url("gate")})
    assert (refused.status, "run" in refused.body["error"]) == (409, True)
    assert ask(served, "GET", "/health").status == 503


def test_tls_by_files_of_a_certificate(serve, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = subprocess.run(
        ["openssl", "req", *words, "-keyout", str(key), "-out", str(certificate)], capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    served = serve("yard", certificate=certificate, key=key)
    port = int(served.url.rpartition(":")[2])
    trust = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=60)
    connection.request("GET", f"/?token={TOKEN}")
    answer = connection.getresponse()
    cookie = answer.getheader("Set-Cookie")
    connection.close()
    assert (answer.status, "; Secure" in cookie, "HttpOnly" in cookie) == (303, True, True)
    headers = {**BEARER, "Origin": f"https://127.0.0.1:{port}"}
    with connect(f"wss://127.0.0.1:{port}/live", ssl=trust, additional_headers=headers) as live:
        assert json.loads(live.recv(60))["type"] == "status"
    stranger, plain = (kind("127.0.0.1", port) for kind in (http.client.HTTPSConnection, http.client.HTTPConnection))
    for connection, error in ((stranger, ssl.SSLCertVerificationError), (plain, http.client.RemoteDisconnected)):
        with pytest.raises(error):
            connection.request("GET", "/health") or connection.getresponse()
        connection.close()
