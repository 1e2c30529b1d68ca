"""What a job on a real Ray cluster survives; every result has to be that of one machine, byte for byte.

    python benchmarks/cluster_faults.py kills worker 20 2   # worker, driver, node or machine; kills; nodes
    python benchmarks/cluster_faults.py tiny 1000 2         # files, nodes
    python benchmarks/cluster_faults.py slow 3              # times that a machine stands still
    python benchmarks/cluster_faults.py full 3              # MB of a disk for the outputs; needs root

`node` ends the Ray of a machine, so that its workers are orphans; `machine` its workers as well. Needs the extra `ray`;
figures are JSON on standard output, what happens is on standard error.
"""

import io
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
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from ray_cluster import clips, cluster_of, environment, files, job, report

FILES, SECONDS = 4, 12
VIDEO = ("--preset", "ultrafast", "--set", "encode.threads=1")
_TIMES = ("pts", "dts", "duration")
_ATTEMPT = re.compile(r"/\.([0-9a-f]{24})\.[0-9a-f.]+(?=/|$)")


class Trial:
    """A job over a few files in a folder, on a cluster, and what is done to it.

    Args:
        folder: for the files.
        cluster: where.

    Attributes:
        whole_s: how long it takes undisturbed.
    """

    def __init__(self, folder: Path, cluster: Any) -> None:
        self.folder, self.cluster = folder, cluster
        self.out = folder / "out"
        clips(folder, FILES, SECONDS)
        self._plain()
        self.expected = files(folder / "whole")
        started_s = time.monotonic()
        self.start().wait()
        self.whole_s = time.monotonic() - started_s
        if wrong := self.end():
            sys.exit(wrong)

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
    """Kill at random moments, up to four times in a job: the driver at any, others once a worker is at a file."""
    chance = random.Random(f"{what} {nodes}")
    recovered_s: list[float] = []
    wrong: list[str] = []
    done = jobs = at_a_file = 0
    with tempfile.TemporaryDirectory() as name, cluster_of(nodes) as cluster:
        trial = Trial(Path(name), cluster)
        print(f"undisturbed: {trial.whole_s:.1f} s", file=sys.stderr)
        while done < times:
            trial.start()
            jobs += 1
            spared: set[str] = set()
            for _ in range(FILES):
                while what != "driver" and trial.process.poll() is None and not workers(trial.out):
                    time.sleep(0.1)
                with suppress(subprocess.TimeoutExpired):
                    trial.process.wait(chance.uniform(0, trial.whole_s / (2 if what == "driver" else 4)))
                before, killed_s = set(trial.attempts()), time.monotonic()
                if (interrupted := _kill(what, trial, spared, chance)) is None:
                    continue
                done += 1
                at_a_file += bool(interrupted)
                seconds = trial.recovered(interrupted, before, killed_s)
                recovered_s += [] if seconds is None else [round(seconds, 1)]
                print(f"{what} {done}: {seconds}", file=sys.stderr, flush=True)
                for _ in range(nodes - len(cluster.worker_nodes)):
                    cluster.add_node(num_cpus=1)
            said = trial.end()
            wrong += [said] if said else []
            print(f"job {jobs}: {said or 'same'}", file=sys.stderr, flush=True)
    recovered_s.sort()
    return {
        "killed": what,
        "nodes": nodes,
        "kills": done,
        "at_a_file": at_a_file,
        "jobs": jobs,
        "jobs_as_on_one_machine": jobs - len(wrong),
        "wrong": wrong,
        "undisturbed_s": round(trial.whole_s, 1),
        "recovered_s": recovered_s,
        "recovered_median_s": recovered_s[len(recovered_s) // 2] if recovered_s else None,
    }


def _kill(what: str, trial: Trial, spared: set[str], chance: random.Random) -> set[str] | None:
    """Kill it; the files that were at work there. None where nothing could be killed."""
    at_work = workers(trial.out)
    if trial.process.poll() is not None:
        return None
    if what == "driver":
        trial.process.kill()
        trial.process.wait()
        trial.start("--resume" if (trial.out / ".streamdet").exists() else "--overwrite")
        return set(at_work.values())
    if what == "worker":
        victims = sorted(pid for pid, key in at_work.items() if key not in spared)
        if not victims:
            return None
        pid = chance.choice(victims)
        os.kill(pid, signal.SIGKILL)
        spared.add(at_work[pid])
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


def slow(times: int) -> dict[str, Any]:
    """Let one of two machines stand still in the middle of a job, and wake it: soon, late, or when the job is over."""
    chance = random.Random("slow")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, cluster_of(2) as cluster:
        trial = Trial(Path(name), cluster)
        for number in range(times):
            trial.start()
            while not workers(trial.out) and trial.process.poll() is None:
                time.sleep(0.05)
            with suppress(subprocess.TimeoutExpired):
                trial.process.wait(chance.uniform(0, trial.whole_s / 4))
            nodes = {node: node.all_processes["raylet"][0].process.pid for node in cluster.worker_nodes}
            at_work = workers(trial.out)
            node, raylet = max(nodes.items(), key=lambda each: len(at_work.keys() & set(_children(each[1]))))
            still = [raylet, *_children(raylet)]
            at_work = {pid: key for pid, key in at_work.items() if pid in still}
            for pid in still:
                os.kill(pid, signal.SIGSTOP)
            for_s = (chance.uniform(1, 4), chance.uniform(60, 90), None)[number % 3]
            with suppress(subprocess.TimeoutExpired):
                trial.process.wait(for_s)
            done = {path.name for path in trial.out.glob(".streamdet/claims/*/*")}
            elsewhere = sum(key in done or trial.process.poll() is not None for key in at_work.values())
            for pid in still:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            tried_again = (trial.folder / "said.txt").read_text().count("is tried again")
            wrong = trial.end()
            row = {"still_s": for_s and round(for_s, 1), "at_work": len(at_work), "done_elsewhere_before": elsewhere}
            rows.append({**row, "tried_again": tried_again, "wrong": wrong})
            print(rows[-1], file=sys.stderr, flush=True)
            if node.all_processes["raylet"][0].process.poll() is not None:  # it has learnt that it was taken for dead
                cluster.worker_nodes.discard(node)
                cluster.add_node(num_cpus=1)
    return {"times": times, "as_on_one_machine": sum(not row["wrong"] for row in rows), "rows": rows}


def full(megabytes: int) -> dict[str, Any]:
    """Outputs on a disk that is too small; then it gets larger, and the job is continued."""
    with tempfile.TemporaryDirectory() as name, cluster_of(2) as cluster:
        trial = Trial(Path(name), cluster)
        trial.out.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(trial.out)], check=True)
        try:
            status = trial.start("--overwrite").wait()
            names = {path.name for path in trial.out.iterdir() if path.is_file()}
            half = [each for each in names if not _equal(each, (trial.out / each).read_bytes(), trial.expected[each])]
            errors = [row["message"] for row in report(trial.folder, "out")["failures"]]
            hidden = sorted(path.name for path in trial.out.iterdir() if path.name.startswith("."))
            subprocess.run(["mount", "-o", "remount,size=1g", str(trial.out)], check=True)
            trial.start("--resume")
            again = trial.process.wait()
            made = files(trial.out)
            same = made.keys() == trial.expected.keys() and all(
                _equal(each, made[each], trial.expected[each]) for each in made
            )
            elsewhere = sorted(name for name, data in made.items() if data != trial.expected.get(name))
        finally:
            subprocess.run(["umount", "--lazy", str(trial.out)], check=True)
    first = {"status": status, "complete": len(names), "half": half, "errors": errors, "hidden": hidden}
    then = {"resumed": again, "as_on_one_machine": same, "equal_in_packets_alone": elsewhere}
    return {"megabytes": megabytes, "of": len(trial.expected), **first, **then}


