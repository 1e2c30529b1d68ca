"""Mutated media files against the file source: what happens to each, in a table.

    python benchmarks/fuzz_sources.py --clips FOLDER --files 10000 --output fuzz

Originals are the first packets of every video in FOLDER, copied into mp4 (plain, fragmented), mkv, ts and avi, and
small ones made here: other codecs, pixel formats, edit lists, rotation, interlacing, absurd sizes, images. Mutation
number n of a seed is always the same file. Child processes read them, a batch each, in one of four ways: from the
first frame to the last, a part of it, `streamdet probe`, and written as a video with its audio. Allowed are frames
with ascending times, and the errors that streamdet raises on purpose. Everything else is counted and the file is kept:
another exception (bug), a child that dies (crash), one that is silent for too long (hang), more memory than the bound.
"""

import argparse
import gc
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mutate_media import mutated

WAYS = ("read", "part", "probe", "copy")
BATCH = 50
_IMAGES = (".png", ".jpg", ".bmp", ".webp", ".tiff", ".ppm")  # one frame each, at 0 s
# Beyond this the child gets no memory, so that a mistake does not take the machine with it.
ADDRESS_SPACE_BYTES = 12 * 2**30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        kind: "frames", "error" (raised on purpose), "bug", "crash", "hang" or "memory".
        detail: the error's type and text, or the signal.
        peak_mb: of the process's memory while it was read.
    """

    file: str
    way: str
    kind: str
    detail: str = ""
    frames: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz, and print what happened; 1 if anything but frames and clear errors did."""
    options = parse_options(words)
    if options.child:
        _child(options.child, options.ways.split(","))
        return 0
    from media_originals import make_originals  # loads OpenCV, which the children must leave to streamdet

    options.output.mkdir(parents=True, exist_ok=True)
    counts: Counter[tuple[str, str]] = Counter()
    worst: dict[tuple[str, str], Outcome] = {}
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch, (options.output / "findings.jsonl").open("a") as log:
        originals = make_originals(Path(scratch) / "originals", options.clips)
        print(f"{len(originals)} originals, {sum(len(data) for data in originals.values()) / 1e6:.1f} MB", flush=True)
        for outcome in fuzz(originals, options, Path(scratch)):
            suffix = Path(outcome.file).suffix.lstrip(".")
            counts[suffix, outcome.kind] += 1
            for figure in ("seconds", "peak_mb"):
                before = worst.get((figure, outcome.way))
                if before is None or getattr(outcome, figure) > getattr(before, figure):
                    worst[figure, outcome.way] = outcome
            if outcome.kind not in ("frames", "error"):
                log.write(json.dumps(asdict(outcome)) + "\n")
                log.flush()
            if (number := sum(counts.values())) % 500 == 0:
                print(f"{number} files, {time.monotonic() - begun_s:.0f} s, {_totals(counts)}", flush=True)
    print(_table(counts))
    for (figure, way), outcome in sorted(worst.items()):
        print(f"most {figure}, {way}: {getattr(outcome, figure):.1f} ({outcome.file}, {outcome.kind})")
    return int(any(kind not in ("frames", "error") for _, kind in counts))


