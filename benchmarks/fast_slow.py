"""Is it worth it to look fully at every k-th frame only? Measured on what a recipe keeps for judging. One command:

    python benchmarks/fast_slow.py configs/street.yaml --data DATA

writes fast_slow.json, fast_slow.md and fast_slow.png: AP50 against CPU time of the detector's step for full looks at
every k-th frame and in between nothing (boxes held, or moved as the tracker expects), a light look at a smaller
picture that shares the memory, or the memory alone; and of the rival, a full look at every frame with pictures of
falling size. Nothing is trained for it: all use the same weights. docs/fast_slow.md says what came of it.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from operator import truediv
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch and the runtimes are loaded

import torch
from judged_sets import add_options, is_video, open_sets, run
from looks import BETWEEN, FULL_SIZE, RIVALS, SINGLE, TORCH_SINGLE, WAYS, BlindStream, Stream, Way, shrunk

from streamdet.boxes import Letterbox
from streamdet.datasets.cut import cut
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.evaluation.predict import CHUNK_FRAMES
from streamdet.evaluation.report import report
from streamdet.runtimes.loading import load, load_model

_USUAL_FPS = Fraction(25)
TIMED_FRAMES = 30
"""A multiple of every k."""


class Bench:
    """All ways on a model's weights."""

    def __init__(self, name: str) -> None:
        self.detector = load(name)
        self._model = load_model(name).eval()
        if not self._model.memory:
            raise ConfigError(f"{name} has no memory that two looks could share")

    def stream(self, way: Way, video: LabelledVideo) -> Stream:
        """Begin a stream."""
        if way.torch:
            return BlindStream(way, self.detector, video, self._model)
        return Stream(way, self.detector, video)

    def find(self, way: Way, video: LabelledVideo) -> list[Detections]:
        """What is found in every frame of a video."""
        stream, begins = self.stream(way, video), {start for start, _ in video.segments}
        found = []
        for index, image in enumerate(video.frames.read()):
            if index in begins:
                stream.begin()
            found.append(stream.look(image, float(video.times_s[index])))
        return found

    def figures(self, way: Way, labelled: LabelledSet) -> dict[str, Any]:
        """See report."""
        return report([(video, self.find(way, video)) for video in labelled.videos], labelled.classes)

    def one_round(self, video: LabelledVideo) -> dict[Way, float]:
        """CPU milliseconds a frame of every way, one after another."""
        images = list(video.frames.read())
        costs = {}
        for way in WAYS:
            stream = self.stream(way, video)
            for index, image in enumerate(images):
                stream.look(image, float(video.times_s[index]))
            costs[way] = 1000 * stream.cpu_s / len(images)
        return costs

    def chunk_ms(self, video: LabelledVideo) -> float:
        """CPU milliseconds a frame of full looks at chunks of frames, as a file is run; for the single extractor."""
        box = Letterbox.fit(video.width, video.height, FULL_SIZE)
        pictures = torch.cat([shrunk(image, box) for image in video.frames.read(0, CHUNK_FRAMES)], dim=1)
        begun_s, state = process_time(), None
        for _ in range(3):
            _, state = self.detector.step(pictures, state)
        return 1000 * (process_time() - begun_s) / (3 * pictures.shape[1])


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns 2 and says why where the command is wrong."""
    options = _parse(words)
    result = run("fast_slow", options, measure, markdown)
    if result is None:
        return 2
    draw(options.output / "fast_slow.png", result)
    return 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_options(parser)
    parser.add_argument("--model", default="street")
    parser.add_argument("--rounds", type=int, default=5, help="of all ways in turn, to time them")
    return parser.parse_args(words)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures, as fast_slow.json holds them."""
    torch.set_num_threads(1)
    bench = Bench(options.model)
    sets = open_sets(options, width=640, height=360, frames=150, rates=(_USUAL_FPS,))
    sets = {name: one for name, one in sets.items() if is_video(one)}
    result: dict[str, Any] = {
        "model": Path(options.model).stem,
        "sha256": bench.detector.sha256,
        "runtime": bench.detector.runtime,
        "sets": {},
        "chunk_cost": {},
    }
    for name, labelled in sets.items():
        judged = {}
        for way in WAYS:
            judged[way] = bench.figures(way, labelled)
            print(f"{name}: {way.label}: {judged[way]['ap50']:.4f}", file=sys.stderr, flush=True)
        timed = cut(labelled.videos[0], 0, min(TIMED_FRAMES, len(labelled.videos[0])))
        bench.one_round(timed)
        bench.chunk_ms(timed)
        rounds, chunks_ms = [], []
        for _ in range(options.rounds):
            rounds.append(bench.one_round(timed))
            chunks_ms.append(bench.chunk_ms(timed))
        result["sets"][name] = rows = {way.label: {**judged[way], **_cost(way, rounds)} for way in WAYS}
        for row in rows.values():
            for figure in ("ap50", "ap"):
                rival = _equal_cost(rows, figure, row[figure])
                row[f"at_equal_{figure}"] = None if rival is None else row["cost"] / rival
        singles_ms = [one[SINGLE] for one in rounds]
        result["chunk_cost"][name] = median(map(truediv, chunks_ms, singles_ms))
    return result


