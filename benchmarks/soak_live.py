"""An hour of `streamdet run` with cameras that fail all the time: does anything grow, and do they all come back?

    python benchmarks/soak_live.py --clip CLIP [--minutes 60] [--output soak-live]

Every camera is a gst-rtsp-server in a process of its own that plays the clip, made small, as it is encoded; the run
reads it through a proxy. Each has a fault every 20 s (`--every`), the cameras in turn: its server is killed and
started again, frozen for 3 to 8 s or mute for 8 s, the connection is cut, or half of the packets are damaged for 2 s.
Detections go to JSON Lines, annotated pictures to files of a minute. live.json gets all figures and faults, live.png
the curves. SIGTERM or Ctrl-C ends it early, with what was measured. Needs what the RTSP tests need, see
tests/helpers/rtsp_server.py, and Linux.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from soaking import Trend, draw, held_by, rows, small_clip, trend

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from rtsp_faults import ChaosProxy
from rtsp_server import Files, RtspServer

SAMPLE_EVERY_S = 5.0
_LOOK_EVERY_S = 0.2
_FIGURES = ("memory_mib", "own_mib", "threads", "files", "cpu_share", "latency_p50_ms", "latency_p95_ms", "fps", "load")
_START_S, _STOP_S = 120.0, 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What befell a camera, and when it was over; seconds since the start."""

    camera: str
    kind: str
    began_s: float
    ended_s: float


class Camera:
    """A server, a proxy before it, and what befalls them, in a thread of its own.

    Args:
        name: of the stream.
        clip: what it plays.
        kinds: of faults; each comes equally often.
    """

    def __init__(self, name: str, clip: Path, kinds: Sequence[str], seed: int) -> None:
        self.name, self.faults = name, list[Fault]()
        self._server = RtspServer({f"/{name}": Files((clip,))})
        self._kinds, self._drawn, self._random = kinds, list[str](), random.Random(seed)
        self._over, self._done = threading.Event(), threading.Event()

    def start(self, stack: ExitStack) -> str:
        """Start playing until the stack is left; gives the address."""
        stack.enter_context(self._server)
        stack.callback(self.end)
        self._proxy = stack.enter_context(ChaosProxy(self._server.port))
        return f"rtsp://127.0.0.1:{self._proxy.port}/{self.name}"

    def fail_every(self, every_s: float, first_s: float, zero_s: float) -> None:
        """Have one fault after the other; time.monotonic() was zero_s at the start."""
        self._zero_s = zero_s
        threading.Thread(target=self._fail, args=(every_s, first_s), name=f"faults of {self.name}").start()

    def recover(self) -> None:
        """No more faults."""
        self._over.set()

    def end(self) -> None:
        """No more camera."""
        self._over.set()
        self._done.set()

    @property
    def damaged_packets(self) -> int:
        """So far."""
        return self._proxy.seen["corrupted"]

    def _fail(self, every_s: float, next_s: float) -> None:
        while not self._over.wait(max(0.0, self._zero_s + next_s - time.monotonic())):
            if not self._drawn:
                self._drawn = self._random.sample(self._kinds, len(self._kinds))
            kind, began_s = self._drawn.pop(), time.monotonic()
            getattr(self, kind)()
            self.faults.append(Fault(self.name, kind, began_s - self._zero_s, time.monotonic() - self._zero_s))
            next_s += every_s
        self._done.wait()  # a server ends with the thread that started it

    def killed(self) -> None:
        self._server.restart()

    def frozen(self) -> None:
        self._server.sigstop()
        self._over.wait(self._random.uniform(3, 8))
        self._server.sigcont()

    def cut(self) -> None:
        self._proxy.cut()

    def damaged(self) -> None:
        self._proxy.tcp_corrupt = 0.5
        self._over.wait(2)
        self._proxy.tcp_corrupt = 0.0

    def mute(self) -> None:
        self._proxy.flowing.clear()
        self._proxy.cut()
        self._over.wait(8)
        self._proxy.flowing.set()


KINDS = ("killed", "frozen", "cut", "damaged", "mute")


