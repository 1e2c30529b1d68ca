"""What many machines cost: planning, driver and ledger, and a real Ray cluster whose processes are killed.

    python benchmarks/cluster.py plan 100000
    python benchmarks/cluster.py driver 1000000
    python benchmarks/cluster.py speed 1 40         # nodes of one processor each, files
    python benchmarks/cluster.py kills node 3       # worker, driver or node; kills

`speed` and `kills` need the extra `ray`, and write tables as JSON to standard output.
"""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamdet.cluster.attempt import Piece
from streamdet.cluster.driver import Driver, Lost
from streamdet.cluster.ledger import Ledger
from streamdet.cluster.planning import plan_pieces
from streamdet.jobs.config import load_job

FRAMES = 300
REPOSITORY = Path(__file__).parents[1]


class _Instant:
    """A pool in which everything is done at once."""

    window = 64

    def __init__(self) -> None:
        self._flying: list[Piece] = []

    def submit(self, piece: Piece, *, last: bool) -> None:
        self._flying.append(piece)

    def wait(self, seconds: float) -> list[tuple[Piece, dict[str, Any] | Lost]]:
        done, self._flying = self._flying, []
        row = {"frames": 1000, "frames_of_this_run": 1000, "failures": [], "warnings": [], "wall_s": 1.0, "node": "n"}
        return [(piece, {"source": piece.name, **row}) for piece in done]

    def frames(self) -> dict[str, int]:
        return {}

    def lives(self, node: str) -> bool:
        return True

    def drop(self) -> None:
        self._flying = []


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def plan(count: int) -> dict[str, Any]:
    """Find and plan empty files on a disk."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            path = Path(folder, f"in/{number // 1000}/{number}.mp4")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        Path(folder, "out").mkdir()
        stages = "stages=[decode,batch,detect,track,record]"
        config = load_job(None, [f"sources=['{folder}/in/**/*.mp4']", f"record.path={folder}/out/", stages])
        before_mb, start_s = _peak_mb(), time.perf_counter()
        planned = plan_pieces(config, scratch)
        wall_s = time.perf_counter() - start_s
    return {"files": len(planned.pieces), "seconds": round(wall_s, 1), "mb": round(_peak_mb() - before_mb, 1)}


def driver(count: int) -> dict[str, Any]:
    """Give out files that are done at once: what is left is the driver's work and its ledger."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in.mp4").touch()
        Path(folder, "scratch").mkdir()
        stages = "stages=[decode,batch,detect,track,record]"
        config = load_job(None, [f"sources=[{folder}/in.mp4]", f"record.path={folder}/out/", stages])
        [piece] = plan_pieces(config, Path(folder, "scratch")).pieces
        pieces = [
            replace(piece, job=replace(piece.job, spec=replace(piece.job.spec, name=f"clips/{number:07}")))
            for number in range(count)
        ]
        place = f"{folder}/ledger.jsonl"
        start_s = time.perf_counter()
        ledger = Ledger.start(place, {})
        Driver(pieces, _Instant(), ledger).run()
        ledger.close()
        done_s, start_s = time.perf_counter() - start_s, time.perf_counter()
        again = Ledger.load(place)
        assert again is not None
        assert len(again.rows) == count
        again.close()
        return {
            "files": count,
            "driver_s": round(done_s, 2),
            "us_a_file": round(1e6 * done_s / count, 1),
            "ledger_mb": round(Path(place).stat().st_size / 1e6, 1),
            "ledger_load_s": round(time.perf_counter() - start_s, 2),
            "peak_mb": _peak_mb(),
        }


@contextmanager
def _cluster(nodes: int) -> Iterator[tuple[str, list[Any], Any]]:
    from streamdet.cluster.environment import prepare_ray

    prepare_ray(local=False)
    os.environ.update({"RAY_worker_niceness": "0", "PYTHONPATH": str(REPOSITORY)})
    from ray.cluster_utils import Cluster

    quick = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000, "health_check_failure_threshold": 5}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": quick}
    cluster: Any = Cluster(initialize_head=True, head_node_args=head)
    try:
        added = [cluster.add_node(num_cpus=1) for _ in range(nodes)]
        cluster.wait_for_nodes()
        yield cluster.address, added, cluster
    finally:
        cluster.shutdown()