def fuzz(originals: dict[str, bytes], options: argparse.Namespace, scratch: Path) -> Iterator[Outcome]:
    """Make the files and have children read them, batch by batch."""
    names = sorted(originals)
    for first in range(options.first, options.first + options.files, BATCH):
        folder = scratch / "batch"
        folder.mkdir()
        files = []
        for number in range(first, min(first + BATCH, options.first + options.files)):
            rng = random.Random(f"{options.seed}-{number}")
            name = rng.choice(names)
            path = folder / f"{number:06d}-{name}"
            path.write_bytes(mutated(originals[name], originals[rng.choice(names)], Path(name).suffix, rng))
            files.append(path)
        for outcome in read_in_children(files, options.ways.split(","), options.timeout_s):
            kept = outcome
            if outcome.kind in ("frames", "error") and outcome.peak_mb > options.memory_mb:
                kept = Outcome(**{**asdict(outcome), "kind": "memory"})
            if kept.kind not in ("frames", "error"):
                (options.output / outcome.file).write_bytes((folder / outcome.file).read_bytes())
            yield kept
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def read_in_children(files: Sequence[Path], ways: Sequence[str], timeout_s: float) -> Iterator[Outcome]:
    """Have a child process read the files one after another; another one goes on behind a file that ends it."""
    waiting = list(files)
    while waiting:
        command = [sys.executable, __file__, "--child", str(waiting[0].parent), "--ways", ",".join(ways)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            if child.stdin is None or child.stdout is None:
                raise RuntimeError("the child has no pipes")
            for path in waiting:
                watchdog = threading.Timer(timeout_s, child.kill)
                watchdog.start()
                begun_s = time.monotonic()
                try:
                    child.stdin.write(f"{path.name}\n")
                    child.stdin.flush()
                    line = child.stdout.readline()
                except BrokenPipeError:
                    line = ""
                watchdog.cancel()
                waiting = waiting[1:]
                if not line:
                    seconds = time.monotonic() - begun_s
                    yield _death(path.name, _way(path.name, ways), child.wait(), seconds, timeout_s)
                    break
                yield Outcome(**json.loads(line))
            else:
                child.stdin.close()


def _death(name: str, way: str, status: int, seconds: float, timeout_s: float) -> Outcome:
    if seconds >= timeout_s:
        return Outcome(name, way, "hang", f"silent for {timeout_s:g} s", seconds=seconds)
    cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return Outcome(name, way, "crash", cause, seconds=seconds)


def _way(name: str, ways: Sequence[str]) -> str:
    return ways[int(name.split("-", maxsplit=1)[0]) % len(ways)]


def _child(folder: Path, ways: Sequence[str]) -> None:
    """Read files named on standard input; a line of JSON each on standard output."""
    import av

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    av.logging.set_level(av.logging.PANIC)
    warnings.simplefilter("error")
    for line in sys.stdin:
        name = line.strip()
        way = _way(name, ways)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew: man proc_pid_clear_refs
        begun_s = time.monotonic()
        kind, detail, frames = _attempt(folder / name, way)
        outcome = Outcome(name, way, kind, detail, frames, time.monotonic() - begun_s, _peak_mb())
        print(json.dumps(asdict(outcome)), flush=True)


def _attempt(path: Path, way: str) -> tuple[str, str, int]:
    """Kind, detail and number of frames of one reading."""
    from streamdet.errors import SinkError, SourceError

    try:
        return "frames", "", _read(path, way)
    except (SourceError, SinkError) as error:
        return "error", f"{type(error).__name__}: {error}", 0
    except Exception as error:
        where = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)[-3:]))
        return "bug", f"{type(error).__name__}: {error}\n{where}", 0


def _read(path: Path, way: str) -> int:
    """Read a file in one of the ways, and check what comes out."""
    from streamdet.frames import Frame
    from streamdet.media.read.probe import probe
    from streamdet.media.read.source import open_source
    from streamdet.media.write.writer import VideoWriter

    if way == "probe":
        json.dumps(probe(path).to_dict(), allow_nan=False)
        return 0
    begin_s = 0.0 if path.suffix in _IMAGES else 0.2
    part: dict[str, Any] = {"start_s": begin_s, "end_s": 5.0, "stride": 2} if way == "part" else {}
    copy = path.with_suffix(".copy.mp4" if path.name[5] in "02468" else ".copy.mkv")
    frames, last_index = 0, -1
    last_pts: int | None = None
    with open_source(path, **part) as source:
        writer = VideoWriter(copy, source.info) if way == "copy" else None
        try:
            for frame in source:
                if not isinstance(frame, Frame):
                    continue
                if (last_pts is not None and frame.pts <= last_pts) or frame.index <= last_index:
                    raise AssertionError(f"pts {frame.pts} after {last_pts}, frame {frame.index} after {last_index}")
                if frame.image.shape != (frame.height, frame.width, 3):
                    raise AssertionError(f"{frame.image.shape}, expected {frame.width}x{frame.height}")
                if writer is not None:
                    writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
                frames, last_pts, last_index = frames + 1, frame.pts, frame.index
        finally:
            if writer is not None:
                writer.close()
                copy.unlink(missing_ok=True)
    return frames


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def _totals(counts: Counter[tuple[str, str]]) -> str:
    kinds: Counter[str] = Counter()
    for (_, kind), number in counts.items():
        kinds[kind] += number
    return ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))


def _table(counts: Counter[tuple[str, str]]) -> str:
    kinds = ["frames", "error", "bug", "crash", "hang", "memory"]
    lines = [f"| files | number | {' | '.join(kinds)} |", f"| --- |{' ---: |' * (len(kinds) + 1)}"]
    suffixes = sorted({suffix for suffix, _ in counts})
    for suffix in [*suffixes, "all"]:
        row = [sum(n for (s, k), n in counts.items() if suffix in (s, "all") and k == kind) for kind in kinds]
        lines.append(f"| {suffix} | {sum(row)} | {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def parse_options(words: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="folder of real videos; default: only what is made here")
    parser.add_argument("--files", type=int, default=1000, help="how many mutations")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--ways", default=",".join(WAYS), help="how they are read, in turn")
    parser.add_argument("--timeout-s", type=float, default=120.0, help="longest silence of a child")
    parser.add_argument("--memory-mb", type=float, default=4000.0, help="bound of a child's resident memory")
    parser.add_argument("--output", type=Path, default=Path("fuzz"), help="folder for the files that fail and the log")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
