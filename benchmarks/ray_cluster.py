"""A real Ray cluster on this machine, and jobs on it: what the benchmarks of many machines share."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]


@contextmanager
def cluster_of(nodes: int) -> Iterator[Any]:
    """A head without processors and nodes with one each; one that is silent for five seconds is taken for dead."""
    from streamdet.cluster.environment import prepare_ray

    prepare_ray(local=False)
    os.environ.update({"RAY_worker_niceness": "0", "PYTHONPATH": str(REPOSITORY)})
    from ray.cluster_utils import Cluster

    quick = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000, "health_check_failure_threshold": 5}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": quick}
    cluster: Any = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def job(folder: Path, address: str | None, out: str, *more: str) -> list[str]:
    """The command that finds objects in all videos of `in`; without an address in this process alone."""
    outputs = ["--detections", f"{folder}/{out}/", "--report", f"{folder}/{out}.json"]
    how = ["--runtime", "openvino", "--precision", "fp32", "--no-progress", "--imgsz", "96"]
    ray = [] if address is None else ["--ray", address]
    return [sys.executable, "-m", "streamdet", "run", f"{folder}/in/*.mp4", *outputs, *how, *ray, *more]


def environment() -> dict[str, str]:
    """One inference thread, as workers have."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}


def clips(folder: Path, count: int, seconds: float) -> None:
    """Write equal videos of 320 x 180 pixels into `in`."""
    (folder / "in").mkdir()
    first = folder / "in/0000.mp4"
    scene = [sys.executable, "-m", "streamdet", "scene", "-o", str(first), "-q"]
    subprocess.run([*scene, "--seconds", str(seconds), "--width", "320", "--height", "180"], check=True)
    first.with_suffix(".labels.json").unlink()
    for number in range(1, count):
        shutil.copy(first, folder / f"in/{number:04}.mp4")


def files(folder: Path) -> dict[str, bytes]:
    """What is in a folder, also under hidden names, by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def report(folder: Path, out: str) -> dict[str, Any]:
    """What the job has reported."""
    found: dict[str, Any] = json.loads((folder / f"{out}.json").read_text())
    return found