def _equal(name: str, data: bytes, expected: bytes) -> bool:
    """Whether the bytes are equal; of a video its packets and their times: without room, it stays in fragments."""
    return data == expected or (name.endswith(".mp4") and _packets(data) == _packets(expected))


def _packets(data: bytes) -> list[tuple[int, bytes, bool, list[Fraction | None]]]:
    """Of each packet its track, bytes, whether it is a keyframe, and pts, dts and duration in seconds."""
    with av.open(io.BytesIO(data), "r") as video:
        return [
            (packet.stream_index, bytes(packet), packet.is_keyframe, [_seconds(packet, each) for each in _TIMES])
            for packet in video.demux()
            if packet.size
        ]


def _seconds(packet: "av.Packet[Any]", name: str) -> Fraction | None:
    ticks: int | None = getattr(packet, name)
    return None if ticks is None else ticks * packet.time_base


def tiny(count: int, nodes: int) -> dict[str, Any]:
    """Many videos of twelve frames."""
    with tempfile.TemporaryDirectory() as name, cluster_of(nodes) as cluster:
        folder = Path(name)
        clips(folder, count, 0.48)
        process = subprocess.Popen(job(folder, cluster.address, "out", "--no-video"), env=environment())
        peak_mb = 0.0
        while process.poll() is None:
            with suppress(OSError, IndexError, ValueError):
                peak_mb = int(Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
            time.sleep(0.2)
        found, made = report(folder, "out"), files(folder / "out")
        first = made["0000.jsonl"]
        expected = {
            f"{number:04}.jsonl": first.replace(b'"0000"', f'"{number:04}"'.encode()) for number in range(count)
        }
        assert made == expected, "files are missing, or have other content"
        assert found["files_done"] == len({row["source"] for row in found["sources"]}) == count
    hour = round(3600 * count / found["wall_s"])
    return {"files": count, "nodes": nodes, "s": found["wall_s"], "an_hour": hour, "driver_peak_mb": round(peak_mb)}


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


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {"kills": kills, "tiny": tiny, "slow": slow, "full": full}

if __name__ == "__main__":
    command, *words = sys.argv[1:] or ["help"]
    if command not in COMMANDS:
        sys.exit(__doc__)
    print(json.dumps(COMMANDS[command](*(int(word) if word.isdigit() else word for word in words))))
