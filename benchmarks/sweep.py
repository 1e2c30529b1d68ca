"""Reads every video of some folders twice, by streamdet and by the ffmpeg and ffprobe commands, and compares.

    python benchmarks/sweep.py FOLDER... [--frames 150] [--markdown docs/research/sweep.md]

Compared are the number of frames, their times, the size as displayed, the rotation, and a sample of colours (8 x 8
means of two frames). What differs is printed as a table; files that both readers refuse agree.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from streamdet.errors import SourceError
from streamdet.media.locations import VIDEO_SUFFIXES
from streamdet.media.read.probe import probe
from streamdet.media.read.source import open_source

_GRID = 8
_TIMEOUT_S = 300
# Half a frame, and what chroma that is enlarged in other ways makes of sharp edges.
_TIME_OFF, _COLOUR_OFF = 0.5, 8.0

Colours = NDArray[np.float64]


@dataclass(slots=True)
class Reading:
    """What one reader says of a file.

    Attributes:
        times_s: of the frames, from the first one.
        size: width and height as displayed, pixels.
        rotation: degrees clockwise.
        colours: by number of the frame, (8, 8, 3) mean RGB of parts of the picture.
        error: why it cannot be read.
    """

    times_s: list[float] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    rotation: int = 0
    colours: dict[int, Colours] = field(default_factory=dict)
    error: str | None = None


def main(
    folders: list[Path],
    frames: Annotated[int, typer.Option(help="Frames of each file, at most.")] = 150,
    markdown: Annotated[Path | None, typer.Option(help="Write the table here.")] = None,
) -> None:
    """Compare two readings of every video under some folders."""
    rows, count = [], 0
    for folder in folders:
        for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in VIDEO_SUFFIXES):
            if not path.is_file():
                continue
            count += 1
            name = f"{folder.name}/{path.relative_to(folder)}"
            for difference in compare(path, frames):
                rows.append((name, *difference))
                print(*rows[-1], sep=" | ", flush=True)
    lines = [f"{count} files, {len({row[0] for row in rows})} of them read differently.", ""]
    lines += ["| file | what | streamdet | FFmpeg |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    print("\n".join(lines[:1]))
    if markdown is not None:
        head = f"# streamdet and FFmpeg side by side\n\nWritten by `benchmarks/sweep.py`, {frames} frames a file.\n\n"
        markdown.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def compare(path: Path, frames: int) -> Iterator[tuple[str, str, str]]:
    """What differs: (what, streamdet's, FFmpeg's)."""
    with ThreadPoolExecutor(1) as other:
        theirs_later = other.submit(by_ffmpeg, path, frames)
        ours = by_streamdet(path, frames)
        theirs = theirs_later.result()
    if ours.error or theirs.error:
        if not (ours.error and theirs.error):
            yield "error", ours.error or "is read", theirs.error or "is read"
        return
    if len(ours.times_s) != len(theirs.times_s):
        yield "frames", str(len(ours.times_s)), str(len(theirs.times_s))
    both = min(len(ours.times_s), len(theirs.times_s))
    off = np.abs(np.subtract(ours.times_s[:both], theirs.times_s[:both]))
    step_s = float(np.median(np.diff(theirs.times_s))) if len(theirs.times_s) > 1 else 1.0
    if both and off.max() > _TIME_OFF * max(step_s, 1e-3):
        worst = int(off.argmax())
        yield f"time of frame {worst}", f"{ours.times_s[worst]:.4f} s", f"{theirs.times_s[worst]:.4f} s"
    if ours.size != theirs.size:
        yield "size", "{}x{}".format(*ours.size), "{}x{}".format(*theirs.size)
    if ours.rotation != theirs.rotation:
        yield "rotation", str(ours.rotation), str(theirs.rotation)
    for number in sorted(ours.colours.keys() & theirs.colours.keys()):
        difference = float(np.abs(ours.colours[number] - theirs.colours[number]).mean())
        if difference > _COLOUR_OFF:
            ours_mean, theirs_mean = (_mean(reading.colours[number]) for reading in (ours, theirs))
            yield f"colours of frame {number}", ours_mean, theirs_mean


def _mean(colours: Colours) -> str:
    return str(np.round(colours.mean(axis=(0, 1))).tolist())


def by_streamdet(path: Path, frames: int) -> Reading:
    """Read by open_source and probe."""
    reading = Reading()
    try:
        with open_source(path) as source:
            for number, frame in enumerate(islice(source, frames)):
                reading.times_s.append(float(frame.pts * frame.time_base))  # type: ignore[union-attr]
                if number in (0, frames // 4):
                    image = frame.image  # type: ignore[union-attr]
                    reading.size = image.shape[1], image.shape[0]
                    small = cv2.resize(image, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
                    reading.colours[number] = np.asarray(small, np.float64)
        reading.rotation = next(track.rotation for track in probe(path).video if track.used)
    except SourceError as error:
        reading.error = str(error).removeprefix(f"{path}: ")
    return _from_the_first(reading)


def by_ffmpeg(path: Path, frames: int) -> Reading:
    """Read by the commands ffprobe and ffmpeg, which choose the track."""
    reading = Reading()
    found = _json(["ffprobe", "-show_streams", "-select_streams", "V:0"], path)
    stream = next(iter(found.get("streams", ())), None)
    if stream is None:
        reading.error = "holds no video that is read"
        return reading
    turned = [side["rotation"] for side in stream.get("side_data_list", ()) if "rotation" in side]
    reading.rotation = -round(turned[0]) % 360 if turned else 0
    select = ["-select_streams", "V:0", "-read_intervals", f"%+#{2 * frames}", "-show_entries"]
    told = _json(["ffprobe", *select, "frame=best_effort_timestamp,pts,width,height"], path).get("frames", [])
    time_base = Fraction(stream["time_base"])
    times = [frame.get("best_effort_timestamp") for frame in told][:frames]
    if not times:
        reading.error = "nothing in it is decoded"
        return reading
    rate = Fraction(stream["r_frame_rate"]) if not stream["r_frame_rate"].endswith("/0") else Fraction(25)
    reading.times_s = [
        float(time * time_base if time is not None else number / (rate or 25)) for number, time in enumerate(times)
    ]
    sizes = told[0]["width"], told[0]["height"]
    reading.size = sizes[::-1] if reading.rotation % 180 else sizes
    numbers = (0, frames // 4)
    chosen = "+".join(f"eq(n\\,{number})" for number in numbers)
    options = ["-vf", f"select={chosen},scale={_GRID}:{_GRID}:flags=area+accurate_rnd+full_chroma_int"]
    options += ["-fps_mode", "passthrough", "-frames:v", "2", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = _run(["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:V:0", *options])
    length = 3 * _GRID**2
    for place, number in enumerate(numbers[: len(raw) // length]):
        part = np.frombuffer(raw[place * length : (place + 1) * length], np.uint8)
        reading.colours[number] = part.reshape(_GRID, _GRID, 3).astype(np.float64)
    return _from_the_first(reading)


def _from_the_first(reading: Reading) -> Reading:
    first_s = reading.times_s[0] if reading.times_s else 0.0
    reading.times_s = [time_s - first_s for time_s in reading.times_s]
    return reading


def _json(command: Sequence[str], path: Path) -> dict[str, Any]:
    said = _run([*command, "-v", "quiet", "-of", "json", str(path)])
    return dict(json.loads(said)) if said.strip() else {}


def _run(command: Sequence[str]) -> bytes:
    try:
        return subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False).stdout
    except subprocess.TimeoutExpired:
        return b""


if __name__ == "__main__":
    typer.run(main)
