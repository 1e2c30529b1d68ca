"""Cameras on a real Ray cluster here, with a real RTSP server: they move, and machines, runners and the driver die."""

import json
import os
import signal
import struct
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from lively_detector import lively_detector
from rtsp_server import Live
from served_cluster import PATIENCE_S, TOKEN, Served
from waiting import wait_until
from websockets.sync.client import connect

from streamdet.errors import ConfigError
from streamdet.models.recurrent.checkpoint import save_checkpoint

pytest.importorskip("ray")
pytestmark = pytest.mark.soak

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster():
    """A head without processors and two machines with one each, which are missed after some seconds."""
    from streamdet.cluster.environment import prepare_ray

    prepare_ray(local=False)
    os.environ.update({"RAY_worker_niceness": "0", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"})
    from ray.cluster_utils import Cluster

    health = {"initial_delay_ms": 1000, "period_ms": 1000, "failure_threshold": 5}
    system = {f"health_check_{name}": value for name, value in health.items()}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": system}
    )
    nodes = [cluster.add_node(num_cpus=1, labels={"site": site}) for site in ("north", "south")]
    yield SimpleNamespace(ray=cluster, nodes=nodes)
    cluster.shutdown()


@pytest.fixture(scope="module")
def served(cluster, rtsp_servers, tmp_path_factory):
    """Three cameras that are served; `start` starts the driver again."""
    folder = tmp_path_factory.mktemp("served")
    save_checkpoint(folder / "tiny.safetensors", lively_detector(channels=16, recurrent_channels=8), {})
    mounts = {f"/{name}": Live(160, 96, 5, keyframe_every=5) for name in "abcd"}
    server = rtsp_servers(mounts, user="cam", password="s3cret")
    urls = [server.url(f"/{name}") for name in "abcd"]
    (folder / "cameras.yaml").write_text(
        f"# Mine\nsources: {urls[:3]}\n"
        "stages: [decode, batch, detect, track, record]\n"
        "detect: {model: tiny.safetensors, conf: 0.0, max_detections: 5, runtime: torch, precision: fp32}\n"
        "decode: {stale_after_s: 30.0}\n"
        "record: {path: out/}\n"
        "cluster: {p95_s: 60.0, max_dropped: 1.0}\n"
    )
    served = Served(folder, cluster.ray.address, urls)
    served.start()
    wait_until(lambda: len(served.live()) == 3, PATIENCE_S)
    yield served
    served.end()


NAMES = ["127.0.0.1-a", "127.0.0.1-b", "127.0.0.1-c"]


def other(served, name):
    here = served.where()[name]
    return next(machine for machine in served.machines() if machine != here)


def children(raylet):
    """Pids of the runners that a Ray of a machine has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == raylet and (entry / "cmdline").read_bytes().startswith(b"ray::_Actor"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def has_ended(pid):
    """Also where its parent has not noticed."""
    try:
        return "(zombie)" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def raylet_of(node):
    return node.all_processes["raylet"][0].process.pid


def test_one_page_shows_the_cameras_of_all_machines(served):
    assert set(served.where()) == set(NAMES)
    assert len(set(served.where().values())) == 2
    status = served.ask("GET", "/api/status")
    assert {stream["name"]: stream["node"] for stream in status["streams"]} == served.where()
    with connect(f"ws{served.url[4:]}/live", additional_headers={"Authorization": f"Bearer {TOKEN}"}) as page:
        page.send(json.dumps({"watch": {name: {"width": 160, "fps": 5} for name in NAMES}}))
        seen = set()
        while seen != set(NAMES):
            message = page.recv(60)
            if isinstance(message, bytes):
                length = struct.unpack_from(">I", message)[0]
                head = json.loads(message[4 : 4 + length])
                seen.add(head["stream"])
                assert message[4 + length :][:2] == b"\xff\xd8"
                page.send(json.dumps({"seen": head["stream"]}))


def test_the_page_in_a_browser(served, chromium):
    page = chromium.open()
    page.show_as(1280, 900)
    page.goto(f"{served.url}/?token={TOKEN}")
    for name, machine in served.where().items():
        is_it = f"(tile) => tile.querySelector('strong').textContent === '{name}'"
        tile = f"[...document.querySelectorAll('a.tile')].find({is_it})"
        page.wait(f"{tile}?.querySelector('.facts').textContent.startsWith('{machine} ')")
        page.wait(f"{tile}.querySelector('canvas').dataset.frame > 0")
    page.click_on("a.tile")
    page.wait("document.querySelector('canvas.big')?.dataset.frame > 0")
    page.click_on("#draw-area")
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8)):
        page.click(*page.place_in("canvas.big", x, y))
    page.key("Enter")
    page.wait("document.querySelector('.shape[data-name=\"area 1\"]')")
    assert "area 1" in (served.folder / "cameras.yaml").read_text()
    page.evaluate("location.hash = '#/system'")
    cells = "[...document.querySelectorAll('section.wide:last-child td')]"
    for machine in served.machines():
        page.wait(f"{cells}.some((cell) => cell.textContent === '{machine}')")
    assert page.complaints == []


def test_requests_about_a_stream_go_to_its_machine(served):
    for name in NAMES:
        assert served.picture(f"/api/streams/{name}/picture.jpg?width=100")
    for path in (
        "/api/streams/nix/picture.jpg",
        "/api/streams/..%2Fsettings/picture.jpg",
        "/api/events/1-2-nix/clip.mp4",
    ):
        with pytest.raises(ConfigError, match=r"there is no|Not Found"):
            served.ask("GET", path)
    assert served.ask("PATCH", "/api/settings", {"conf": 0.001})["conf"] == 0.001
    figures = served.get("/metrics")[1].decode()
    for name, where in served.where().items():
        assert f'streamdet_up{{node="{where}",stream="{name}"}}' in figures
    assert 'streamdet_machines{state="ready"} 2.0' in figures
    with pytest.raises(ConfigError, match="expected one of conf"):
        served.ask("PATCH", "/api/settings", {"model": "/etc/passwd"})


def test_events_of_all_machines_are_one_list(served):
    everywhere = {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    assert served.ask("PUT", "/api/zones/areas/everywhere", everywhere)["areas"]["everywhere"]["streams"] is None
    where = served.where()
    wait_until(lambda: len({each["node"] for each in served.ask("GET", "/api/events")}) == 2, PATIENCE_S)
    served.ask("DELETE", "/api/zones/areas/everywhere")
    events = served.ask("GET", "/api/events?limit=500")
    assert all(each["node"] == where[each["stream"]] for each in events)
    assert [each["time"] for each in events] == sorted((each["time"] for each in events), reverse=True)
    page, rest = served.ask("GET", "/api/events?limit=1"), []
    while page:
        rest += page
        page = served.ask("GET", f"/api/events?limit=1&before={page[-1]['id']}")
    pages, listed = [each["id"] for each in rest], [each["id"] for each in events]
    assert pages[-len(listed) :] == listed  # some may have come later
    assert sum(served.ask("GET", f"/api/timeline?start={events[-1]['time'] - 60}&hours=3")) >= len(events)
    assert served.picture(f"/api/events/{events[0]['id']}/picture.jpg")
    with pytest.raises(ConfigError, match="there is no event"):
        served.ask("GET", "/api/events/1/picture.jpg")


def test_who_does_not_know_the_token_gets_nothing(served):
    with pytest.raises(ConfigError, match="token"):
        served.ask("GET", "/api/cluster", token="another-token-of-16")
    status, said = served.command("status", token="another-token-of-16")
    assert (status, "this is not its token" in said) == (2, True)


def test_cameras_join_and_leave(served):
    status, said = served.command("add", served.urls[3], "--needs", "site=east")
    assert status == 0, said
    assert "s3cret" not in said
    wait_until(lambda: "127.0.0.1-d" in served.where())
    status, said = served.command("status")
    assert (status, "no machine has the label site=east" in said) == (0, True)
    assert served.command("add", served.urls[3])[0] == 2
    assert served.command("add", "/etc/passwd")[0] == 2
    status, said = served.command("remove", "127.0.0.1-x")
    assert (status, "there is no camera 127.0.0.1-x" in said) == (2, True)
    assert served.command("remove", "127.0.0.1-d")[0] == 0
    assert set(served.where()) == set(NAMES)
    text = (served.folder / "cameras.yaml").read_text()
    assert text.startswith("# Mine\nsources:")
    assert served.urls[2] in text
    assert served.urls[3] not in text


def test_a_camera_moves_with_its_tracks_and_without_a_gap(served):
    target = other(served, NAMES[0])
    served.read_more(NAMES[0])
    status, said = served.command("move", NAMES[0], target)
    assert status == 0, said
    before = len(served.frames(NAMES[0]))
    served.read_more(NAMES[0])
    wait_until(lambda: served.where()[NAMES[0]] == target)
    served.check_file(NAMES[0])
    assert served.gaps(NAMES[0]) == []
    tracks = [{each["track"] for each in line["detections"]} for line in served.frames(NAMES[0])[before - 3 :]]
    assert all(first & second for first, second in pairwise(tracks))
    for words in ((NAMES[0], "nix"), ("nix", target)):
        assert served.command("move", *words)[0] == 2


def test_a_driver_that_is_killed_finds_its_cameras_again(served):
    served.read_more(NAMES[0])
    before = served.where()
    served.process.kill()
    served.process.wait()
    for name in NAMES:
        served.read_more(name)  # the machines go on
    served.start()
    wait_until(lambda: served.live() == set(NAMES), PATIENCE_S)
    assert served.where() == before
    for name in NAMES:
        served.check_file(name)
        assert served.gaps(name) == []


def machine_of(served, node):
    """Its name, by the label that only it has."""
    site = f"site={node.node_labels['site']}"
    return next(each["name"] for each in served.status()["machines"] if site in each["labels"])


def kill(served, pid, machine, gone):
    """End a process; its cameras run elsewhere then, each behind one gap."""
    gaps = {name: len(served.gaps(name)) for name in NAMES}
    lost = {name for name, where in served.where().items() if where == machine}
    assert lost
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(len(served.gaps(name)) > gaps[name] for name in lost), PATIENCE_S)
    wait_until(gone, PATIENCE_S)
    wait_until(lambda: served.live() == set(NAMES), PATIENCE_S)
    assert machine not in {served.where()[name] for name in lost}
    for name in NAMES:
        served.read_more(name)
        served.check_file(name)
        assert len(served.gaps(name)) == gaps[name] + (name in lost)
        assert {gap["reason"] for gap in served.gaps(name)} <= {"moved"}


def test_a_machine_dies(served, cluster):
    cluster.nodes.append(cluster.ray.add_node(num_cpus=1, labels={"site": "east"}))  # for the next test
    node = cluster.nodes.pop(0)
    [orphan] = children(raylet_of(node))
    machine = machine_of(served, node)
    kill(served, raylet_of(node), machine, lambda: machine not in served.machines())
    assert not Path(f"/proc/{orphan}").exists()  # nobody could have told it to leave its cameras


def test_the_page_says_whose_events_cannot_be_seen(served, chromium):
    [gone] = served.ask("GET", "/api/status")["away"]
    page = chromium.open(f"{served.url}/?token={TOKEN}")
    page.evaluate("location.hash = '#/events'")
    page.wait(f"document.querySelector('p.hint')?.textContent.startsWith('Events of {gone} are unavailable')")
    assert page.complaints == []


def test_a_runner_dies(served, cluster):
    wait_until(lambda: len(served.machines()) == 2, PATIENCE_S)
    node = cluster.nodes[0]
    [runner] = children(raylet_of(node))
    kill(served, runner, machine_of(served, node), lambda: True)


def test_a_machine_that_is_cut_off_writes_no_longer(served, cluster):
    wait_until(lambda: len(served.machines()) == 2, PATIENCE_S)
    cluster.nodes.append(cluster.ray.add_node(num_cpus=1, labels={"site": "west"}))
    raylet = raylet_of(node := cluster.nodes.pop(0))
    machine = machine_of(served, node)
    if machine not in served.where().values():
        assert served.command("move", NAMES[0], machine)[0] == 0
    [lost, *_] = [name for name, where in served.where().items() if where == machine]
    served.read_more(lost)
    [runner] = children(raylet)
    os.kill(raylet, signal.SIGSTOP)  # it says nothing any more, and cannot end its runner
    try:
        wait_until(lambda: machine not in served.machines(), PATIENCE_S)
        wait_until(lambda: served.live() == set(NAMES), PATIENCE_S)
        served.read_more(lost)
        wait_until(lambda: has_ended(runner), PATIENCE_S)
        served.read_more(lost)
        served.check_file(lost)
        assert served.gaps(lost)[-1]["reason"] == "moved"
    finally:
        os.kill(raylet, signal.SIGCONT)


def test_it_ends_with_all_of_it(served, cluster):
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(PATIENCE_S) == 130
    for name in NAMES:
        assert served.lines(name)[-1]["type"] == "end"
        served.check_file(name)
    assert [path.name for path in (served.folder / "out").iterdir() if path.name.startswith(".")] == []
    wait_until(lambda: not any(children(raylet_of(node)) for node in cluster.nodes))
    assert "s3cret" not in served.said