def _job(folder: Path, address: str | None, out: str) -> list[str]:
    source = f"{folder}/in/*.mp4"
    outputs = ["--no-video", "--detections", f"{folder}/{out}/", "--report", f"{folder}/{out}.json"]
    how = ["--runtime", "openvino", "--precision", "fp32", "--no-progress"]
    ray = [] if address is None else ["--ray", address]
    return [sys.executable, "-m", "streamdet", "run", source, *outputs, *how, *ray]


def _clips(folder: Path, count: int, seconds: float) -> None:
    (folder / "in").mkdir()
    first = folder / "in/0000.mp4"
    scene = [sys.executable, "-m", "streamdet", "scene", "-o", str(first), "-q"]
    subprocess.run([*scene, "--seconds", str(seconds), "--width", "320", "--height", "180"], check=True)
    first.with_suffix(".labels.json").unlink()
    for number in range(1, count):
        shutil.copy(first, folder / f"in/{number:04}.mp4")


def speed(nodes: int, files: int) -> dict[str, Any]:
    """Files an hour; the workers are warm after the first files, whose time is in it."""
    with tempfile.TemporaryDirectory() as name, _cluster(nodes) as (address, _, _):
        folder = Path(name)
        _clips(folder, files, 1.0)
        subprocess.run(_job(folder, address, "out"), check=True, env=_environment())
        report = json.loads((folder / "out.json").read_text())
        seconds = report["wall_s"]
        work_s = sum(row["worker_s"] for row in report["sources"])
    return {
        "nodes": nodes,
        "files": report["files_done"],
        "seconds": seconds,
        "files_an_hour": round(3600 * files / seconds),
        "busy_share": round(work_s / seconds / nodes, 3),
    }


def kills(what: str, times: int) -> dict[str, Any]:
    """Kill at random moments of a job; the result has to be that of a plain run, byte for byte."""
    chance = random.Random(0)
    recovered_s: list[float] = []
    with tempfile.TemporaryDirectory() as name, _cluster(2) as (address, nodes, cluster):
        folder = Path(name)
        _clips(folder, 4, FRAMES / 25)
        subprocess.run(_job(folder, None, "whole"), check=True, env=_environment())
        expected = _files(folder / "whole")
        for _ in range(times):
            process = subprocess.Popen(_job(folder, address, "out"), env=_environment())
            while not list((folder / "out").glob("**/*.jsonl")):
                time.sleep(0.1)
            time.sleep(chance.uniform(0, 20))
            killed_s = time.monotonic()
            if what == "driver":
                process.kill()
                process.wait()
                process = subprocess.Popen([*_job(folder, address, "out"), "--resume"], env=_environment())
            elif what == "worker":
                for pid in _workers()[:1]:
                    os.kill(pid, signal.SIGKILL)
            else:
                node = nodes.pop(0)
                os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
                nodes.append(cluster.add_node(num_cpus=1))
            status = process.wait()
            recovered_s.append(round(time.monotonic() - killed_s, 1))
            assert status == 0, f"ended with {status}"
            assert _files(folder / "out") == expected, "other results than those of a plain run"
            shutil.rmtree(folder / "out")
            (folder / "out.json").unlink()
    same = "byte for byte those of a plain run"
    return {"killed": what, "times": times, "to_the_end_s": recovered_s, "results": same}


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _workers() -> list[int]:
    entries = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [int(entry.name) for entry in entries if _title(entry).startswith(b"ray::_do")]


def _title(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    command, *words = sys.argv[1:] or ["help"]
    if command in ("plan", "driver") and len(words) == 1:
        print(json.dumps({"plan": plan, "driver": driver}[command](int(words[0]))))
    elif command == "speed" and len(words) == 2:
        print(json.dumps(speed(int(words[0]), int(words[1]))))
    elif command == "kills" and len(words) == 2:
        print(json.dumps(kills(words[0], int(words[1]))))
    else:
        sys.exit(__doc__)