def _cost(way: Way, rounds: Sequence[Mapping[Way, float]]) -> dict[str, float]:
    """CPU milliseconds a frame, and the cost: the ratio to the single extractor of the same runtime."""
    single = TORCH_SINGLE if way.torch else SINGLE
    return {"cpu_ms": median(one[way] for one in rounds), "cost": median(one[way] / one[single] for one in rounds)}


def _equal_cost(rows: Mapping[str, Mapping[str, float]], figure: str, value: float) -> float | None:
    """What the single extractor costs where it is as good, the least between neighbouring sizes.

    None below what its smallest picture has; above what its best one has, the cost of that.
    """
    curve = sorted((rows[way.label]["cost"], rows[way.label][figure]) for way in RIVALS)
    if value <= curve[0][1]:
        return curve[0][0] if value == curve[0][1] else None
    for (cost, lower), (next_cost, higher) in pairwise(curve):
        if lower < value <= higher:
            return cost + (next_cost - cost) * (value - lower) / (higher - lower)
    return max(curve, key=lambda point: point[1])[0]


def markdown(result: Mapping[str, Any]) -> str:
    """fast_slow.md."""
    lines = [
        f"Model `{result['model']}` (sha256 {result['sha256'][:12]}), {result['runtime']}; memory alone: torch fp32.",
        "`cost`: CPU time over that of a full look at every frame, in the same runtime. `at equal AP`: cost over that",
        "of the single extractor that is as good, at whatever size; below 1 is a gain, – where none is as bad.",
        "",
    ]
    for name, rows in result["sets"].items():
        single_ms, chunk = rows[SINGLE.label]["cpu_ms"], result["chunk_cost"][name]
        lines += [
            f"## {name}",
            "",
            f"{SINGLE.label}: {single_ms:.1f} CPU ms a frame; in chunks of {CHUNK_FRAMES}, as files are run, "
            f"{chunk:.2f} of that.",
            "",
            "| | AP50 | AP | cost | at equal AP50 | at equal AP |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for way in WAYS:
            row = rows[way.label]
            numbers = [f"{row['ap50']:.3f}", f"{row['ap']:.3f}", f"{row['cost']:.2f}"]
            numbers += [_number(row[f"at_equal_{figure}"]) for figure in ("ap50", "ap")]
            lines.append(f"| {way.label} | {' | '.join(numbers)} |")
        lines.append("")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def draw(path: Path, result: Mapping[str, Any]) -> None:
    """AP50 against cost, a panel a set; does nothing without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    sets = result["sets"]
    figure = Figure(figsize=(4 * len(sets), 3.6), layout="constrained")
    groups: dict[str, list[Way]] = {}
    for way in WAYS:
        name = "every frame, smaller and smaller" if way.every == 1 else BETWEEN[way.between]
        if way != TORCH_SINGLE:
            groups.setdefault(name + (f", at {way.light_size}" if way.light_size else ""), []).append(way)
    for axes, (name, rows) in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets.items(), strict=True):
        for label, ways in groups.items():
            points = [(rows[way.label]["cost"], rows[way.label]["ap50"]) for way in ways]
            line, colour = ("o-", "black") if ways[0] in RIVALS else (".:", None)
            axes.plot(*zip(*points, strict=True), line, color=colour, label=label)
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_xlabel("cost")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("AP50")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=7)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
