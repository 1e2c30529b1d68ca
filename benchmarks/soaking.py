"""What the soak tests share: small clips, what a process holds, whether a row of figures rises, and its curves."""

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

BLOCKS = 10

Trend = dict[str, float | None]


def small_clip(
    clip: Path, path: Path, *, width: int, fps: int, keyframe_every: int, first: int = 0, frames: int | None = None
) -> Path:
    """Write some frames of a clip as small H.264 pictures at an even rate, without B-frames."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as output:
        video = source.streams.video[0]
        options = {"preset": "veryfast", "crf": "20", "g": str(keyframe_every), "bf": "0"}
        stream = output.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = (
            width,
            round(video.height * width / video.width / 2) * 2,
            "yuv420p",
        )
        last = None if frames is None else first + frames
        for number, frame in enumerate(islice(source.decode(video), first, last)):
            picture = frame.reformat(stream.width, stream.height, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


def held_by(pid: int) -> dict[str, float]:
    """Memory in MiB (of it own_mib, which no file backs), threads, open files, processor time so far; Linux."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    times = (process / "stat").read_text().rpartition(")")[2].split()
    return {
        "memory_mib": int(status["VmRSS"].split()[0]) / 1024,
        "own_mib": int(status["RssAnon"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "files": len(os.listdir(process / "fd")),
        "cpu_s": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
    }


def trend(x: Sequence[float], y: Sequence[float | None], unit: float) -> Trend:
    """How a figure moves over the second half of a run; the first one is warm-up.

    Ordinary least squares over the means of ten blocks of equal length: figures that lie close together resemble each
    other, and an error that took them for independent would be too small.

    Args:
        x: ascending, such as seconds; y: the figures, None where there is none.
        unit: the slope is given for so many of x, such as 3600.

    Returns:
        start (mean of the run's first tenth), mean, lowest and highest (of the second half), slope and its standard
        error; None where there are too few figures.
    """
    known = [(at, value) for at, value in zip(x, y, strict=True) if value is not None]
    if not known:
        return dict.fromkeys(("start", "mean", "lowest", "highest", "slope", "error"))
    at, values = np.array(known, np.float64).T
    begin, end = x[0], x[-1]
    late = at >= (begin + end) / 2
    block = ((at - begin) / max(end - begin, 1e-9) * 2 * BLOCKS).astype(int).clip(max=2 * BLOCKS - 1)
    numbers = sorted(set(block[late].tolist()))
    slope, error = _line([at[block == n].mean() / unit for n in numbers], [values[block == n].mean() for n in numbers])
    return {
        "start": float(values[at <= begin + (end - begin) / 10].mean())
        if at[0] <= begin + (end - begin) / 10
        else None,
        "mean": float(values[late].mean()) if late.any() else None,
        "lowest": float(values[late].min()) if late.any() else None,
        "highest": float(values[late].max()) if late.any() else None,
        "slope": slope,
        "error": error,
    }


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float | None, float | None]:
    """Slope of the best line and its standard error."""
    if len(x) < 3:
        return None, None
    dx, dy = np.array(x) - np.mean(x), np.array(y) - np.mean(y)
    slope = float(dx @ dy / (dx @ dx))
    rest = dy - slope * dx
    return slope, float(np.sqrt(rest @ rest / (len(x) - 2) / (dx @ dx)))


def rows(trends: Mapping[str, Trend]) -> str:
    """Trends as a table in Markdown."""
    head = "| | start | mean | lowest | highest | slope | error |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    return head + "".join(
        f"| {name} | {' | '.join('–' if value is None else f'{value:.4g}' for value in one.values())} |\n"
        for name, one in trends.items()
    )


def draw(path: Path, x_name: str, panels: Mapping[str, tuple[Sequence[float], Sequence[float | None]]]) -> None:
    """One curve below the other, by title; does nothing without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(9, 1.6 * len(panels)), layout="constrained")
    for axes, (name, (x, y)) in zip(figure.subplots(len(panels), sharex=True), panels.items(), strict=True):
        axes.plot(x, [float("nan") if value is None else value for value in y], linewidth=0.8)
        axes.set_title(name, fontsize=9, loc="left")
        axes.grid(alpha=0.3)
    axes.set_xlabel(x_name)
    figure.savefig(path, dpi=100)
