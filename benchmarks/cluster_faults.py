"""What a job on a real Ray cluster survives; every result has to be that of one machine, byte for byte.

    python benchmarks/cluster_faults.py kills worker 20 2   # worker, driver, node or machine; kills; nodes
    python benchmarks/cluster_faults.py tiny 1000 2         # files, nodes
    python benchmarks/cluster_faults.py slow 3              # times that a machine stands still
    python benchmarks/cluster_faults.py full 3              # MB of a disk for the outputs; needs root

`node` ends the Ray of a machine, so that its workers are orphans; `machine` its workers as well. Needs the extra `ray`;
figures are JSON on standard output, what happens is on standard error.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray_cluster import clips, cluster_of, environment, files, job, report

FILES, SECONDS = 4, 16
VIDEO = ("--preset", "ultrafast", "--set", "encode.threads=1")
_ATTEMPT = re.compile(r"/\.([0-9a-f]{24})\.[0-9a-f.]+(?=/|$)")


class Trial:
    """A job over a few files in a folder, on a cluster, and what is done to it.

    Args:
        folder: for the files.
        cluster: where.

    Attributes:
        whole_s: how long it takes undisturbed; work_s: of that, since the first file was started.
    """

    def __init__(self, folder: Path, cluster: Any) -> None:
        self.folder, self.cluster = folder, cluster
        self.out = folder / "out"
        clips(folder, FILES, SECONDS)
        self._plain()
        self.expected = files(folder / "whole")
        started_s = time.monotonic()
        self.start()
        while not workers(self.out):
            time.sleep(0.1)
        starting_s = time.monotonic() - started_s
        self.process.wait()
        self.whole_s = time.monotonic() - started_s
        self.work_s = self.whole_s - starting_s
        self.end()

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the job."""
        said = (self.folder / "said.txt").open("ab")
        command = job(self.folder, self.cluster.address, "out", "-o", f"{self.out}/", *VIDEO, *more)
        self.process = subprocess.Popen(command, env=environment(), stderr=said)
        said.close()
        return self.process

    def end(self) -> str:
        """Wait for its end, compare, and tidy up; what was wrong, nothing where all is as it has to be."""
        status = self.process.wait()
        wrong = []
        if status == 0:
            found = report(self.folder, "out")
            counts = (found["files_done"], len({row["source"] for row in found["sources"]}), found["frames"])
            if counts != (FILES, FILES, FILES * SECONDS * 25):
                wrong.append(f"reports {counts[0]} files, {counts[1]} sources, {counts[2]} frames")
        else:
            wrong.append(f"ended with {status}")
        self._until_orphans_end()
        if (found_files := files(self.out)) != self.expected:
            names = found_files.keys() ^ self.expected.keys()
            other = [name for name in found_files if found_files[name] != self.expected.get(name)]
            wrong.append(f"other files: {sorted(names)}, other content: {other}")
        if left := [str(path.relative_to(self.out)) for path in self.out.rglob(".*")]:
            wrong.append(f"left behind: {left}")
        if wrong:
            print((self.folder / "said.txt").read_text(), file=sys.stderr)
        shutil.rmtree(self.out, ignore_errors=True)
        for name in ("out.json", "said.txt"):
            (self.folder / name).unlink(missing_ok=True)
        return "; ".join(wrong)

    def attempts(self) -> dict[Path, str]:
        """Folders of attempts, with what stands for their file."""
        found = [path for path in self.out.glob(".*") if _ATTEMPT.fullmatch(f"/{path.name}")]
        return {path: path.name.split(".")[1] for path in found}

    def recovered(self, interrupted: set[str], before: set[Path], killed_s: float) -> float | None:
        """Seconds until the last of the interrupted files has got further; None where there is none."""
        left, lines = set(interrupted), dict[Path, int]()
        last_s = None
        while left and self.process.poll() is None:
            further = {path.name for path in self.out.glob(".streamdet/claims/*/*")}
            for folder, key in self.attempts().items():
                if folder not in before and key in left:
                    count = sum(_lines(path) for path in folder.glob("*.jsonl"))
                    further |= {key} if count > max(lines.setdefault(folder, count), 1) else set()
            if left & further:
                left -= further
                last_s = time.monotonic() - killed_s
            time.sleep(0.05)
        return last_s if not left else time.monotonic() - killed_s if interrupted else None

    def _plain(self) -> None:
        command = job(self.folder, None, "whole", "-o", f"{self.folder}/whole/", *VIDEO)
        subprocess.run(command, check=True, env=environment())

    def _until_orphans_end(self) -> None:
        until_s = time.monotonic() + 60
        while workers(self.out) and time.monotonic() < until_s:
            time.sleep(0.2)


