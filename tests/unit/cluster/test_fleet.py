"""The driver of cameras, with machines that only remember what they were told."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from fake_machines import FakeMachines, node
from waiting import wait_until

from streamdet.cluster.cameras import fleet as fleet_module
from streamdet.cluster.cameras import member as member_module
from streamdet.cluster.cameras.fleet import Fleet
from streamdet.cluster.cameras.overview import cluster_of, status_of, streams_of
from streamdet.cluster.cameras.placing import Bounds
from streamdet.cluster.cameras.runner import RunnerJob
from streamdet.cluster.cameras.settings import ClusterSettings
from streamdet.errors import ConfigError
from streamdet.jobs.config import load_job

URLS = tuple(f"rtsp://user:s3cret@camera/{name}" for name in "abcd")
NAMES = [f"camera-{name}" for name in "abcd"]


@pytest.fixture
def make_fleet(tmp_path, monkeypatch):
    """A fleet that is driven by hand: `settle()` lets it look until nothing changes any more."""
    monkeypatch.setattr(fleet_module, "TICK_S", 0.0)
    monkeypatch.setattr(fleet_module, "RETRY_S", 0.0)
    monkeypatch.setattr(member_module, "RETRY_S", 0.0)
    fleets = []

    def make(machines, urls=URLS, identity="one", settings=(), **cluster):
        config = load_job(None, ["stages=[decode, batch, detect, track, zones]", *settings])
        job = RunnerJob(config, identity, "", "", "", "token", "")
        fleet = Fleet(config, urls, ClusterSettings(**cluster), machines, lambda name: job, tmp_path / "cameras.json")
        fleets.append(fleet)
        return fleet

    yield make
    for fleet in fleets:
        fleet._pool.shutdown()
        fleet._listening.shutdown()


def until(fleet, condition):
    """Let it look until something is so."""

    def looked():
        fleet.tick()
        return condition()

    wait_until(looked)


def test_cameras_are_shared_out_once_all_machines_are_there(make_fleet, tmp_path):
    machines = FakeMachines("m1", "m2")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    assert sorted(map(len, (machines.runners["m1"].cameras, machines.runners["m2"].cameras))) == [2, 2]
    document = json.loads((tmp_path / "cameras.json").read_text())
    assert {row["name"]: row["machine"] for row in document["cameras"]} == machines.where
    assert (tmp_path / "cameras.json").stat().st_mode & 0o077 == 0  # it holds passwords


def test_what_is_shown_has_no_credentials(make_fleet):
    machines = FakeMachines("m1")
    fleet = make_fleet(machines, needs={"camera-a": "site=far"})
    machines.fails = {"m1"}
    until(fleet, lambda: fleet.members() and fleet.members()[0].problem)
    shown = json.dumps([cluster_of(fleet, Bounds()), streams_of(fleet)]) + repr(fleet.members())
    assert "s3cret" not in shown
    assert "cannot start" in shown


def test_a_dead_machine_loses_its_cameras_to_others_with_their_place(make_fleet):
    machines = FakeMachines("m1", "m2", "m3")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    stayed = {name: place for name, place in machines.where.items() if place != "m1"}
    until(fleet, lambda: all(row.place for row in fleet.table.rows.values()))
    machines.kill("m1")
    until(fleet, lambda: len(machines.where) == 4)
    assert stayed.items() <= machines.where.items()
    moved = next(name for name in NAMES if name not in stayed)
    _, place, handed = machines.runners[machines.where[moved]].cameras[moved]
    assert (place.index, handed) == (10, None)
    assert [member.name for member in fleet.members()] == ["m2", "m3"]


def test_machines_whose_events_cannot_be_asked_for_are_named_until_they_are_back(make_fleet):
    machines = FakeMachines("m1", "m2", "m3")
    machines.fails = {"m3"}  # it has never had any
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    assert status_of(fleet, Bounds(), 0)["away"] == []
    machines.kill("m1")
    until(fleet, lambda: status_of(fleet, Bounds(), 0)["away"] == ["m1"])
    machines.nodes.append(node("m1"))
    until(fleet, lambda: status_of(fleet, Bounds(), 0)["away"] == [])


def test_a_process_that_ends_is_started_again_and_its_cameras_are_elsewhere_meanwhile(make_fleet):
    machines = FakeMachines("m1", "m2")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    before = machines.runners["m1"]
    before.lost = True
    until(fleet, lambda: machines.runners["m1"] is not before and len(machines.where) == 4)
    until(fleet, lambda: all(member.state == "ready" for member in fleet.members()))
    assert {row.crashes for row in fleet.table.rows.values()} == {0, 1}


def test_a_runner_whose_job_has_failed_is_ended(make_fleet):
    machines = FakeMachines("m1", "m2")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    before = machines.runners["m1"]
    before.crash = "stage detect failed"
    until(fleet, lambda: before.lost and len(machines.where) == 4)


def test_a_camera_that_ends_its_runner_again_and_again_waits_longer_each_time(make_fleet, monkeypatch):
    monkeypatch.setattr(member_module, "RETRY_S", 10.0)
    machines = FakeMachines("m1")
    fleet = make_fleet(machines, URLS[:1])
    waits = []
    for _ in range(3):
        with fleet.table.lock:
            fleet.table.set(NAMES[0], not_before=0.0)
            for member in fleet._members.values():
                member.again_s = 0.0
        until(fleet, lambda: NAMES[0] in machines.where)
        machines.runners["m1"].lost = True
        until(fleet, lambda: fleet.table.rows[NAMES[0]].machine is None)
        row = fleet.table.rows[NAMES[0]]
        waits.append(row.not_before - row.since)
    assert fleet.table.rows[NAMES[0]].crashes == 3
    assert waits[2] > waits[1] > 4.0
    assert waits[0] < 4.0
    [stream] = streams_of(fleet)
    assert "ended 3 times" in stream["reason"]


def test_cameras_do_not_wait_where_it_was_the_machine_that_died(make_fleet, monkeypatch):
    monkeypatch.setattr(member_module, "RETRY_S", 1e6)
    machines = FakeMachines("m0")
    fleet = make_fleet(machines, URLS[:1])
    for n in range(4):  # the process is missed first, its machine a moment later
        until(fleet, lambda: NAMES[0] in machines.where)
        machines.runners[f"m{n}"].lost = True
        until(fleet, lambda: fleet.table.rows[NAMES[0]].machine is None)
        machines.nodes = [node(f"m{n + 1}")]
    until(fleet, lambda: NAMES[0] in machines.where)
    assert fleet.table.rows[NAMES[0]].crashes == 0


def test_a_machine_that_cannot_start_a_runner_gets_no_camera(make_fleet):
    machines = FakeMachines("m1", "m2")
    machines.fails = {"m2"}
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    assert set(machines.where.values()) == {"m1"}
    problems = {member.name: member.problem for member in fleet.members()}
    assert "cannot start" in (problems["m2"] or "")


def test_a_driver_that_starts_again_finds_its_cameras_where_they_are(make_fleet):
    machines = FakeMachines("m1", "m2")
    first = make_fleet(machines)
    until(first, lambda: len(machines.where) == 4)
    before = dict(machines.where)
    joined = {name: runner.calls.count("join") for name, runner in machines.runners.items()}
    second = make_fleet(machines)
    until(second, lambda: len([s for s in streams_of(second) if s["state"] == "live"]) == 4)
    for _ in range(5):
        second.tick()
    assert machines.where == before
    assert {name: runner.calls.count("join") for name, runner in machines.runners.items()} == joined


def test_a_driver_with_another_job_starts_other_runners(make_fleet):
    machines = FakeMachines("m1")
    first = make_fleet(machines)
    until(first, lambda: len(machines.where) == 4)
    before = machines.runners["m1"]
    second = make_fleet(machines, identity="two")
    until(second, lambda: machines.runners["m1"] is not before and len(machines.where) == 4)
    assert before.closed  # it has completed what it wrote


def test_a_camera_moves_with_its_state(make_fleet):
    machines = FakeMachines("m1", "m2")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4 and float("inf") not in fleet._busy.values())
    source = machines.where["camera-a"]
    target = {"m1": "m2", "m2": "m1"}[source]
    fleet.move("camera-a", target)
    assert machines.where["camera-a"] == target
    assert machines.runners[target].cameras["camera-a"][2] == b"state of camera-a"
    for _ in range(5):
        fleet.tick()
    assert machines.where["camera-a"] == target
    fleet.move("camera-a", target)  # it is there


def test_a_camera_that_its_new_machine_cannot_read_goes_back_with_its_state(make_fleet):
    machines = FakeMachines("m1", "m2")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4 and float("inf") not in fleet._busy.values())
    source = machines.where["camera-a"]
    target = {"m1": "m2", "m2": "m1"}[source]
    machines.runners[target].refuses["camera-a"] = "no such folder"
    with pytest.raises(ConfigError, match="no such folder"):
        fleet.move("camera-a", target)
    assert machines.where["camera-a"] == source
    assert machines.runners[source].cameras["camera-a"][2] == b"state of camera-a"


def test_moves_that_cannot_be_are_refused(make_fleet):
    machines = FakeMachines("m1", "m2")
    fleet = make_fleet(machines, needs={"camera-b": "site=far"})
    until(fleet, lambda: len(machines.where) == 3)
    with pytest.raises(KeyError, match="camera-x"):
        fleet.move("camera-x", "m1")
    with pytest.raises(KeyError, match="m9; expected one of m1, m2"):
        fleet.move("camera-a", "m9")
    with pytest.raises(ConfigError, match="label site=far"):
        fleet.move("camera-b", "m1")
    [waiting] = [stream for stream in streams_of(fleet) if stream["name"] == "camera-b"]
    assert (waiting["state"], waiting["reason"]) == ("connecting", "no machine has the label site=far")
    machines.nodes.append(node("m3", {"site=far"}))
    until(fleet, lambda: machines.where.get("camera-b") == "m3")


def test_a_busy_machine_gives_a_camera_away(make_fleet):
    machines = FakeMachines("m1", "m2")
    fleet = make_fleet(machines, patience_s=1.0)
    until(fleet, lambda: len(machines.where) == 4)
    hot = machines.runners["m1"]
    hot.p95_s = 5.0
    until(fleet, lambda: len(hot.cameras) == 1)
    moved = next(iter(machines.runners["m2"].cameras.values()))
    hot.p95_s = 0.1
    assert len(machines.where) == 4
    assert moved is not None
    assert any(handed for _, _, handed in machines.runners["m2"].cameras.values())


def test_cameras_join_and_leave(make_fleet):
    machines = FakeMachines("m1")
    fleet = make_fleet(machines, URLS[:2])
    until(fleet, lambda: len(machines.where) == 2)
    assert fleet.table.add(URLS[2]) == "camera-c"
    until(fleet, lambda: "camera-c" in machines.where)
    fleet.table.remove("camera-a")
    until(fleet, lambda: "camera-a" not in machines.where)
    with pytest.raises(KeyError):
        fleet.table.remove("camera-a")
    with pytest.raises(ConfigError, match="already"):
        fleet.table.add(URLS[1])
    with pytest.raises(ConfigError, match="expected a camera"):
        fleet.table.add(__file__)
    with pytest.raises(ValueError, match="key=value"):
        fleet.table.add(URLS[3], "north")


def test_a_camera_that_cannot_be_read_says_why_and_is_tried_again(make_fleet):
    machines = FakeMachines("m1")
    fleet = make_fleet(machines, URLS[:1])
    until(fleet, lambda: "m1" in machines.runners)
    machines.runners["m1"].refuses["camera-a"] = "out/camera-a.jsonl already exists"
    until(fleet, lambda: fleet.table.rows["camera-a"].problem is not None)
    [stream] = streams_of(fleet)
    assert (stream["state"], stream["reason"]) == ("failed", "out/camera-a.jsonl already exists")
    machines.runners["m1"].refuses.clear()
    until(fleet, lambda: streams_of(fleet)[0]["state"] == "live")


def test_changes_reach_machines_that_come_later(make_fleet):
    machines = FakeMachines("m1")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    fleet.change("detect", {"conf": 0.7})
    machines.nodes.append(node("m2"))
    until(fleet, lambda: "detect" in getattr(machines.runners.get("m2"), "changed", {}))
    assert machines.runners["m2"].changed["detect"]["conf"] == 0.7
    assert "zones" in machines.runners["m2"].changed


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["stages=[decode, batch, detect, track, annotate, encode]", "encode.path=out/"], "may move"),
        (["stages=[decode, batch, detect, track, zones, record]", "record.path=out/", "record.format=mot"], "may move"),
    ],
)
def test_files_that_could_not_be_continued_are_refused(make_fleet, tmp_path, monkeypatch, settings, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        make_fleet(FakeMachines("m1"), settings=settings)


def test_needs_of_a_camera_that_is_not_there_are_refused(make_fleet):
    with pytest.raises(ConfigError, match="there is no camera gate; expected one of camera-a, camera-b"):
        make_fleet(FakeMachines("m1"), needs={"gate": "site=a"})


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1, "cameras": [{"name": 1}]}'])
def test_a_damaged_table_is_refused(make_fleet, tmp_path, text):
    (tmp_path / "cameras.json").write_text(text)
    with pytest.raises(ConfigError, match=r"cameras\.json"):
        make_fleet(FakeMachines("m1"))


def test_what_is_asked_at_the_same_time_leaves_each_camera_at_one_machine(make_fleet):
    machines = FakeMachines("m1", "m2", "m3")
    fleet = make_fleet(machines)
    until(fleet, lambda: len(machines.where) == 4)
    over = threading.Event()

    def push(camera):
        for n in range(20):
            with suppress(ConfigError):  # it is on its way
                fleet.move(camera, f"m{n % 3 + 1}")

    def look():
        while not over.is_set():
            fleet.tick()

    with ThreadPoolExecutor(6) as pool:
        looking = pool.submit(look)
        list(pool.map(push, [*NAMES, NAMES[0]]))
        over.set()
        looking.result()
    until(fleet, lambda: sorted(c for r in machines.runners.values() for c in r.cameras) == NAMES)
    assert machines.where == {row.name: row.machine for row in fleet.table.rows.values()}
