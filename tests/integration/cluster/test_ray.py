"""A real Ray cluster here: a node, a worker and the driver are killed, and nothing is missing or done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
from waiting import wait_until

pytest.importorskip("ray")
pytestmark = pytest.mark.soak

REPOSITORY = Path(__file__).parents[3]
FRAMES = 400


@pytest.fixture(scope="module")
def cluster():
    """A head without processors and two nodes with one each, which are missed after three seconds."""
    from streamdet.cluster.environment import prepare_ray

    prepare_ray(local=False)
    os.environ.update({"RAY_worker_niceness": "0", "PYTHONPATH": str(REPOSITORY)})
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "_system_config": {
                "health_check_initial_delay_ms": 1000,
                "health_check_period_ms": 1000,
                "health_check_failure_threshold": 5,
            },
        },
    )
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster.address, nodes, cluster
    cluster.shutdown()


@pytest.fixture
def node_with_little_room(cluster, tmp_path):
    """A third one; no file of its workers may be larger than 30 kB."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room/sitecustomize.py").write_text(
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
    )
    node = cluster[2].add_node(num_cpus=1, env_vars={"PYTHONPATH": f"{tmp_path}/room:{REPOSITORY}"})
    yield
    cluster[2].remove_node(node)


@pytest.fixture
def long_clips(tmp_path, write_clip):
    for seed, name in enumerate(("a", "x/a", "x/b", "y/a")):
        write_clip(tmp_path / f"in/{name}.mp4", FRAMES, seed)


@pytest.fixture
def start(tmp_path, cluster, settings):
    """Start the job as a process of its own."""
    started = []

    def run(*more):
        job = ["run", "in/**/*.mp4", "-o", "out/", "--detections", "out/", "--ray", cluster[0], *settings, *more]
        process = subprocess.Popen(
            [sys.executable, "-m", "streamdet", *job],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def expected(streamdet, long_clips, settings, tmp_path, files_of):
    status, said = streamdet("run", "in/**/*.mp4", "-o", "whole/", "--detections", "whole/", *settings)
    assert status == 0, said
    return files_of(tmp_path / "whole")


def _workers():
    """Pids of the workers that are at a file."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::_do"):
                found.append(int(entry.name))
    return found


def _at_work(folder):
    """True once some attempt has a checkpoint."""
    return any(folder.glob("out/**/*.checkpoint"))


def test_a_video_in_parts(cluster, settings, tmp_path, write_clip):
    write_clip(tmp_path / "film.mp4", 250)
    job = ["film.mp4", "-o", "film.out.mp4", "--detections", "film.jsonl", "--split", "5s", "--ray", cluster[0]]
    command = [sys.executable, "-m", "streamdet", "run", *job, *settings]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "film.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines if line["type"] == "frame"] == list(range(250))
    with av.open(str(tmp_path / "film.out.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 250
    assert "in 2 parts" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.jsonl", "film.mp4", "film.out.mp4"]


def test_a_file_that_fails_on_one_machine_is_done_on_another(
    start, node_with_little_room, tmp_path, write_clip, files_of
):
    for seed, name in enumerate("abcdef"):
        write_clip(tmp_path / f"in/{name}.mp4", 60, seed)
    process = start("--report", "report.json")
    printed, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert {f"{name}.jsonl" for name in "abcdef"} < set(files_of(tmp_path / "out"))
    assert "cannot be written: File too large" in said  # once each at most
    assert printed == ""


def test_workers_and_the_driver_are_killed(start, expected, tmp_path, files_of):
    first = start()
    wait_until(lambda: _at_work(tmp_path), 240)
    os.kill(_workers()[0], signal.SIGKILL)
    time.sleep(1)  # of a driver that gives the file out again
    first.kill()
    first.communicate()
    second = start("--resume", "--report", "report.json")
    printed, said = second.communicate(timeout=500)
    assert second.returncode == 0, said
    assert printed == ""
    assert files_of(tmp_path / "out") == expected
    assert "failed" not in said


def test_a_node_is_killed(start, cluster, expected, tmp_path, files_of):
    process = start()
    wait_until(lambda: _at_work(tmp_path), 240)
    node = cluster[1].pop()
    raylet = node.all_processes["raylet"][0].process.pid
    os.kill(raylet, signal.SIGKILL)  # its workers are orphans, and may publish what they have
    _, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert files_of(tmp_path / "out") == expected