def kills(what: str, times: int, nodes: int) -> dict[str, Any]:
    """Kill at random moments of a job: the driver at any, what works once a worker is at a file. Once in each job."""
    chance = random.Random(f"{what} {nodes}")
    recovered_s: list[float] = []
    wrong: list[str] = []
    idle = 0
    with tempfile.TemporaryDirectory() as name, cluster_of(nodes) as cluster:
        trial = Trial(Path(name), cluster)
        print(f"undisturbed: {trial.whole_s:.1f} s", file=sys.stderr)
        for number in range(times):
            trial.start()
            while what != "driver" and not workers(trial.out):
                time.sleep(0.1)
            moment_s = chance.uniform(0, trial.whole_s if what == "driver" else trial.work_s)
            with suppress(subprocess.TimeoutExpired):
                trial.process.wait(moment_s)
            at_work, before, killed_s = workers(trial.out), set(trial.attempts()), time.monotonic()
            interrupted = _kill(what, trial, at_work, chance)
            seconds = trial.recovered(interrupted, before, killed_s)
            idle += seconds is None
            recovered_s += [] if seconds is None else [round(seconds, 1)]
            said = trial.end()
            wrong += [said] if said else []
            print(f"{what} {number}: at {moment_s:.1f} s, {seconds}, {said or 'same'}", file=sys.stderr, flush=True)
            for _ in range(nodes - len(cluster.worker_nodes)):
                cluster.add_node(num_cpus=1)
    recovered_s.sort()
    return {
        "killed": what,
        "nodes": nodes,
        "times": times,
        "survived": times - len(wrong),
        "wrong": wrong,
        "no_file_interrupted": idle,
        "undisturbed_s": [round(trial.whole_s, 1), round(trial.work_s, 1)],
        "recovered_s": recovered_s,
        "recovered_median_s": recovered_s[len(recovered_s) // 2] if recovered_s else None,
    }


def _kill(what: str, trial: Trial, at_work: dict[int, str], chance: random.Random) -> set[str]:
    """Kill it; the files that were at work there."""
    if what == "driver":
        trial.process.kill()
        trial.process.wait()
        trial.start("--resume" if (trial.out / ".streamdet").exists() else "--overwrite")
        return set(at_work.values())
    if what == "worker":
        if not at_work:
            return set()
        pid = chance.choice(sorted(at_work))
        os.kill(pid, signal.SIGKILL)
        return {at_work[pid]}
    node = chance.choice(sorted(trial.cluster.worker_nodes, key=id))
    raylet = node.all_processes["raylet"][0].process.pid
    children = set(_children(raylet))
    os.kill(raylet, signal.SIGSTOP)  # starts no others
    for pid in children if what == "machine" else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.kill(raylet, signal.SIGKILL)
    trial.cluster.worker_nodes.discard(node)
    return {key for pid, key in at_work.items() if pid in children}


def workers(out: Path) -> dict[int, str]:
    """Processes that have a file of an attempt below `out` open, with what stands for its source."""
    return {pid: key for pid, names in _open_files() for key in _keys(names, out)}


def _keys(names: list[str], out: Path) -> list[str]:
    found = (_ATTEMPT.match(name.removeprefix(str(out))) for name in names if name.startswith(f"{out}/"))
    return [match[1] for match in found if match]


def _open_files() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            names = []
            with suppress(OSError):
                for link in (entry / "fd").iterdir():
                    with suppress(OSError):
                        names.append(os.readlink(link))
            yield int(entry.name), names


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lines(path: Path) -> int:
    with suppress(OSError):
        return path.read_bytes().count(b"\n")
    return 0


if __name__ == "__main__":
    command, *words = sys.argv[1:] or ["help"]
    if command == "kills" and len(words) == 3:
        print(json.dumps(kills(words[0], int(words[1]), int(words[2]))))
    else:
        sys.exit(__doc__)
