"""What cameras on many machines cost: placer and driver by simulation, and a real Ray cluster that loses machines.

    python benchmarks/cluster_cameras.py cameras 10000 500     # cameras, machines
    python benchmarks/cluster_cameras.py kills 20              # machines that are killed
    python benchmarks/cluster_cameras.py kills 20 --tight      # where Ray misses a machine after 5 s

`kills` needs the extras `ray` and `serve`, and gst-rtsp-server as the tests do. Figures are written as JSON to standard
output.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from streamdet.cluster.cameras.client import ask
from streamdet.cluster.cameras.fleet import Fleet
from streamdet.cluster.cameras.machines import Handle, Node
from streamdet.cluster.cameras.placing import Machine, Placer, Seat
from streamdet.cluster.cameras.runner import RunnerJob
from streamdet.cluster.cameras.settings import ClusterSettings
from streamdet.frames import Place
from streamdet.jobs.config import load_job

REPOSITORY = Path(__file__).parents[1]
TOKEN = "0123456789abcdef-bench"
CAMERAS = 4
PATIENCE_S = 180.0


def cameras(count: int, machines: int) -> dict[str, Any]:
    """Ten hours of cameras on simulated machines, of which one dies and some are too slow."""
    random.seed(0)
    ready = {f"m{n}": Machine(random.choice([4.0, 8.0, 16.0]), _labels(n)) for n in range(machines)}
    seats = {f"c{n}": Seat(needs=f"site={n % 10}" if n % 5 == 0 else None) for n in range(count)}
    placer, found = Placer(), dict[str, Any]()
    steps, found["place_all_s"] = _timed(placer, 0.0, ready, seats)
    _apply(seats, steps, 0.0)
    found["cameras_per_processor"] = _spread(ready, seats)
    ticks = [_timed(placer, 2.0 * n, ready, seats)[1] for n in range(1, 50)]
    found["quiet_tick_ms"] = round(1000 * median(ticks), 2)
    dead = "m7"
    lost = sum(seat.machine == dead for seat in seats.values())
    del ready[dead]
    steps, tick_s = _timed(placer, 100.0, ready, seats)
    _apply(seats, steps, 100.0)
    found["death"] = {"cameras": lost, "moved": len(steps), "tick_ms": round(1000 * tick_s, 2)}
    found["death"]["cameras_per_processor"] = _spread(ready, seats)
    found["overload"] = _overload(placer, ready, seats)
    return {"cameras": count, "machines": machines, "placer": found, "driver": driver(count, machines)}


def _overload(placer: Placer, ready: dict[str, Machine], seats: dict[str, Seat]) -> dict[str, Any]:
    """A tenth of the machines become half as fast; load is in proportion to cameras."""
    speeds = {name: machine.cpus for name, machine in ready.items()}
    have = Counter(seat.machine for seat in seats.values())
    # At rest every machine has 60 % of what its bounds allow.
    most = {name: max(have[name], 1) / 0.6 for name in ready}
    for name in random.sample(sorted(ready), len(ready) // 10):
        most[name] /= 2
        speeds[name] /= 2
    moves, ticks, last_s = 0, [], 0.0
    for n in range(1, 1800):  # an hour
        now_s = 200.0 + 2 * n
        have = Counter(seat.machine for seat in seats.values())
        loaded = {name: replace(machine, p95_s=have[name] / most[name]) for name, machine in ready.items()}
        steps, tick_s = _timed(placer, now_s, loaded, seats)
        _apply(seats, steps, now_s)
        moves, last_s = moves + len(steps), now_s - 200 if steps else last_s
        ticks.append(tick_s)
    have = Counter(seat.machine for seat in seats.values())
    return {
        "slow_machines": len(ready) // 10,
        "moves": moves,
        "last_move_after_s": last_s,
        "over_bounds_at_the_end": sum(have[name] > most[name] for name in ready),
        "worst_tick_ms": round(1000 * max(ticks), 2),
    }


def _labels(number: int) -> frozenset[str]:
    return frozenset({f"site={number % 10}"})


def _timed(placer: Placer, now_s: float, ready: dict[str, Machine], seats: dict[str, Seat]) -> tuple[list[Any], float]:
    started_s = time.perf_counter()
    steps = placer.decide(now_s, ready, seats)
    return steps, round(time.perf_counter() - started_s, 4)


def _apply(seats: dict[str, Seat], steps: list[Any], now_s: float) -> None:
    for step in steps:
        seats[step.camera] = replace(seats[step.camera], machine=step.machine, since_s=now_s)


def _spread(ready: dict[str, Machine], seats: dict[str, Seat]) -> list[float]:
    """Fewest and most cameras for a processor."""
    have = Counter(seat.machine for seat in seats.values())
    shares = [have[name] / machine.cpus for name, machine in ready.items()]
    return [round(min(shares), 2), round(max(shares), 2)]


class _Runner:
    """Answers as a runner does, without a process."""

    def __init__(self, job: RunnerJob) -> None:
        self._job, self._cameras = job, dict[str, Place]()

    def ask(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        if method == "about":
            return {"identity": self._job.identity, "host": "", "port": 1, "token": ""}
        if method == "join":
            self._cameras[arguments[0].name] = Place(0, 1, 1.0, time.time())
            return None
        if method != "report":
            return {}
        streams = [_stream(name) for name in self._cameras]
        status = {"streams": streams, "stages": [{"name": "detect", "busy": 0.5}]}
        report = {"status": status, "cameras": list(self._cameras), "places": dict(self._cameras)}
        return {**report, "p95_s": 0.1, "dropped": 0.0, "crash": None}

    def end(self) -> None:
        pass


def _stream(name: str) -> dict[str, Any]:
    return {"name": name, "location": "rtsp://camera/x", "state": "live", "reason": None, "since": 0.0, "frames": 1}


class _Machines:
    def __init__(self, count: int) -> None:
        self.nodes = [Node(f"id{n}", f"m{n}", "127.0.0.1", 8.0, 0.0, _labels(n)) for n in range(count)]

    def alive(self) -> list[Node]:
        return list(self.nodes)

    def find(self, node: Node) -> Handle | None:
        return None

    def start(self, node: Node, job: RunnerJob) -> Handle:
        return _Runner(job)


def driver(count: int, machines: int) -> dict[str, Any]:
    """The whole driver over machines that answer at once: what a tick costs it, and what the table takes."""
    config = load_job(None, ["stages=[decode, batch, detect, track, zones]"])
    job = RunnerJob(config, "", "", "", "", "", "")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "cameras.json")
        started_s = time.perf_counter()
        fleet = Fleet(
            config,
            [f"rtsp://user:password@10.{n // 65536}.{n // 256 % 256}.{n % 256}/stream" for n in range(count)],
            ClusterSettings(),
            _Machines(machines),
            lambda name: job,
            table,
        )
        planned_s = time.perf_counter() - started_s
        read: set[str] = set()
        while len(read) < count:
            fleet.tick()
            read = {name for member in fleet.members() for name in member.cameras}
        placed_s = time.perf_counter() - started_s - planned_s
        ticks = []
        for _ in range(20):
            tick_s = time.process_time()
            fleet.tick()
            ticks.append(time.process_time() - tick_s)
        save_s = time.perf_counter()
        fleet.table.save()
        return {
            "checked_s": round(planned_s, 2),
            "placed_s": round(placed_s, 2),
            "tick_cpu_ms": round(1000 * median(ticks)),
            "save_table_ms": round(1000 * (time.perf_counter() - save_s)),
            "table_mb": round(table.stat().st_size / 1e6, 2),
            "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


class _Served:
    """`streamdet cluster serve` as a process of its own."""

    def __init__(self, folder: Path, address: str, urls: list[str]) -> None:
        self.folder = folder
        (folder / "cameras.yaml").write_text(
            f"sources: {urls}\nstages: [decode, batch, detect, track, record]\n"
            "detect: {model: tiny.safetensors, conf: 0.0, max_detections: 5, runtime: torch, precision: fp32}\n"
            "record: {path: out/}\ncluster: {p95_s: 60.0, max_dropped: 1.0}\n"
        )
        words = ["cluster", "serve", "cameras.yaml", "--ray", address, "--port", "0", "--log-format", "json"]
        self._said = folder / "said.txt"
        with self._said.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamdet", *words],
                cwd=folder,
                stderr=said,
                env={**os.environ, "STREAMDET_TOKEN": TOKEN},
            )
        _wait(lambda: '"port"' in self._said.read_text())
        ports = [json.loads(line)["port"] for line in self._said.read_text().splitlines() if '"port"' in line]
        self._url = f"http://127.0.0.1:{ports[0]}"

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = ask(self._url, TOKEN, "GET", "/api/cluster")
        return found

    def all_live(self, machines: int) -> bool:
        status = self.status()
        ready = [each for each in status["machines"] if each["state"] == "ready"]
        return len(ready) == machines and all(each["state"] == "live" for each in status["cameras"])

    def frames(self, name: str) -> list[float]:
        """When each frame of a camera was captured, seconds since 1970; of the last megabyte of its file."""
        path = self.folder / f"out/{name}.jsonl"
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2**20))
            lines = file.read().split(b"\n")
        found = []
        for line in lines:
            with suppress(ValueError, KeyError):
                values = json.loads(line)
                if values["type"] == "frame":
                    found.append(datetime.fromisoformat(values["wall_time"]).timestamp())
        return found


def kills(count: int, tight: bool) -> dict[str, Any]:
    """Kill Ray and all runners of a machine at a random moment, again and again; each time another one joins."""
    sys.path[:0] = [str(REPOSITORY / "tests" / "helpers")]
    from rtsp_server import Live, Mount, RtspServer

    figures: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place, _cluster(tight) as (cluster, nodes):
        mounts: dict[str, Mount] = {f"/{n}": Live(160, 96, 10, keyframe_every=10) for n in range(CAMERAS)}
        with RtspServer(mounts) as rtsp:
            _write_model(Path(place, "tiny.safetensors"))
            served = _Served(Path(place), cluster.address, [rtsp.url(path) for path in mounts])
            try:
                for number in range(count):
                    _wait(lambda: served.all_live(2))
                    time.sleep(random.uniform(0, 6))
                    for key, value in _kill(served, nodes).items():
                        figures[key].append(value)
                    print(f"{number + 1}: {figures['recovered_s'][-1]:.1f} s", file=sys.stderr, flush=True)
                    nodes.append(cluster.add_node(num_cpus=1, labels={"site": f"s{number}"}))
            finally:
                served.process.send_signal(signal.SIGINT)
                served.process.wait(PATIENCE_S)
    summed = {key: {"median": round(median(all_), 1), "max": round(max(all_), 1)} for key, all_ in figures.items()}
    return {"kills": count, "cameras": CAMERAS, "tight": tight, **summed}


def _kill(served: _Served, nodes: list[Any]) -> dict[str, float]:
    """Kill a machine that has cameras; how long until each of them gives frames again."""
    status = served.status()
    have: dict[str, list[str]] = defaultdict(list)
    for each in status["cameras"]:
        have[each["node"]].append(each["name"])
    labels = {each["labels"][0]: each["name"] for each in status["machines"] if each["labels"]}
    node = random.choice([n for n in nodes if have.get(labels.get(f"site={n.node_labels['site']}", ""))])
    nodes.remove(node)
    lost = have[labels[f"site={node.node_labels['site']}"]]
    raylet = node.all_processes["raylet"][0].process.pid
    children = _children(raylet)
    killed_s = time.time()
    for pid in (raylet, *children):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    first: dict[str, float] = {}

    def recovered() -> bool:
        for name in lost:
            later = [at_s for at_s in served.frames(name) if at_s > killed_s + 0.5]
            if later:
                first.setdefault(name, later[0])
        return len(first) == len(lost)

    _wait(recovered)
    return {"recovered_s": max(first.values()) - killed_s, "first_camera_s": min(first.values()) - killed_s}


@contextmanager
def _cluster(tight: bool) -> Iterator[tuple[Any, list[Any]]]:
    """A head without processors and two machines with one each."""
    from streamdet.cluster.environment import prepare_ray

    prepare_ray(local=False)
    os.environ.update({"RAY_worker_niceness": "0", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"})
    from ray.cluster_utils import Cluster

    options: dict[str, Any] = {"num_cpus": 0, "include_dashboard": False}
    if tight:
        health = {"initial_delay_ms": 1000, "period_ms": 1000, "failure_threshold": 5}
        options["_system_config"] = {f"health_check_{name}": value for name, value in health.items()}
    cluster: Any = Cluster(initialize_head=True, head_node_args=options)
    try:
        yield cluster, [cluster.add_node(num_cpus=1, labels={"site": name}) for name in ("a", "b")]
    finally:
        cluster.shutdown()


def _write_model(path: Path) -> None:
    from lively_detector import lively_detector

    from streamdet.models.recurrent.checkpoint import save_checkpoint

    save_checkpoint(path, lively_detector(channels=16, recurrent_channels=8), {})


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
    return found


def _wait(condition: Any) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise SystemExit("did not happen in time")
        time.sleep(0.1)


def main(words: list[str]) -> None:
    """One of the commands above."""
    match words:
        case ["cameras", count, machines]:
            found = cameras(int(count), int(machines))
        case ["kills", count, *more]:
            found = kills(int(count), more == ["--tight"])
        case _:
            raise SystemExit(__doc__)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