class Lines:
    """What a file of JSON Lines says, read while it grows.

    Attributes:
        seen_s: when each frame's line was there, seconds since the start.
        latency_s: of each frame.
        gaps: lines of that type.
        end: the line of that type.
    """

    def __init__(self, path: Path) -> None:
        self.seen_s, self.latency_s, self.gaps = list[float](), list[float](), list[dict[str, Any]]()
        self.end: dict[str, Any] | None = None
        self._path, self._place = path, 0

    def read(self, now_s: float) -> None:
        """Take the whole lines that were added."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._place)
            added = file.read()
        added = added[: added.rfind(b"\n") + 1]
        self._place += len(added)
        for line in map(json.loads, added.splitlines()):
            if line["type"] == "frame":
                self.seen_s.append(now_s)
                self.latency_s.append(line["latency_s"])
            elif line["type"] == "gap":
                self.gaps.append(line)
            elif line["type"] == "end":
                self.end = line


def main(words: Sequence[str] | None = None) -> int:
    """Run it, print tables; 1 if a camera did not come back, or the run failed."""
    options = _parse(words)
    options.output.mkdir(parents=True, exist_ok=True)
    over = threading.Event()
    before = {one: signal.signal(one, lambda *_: over.set()) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        with tempfile.TemporaryDirectory(prefix="streamdet-soak-") as folder, ExitStack() as stack:
            result = soak(options, Path(folder), stack, over)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    (options.output / "live.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    samples = result["samples"]
    at_min = [sample["at_s"] / 60 for sample in samples]
    draw(options.output / "live.png", "minutes", {name: (at_min, [one[name] for one in samples]) for name in _FIGURES})
    print(described(result))
    return 0 if result["exit_status"] == 128 + signal.SIGTERM and not result["lost"] else 1


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clip", type=Path, required=True, help="what the cameras play")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two faults of a camera")
    parser.add_argument("--faults", default=",".join(KINDS), help="only these, separated by commas")
    parser.add_argument("--width", type=int, default=320, help="of the cameras' pictures")
    parser.add_argument("--fps", type=int, default=8, help="of the cameras")
    parser.add_argument("--model", default="street")
    parser.add_argument("--imgsz", type=int, default=192)
    parser.add_argument("--output", type=Path, default=Path("soak-live"), help="folder of live.json and live.png")
    options = parser.parse_args(words)
    options.kinds = options.faults.split(",")
    if not set(options.kinds) <= set(KINDS):
        parser.error(f"--faults: expected some of {', '.join(KINDS)}, got {options.faults}")
    return options


def soak(options: argparse.Namespace, folder: Path, stack: ExitStack, over: threading.Event) -> dict[str, Any]:
    """All figures, as live.json holds them."""
    clip = small_clip(
        options.clip, folder / "clip.mp4", width=options.width, fps=options.fps, keyframe_every=options.fps
    )
    cameras = [Camera(f"cam{number}", clip, options.kinds, number) for number in range(options.cameras)]
    urls = [camera.start(stack) for camera in cameras]
    run: list[str | Path] = [
        sys.executable,
        "-m",
        "streamdet",
        "run",
        *urls,
        "-o",
        folder,
        "--segment",
        "1m",
        "--preset",
        "ultrafast",
    ]
    run += ["--detections", folder, "--report", folder / "run.json", "--model", options.model, "--no-progress"]
    run += ["--imgsz", str(options.imgsz)]
    lines = {camera.name: Lines(folder / f"127.0.0.1-{camera.name}.jsonl") for camera in cameras}
    with (options.output / "live.log").open("w") as log:
        child = subprocess.Popen(run, stdout=log, stderr=log)
    try:
        _wait_for_frames(child, lines)
        zero_s = time.monotonic()
        for number, camera in enumerate(cameras):
            camera.fail_every(options.every, options.every * (1 + number / len(cameras)), zero_s)
        samples = list(_watch(child, lines, zero_s, options.minutes * 60, over))
        for camera in cameras:
            camera.recover()
        samples += _watch(child, lines, zero_s, time.monotonic() - zero_s + options.every, threading.Event())
    finally:
        status = _stopped(child)
    for one in lines.values():
        one.read(time.monotonic() - zero_s)
    faults = sorted((fault for camera in cameras for fault in camera.faults), key=lambda fault: fault.began_s)
    report = folder / "run.json"
    return _figures(options, faults, lines, samples) | {
        "damaged_packets": sum(camera.damaged_packets for camera in cameras),
        "exit_status": status if status >= 0 else 128 - status,
        "segments": _segments(folder, lines),
        "report": json.loads(report.read_text()) if report.exists() else None,
        "samples": samples,
    }


def _stopped(child: subprocess.Popen[bytes]) -> int:
    """Its exit status once it has ended as a signal asks it to."""
    child.send_signal(signal.SIGTERM)
    try:
        return child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _wait_for_frames(child: subprocess.Popen[bytes], lines: dict[str, Lines]) -> None:
    deadline_s = time.monotonic() + _START_S
    while not all(one.seen_s for one in lines.values()):
        if child.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError("the run gave no frames of all cameras; live.log says why")
        time.sleep(_LOOK_EVERY_S)
        for one in lines.values():
            one.read(0.0)


def _watch(
    child: subprocess.Popen[bytes], lines: dict[str, Lines], zero_s: float, until_s: float, over: threading.Event
) -> Iterator[dict[str, Any]]:
    """Read what comes until that time, and say every few seconds how things are."""
    sampled_s, used_s = time.monotonic() - zero_s, held_by(child.pid)["cpu_s"]
    frames = {name: len(one.seen_s) for name, one in lines.items()}
    while (now_s := time.monotonic() - zero_s) < until_s and child.poll() is None and not over.wait(_LOOK_EVERY_S):
        for one in lines.values():
            one.read(time.monotonic() - zero_s)
        if now_s < sampled_s + SAMPLE_EVERY_S:
            continue
        held = held_by(child.pid)
        latency_ms = [1000 * each for name, one in lines.items() for each in one.latency_s[frames[name] :]]
        yield held | {
            "at_s": now_s,
            "cpu_share": (held["cpu_s"] - used_s) / (now_s - sampled_s),
            "latency_p50_ms": float(np.percentile(latency_ms, 50)) if latency_ms else None,
            "latency_p95_ms": float(np.percentile(latency_ms, 95)) if latency_ms else None,
            "fps": len(latency_ms) / (now_s - sampled_s),
            "frames": {name: len(one.seen_s) - frames[name] for name, one in lines.items()},
            "gaps": {name: len(one.gaps) for name, one in lines.items()},
            "load": os.getloadavg()[0],
        }
        sampled_s, used_s = now_s, held["cpu_s"]
        frames = {name: len(one.seen_s) for name, one in lines.items()}


def _figures(
    options: argparse.Namespace, faults: Sequence[Fault], lines: dict[str, Lines], samples: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    outcomes = [asdict(fault) | _outcome(fault, lines[fault.camera].seen_s, options.every) for fault in faults]
    by_kind = defaultdict(list)
    for one in outcomes:
        by_kind[one["kind"]].append(one)
    at_s = [sample["at_s"] for sample in samples]
    trends: dict[str, Trend] = {name: trend(at_s, [one[name] for one in samples], 3600) for name in _FIGURES}
    return {
        "minutes": at_s[-1] / 60 if at_s else 0.0,
        "trends_per_hour": trends,
        "kinds": {kind: _summary(each) for kind, each in sorted(by_kind.items())},
        "lost": sum(one["back_s"] is None for one in outcomes),
        "gaps": dict(Counter(gap["reason"] for one in lines.values() for gap in one.gaps)),
        "streams": {
            name: {"frames": len(one.seen_s), "gaps": len(one.gaps), "sessions": 1 + _last_session(one), "end": one.end}
            for name, one in lines.items()
        },
        "faults": outcomes,
    }


def _outcome(fault: Fault, seen_s: Sequence[float], every_s: float) -> dict[str, float | None]:
    """The longest silence of those that began until a second after a fault, and how long after the fault it ended.

    None where no frame came between this fault and shortly before the camera's next one.
    """
    times_s = np.array(seen_s)
    next_s = max(fault.began_s + every_s, fault.ended_s) - 0.5
    inside = times_s[(times_s > fault.ended_s) & (times_s < next_s)]
    first = max(int(np.searchsorted(times_s, fault.began_s)) - 1, 0)
    span = times_s[first : int(np.searchsorted(times_s, next_s))]
    if len(inside) == 0 or len(span) < 2:
        return {"silent_s": None, "back_s": None}
    silences = np.where(span[:-1] < fault.ended_s + 1, np.diff(span), 0)
    longest = int(silences.argmax())
    return {"silent_s": float(silences[longest]), "back_s": max(0.0, float(span[longest + 1]) - fault.ended_s)}


def _summary(outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    back = [one for one in outcomes if one["back_s"] is not None]
    return {"faults": len(outcomes), "came_back": len(back)} | {
        f"{name}_{how}": function(one[name] for one in back) if back else None
        for name in ("silent_s", "back_s")
        for how, function in (("median", statistics.median), ("max", max))
    }


def _last_session(lines: Lines) -> int:
    return max((gap["session"] for gap in lines.gaps), default=0)


def _segments(folder: Path, lines: dict[str, Lines]) -> dict[str, dict[str, int]]:
    """How many files of video each stream has, and how many pictures are in them."""
    found = {}
    for name in lines:
        files, pictures = sorted(folder.glob(f"127.0.0.1-{name}.*.mp4")), 0
        for path in files:
            with av.open(str(path)) as video:
                pictures += sum(packet.size > 0 for packet in video.demux(video=0))
        found[name] = {"files": len(files), "pictures": pictures}
    return found


def described(result: dict[str, Any]) -> str:
    """The figures as tables in Markdown."""
    text = (
        f"{result['minutes']:.1f} minutes; slopes per hour, over the second half\n\n{rows(result['trends_per_hour'])}\n"
    )
    text += "| fault | times | came back | silent s, median | max | back after s, median | max |\n"
    text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    for kind, one in result["kinds"].items():
        figures = (one[name] for name in ("silent_s_median", "silent_s_max", "back_s_median", "back_s_max"))
        shown = " | ".join("–" if figure is None else f"{figure:.1f}" for figure in figures)
        text += f"| {kind} | {one['faults']} | {one['came_back']} | {shown} |\n"
    text += f"\ngaps: {result['gaps']}; exit status {result['exit_status']}\n"
    for name, one in result["streams"].items():
        text += f"{name}: {one['frames']} frames, {one['sessions']} sessions, in video: {result['segments'][name]}\n"
    return text


if __name__ == "__main__":
    sys.exit(main())
