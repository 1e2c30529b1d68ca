"""What many machines cost: planning, driver and ledger, and a real Ray cluster.

    python benchmarks/cluster.py plan 100000
    python benchmarks/cluster.py driver 1000000
    python benchmarks/cluster.py speed 1 40         # nodes of one processor each, files

`speed` needs the extra `ray`. Figures are JSON on standard output.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray_cluster import clips, cluster_of, environment, job, report

from streamdet.cluster.attempt import Piece
from streamdet.cluster.driver import Driver, Lost
from streamdet.cluster.ledger import Ledger
from streamdet.cluster.planning import plan_pieces
from streamdet.jobs.config import load_job


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


def speed(nodes: int, files: int) -> dict[str, Any]:
    """Files an hour; the workers are warm after the first files, whose time is in it."""
    with tempfile.TemporaryDirectory() as name, cluster_of(nodes) as cluster:
        folder = Path(name)
        clips(folder, files, 1.0)
        subprocess.run(job(folder, cluster.address, "out", "--no-video"), check=True, env=environment())
        found = report(folder, "out")
        seconds = found["wall_s"]
        work_s = sum(row["worker_s"] for row in found["sources"])
    return {
        "nodes": nodes,
        "files": found["files_done"],
        "seconds": seconds,
        "files_an_hour": round(3600 * files / seconds),
        "busy_share": round(work_s / seconds / nodes, 3),
    }


if __name__ == "__main__":
    command, *words = sys.argv[1:] or ["help"]
    if command in ("plan", "driver") and len(words) == 1:
        print(json.dumps({"plan": plan, "driver": driver}[command](int(words[0]))))
    elif command == "speed" and len(words) == 2:
        print(json.dumps(speed(int(words[0]), int(words[1]))))
    else:
        sys.exit(__doc__)
