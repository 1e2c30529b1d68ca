"""A file of 100,000 frames through the whole pipeline: does anything grow, and is the last thousand found as the first?

    python benchmarks/soak_file.py LABELS --video NAME --first N [--frames 100000] [--output soak-file]

A piece of a labelled video (`--loop` frames from N on, of a camera that stands still) is made small once, and copied
one time after the other, as it is encoded, until the file is long enough. The job of `streamdet run` (decode, batch,
detect, track, annotate, encode and record, with its journal) runs in this process; the detector is wrapped, to look at
the memory that it carries and to count how often it starts from none (1: the jump from the piece's end to its beginning
is no cut). file.json gets all figures, file.png the curves. Needs Linux, and streamdet[train] for AP50.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from loop import loop
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from soaking import Trend, draw, held_by, rows, small_clip, trend

from streamdet.boxes import box_iou
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.open_set import open_set
from streamdet.detections import Detections
from streamdet.evaluation.average_precision import average_precision
from streamdet.evaluation.judged import MATCH_IOU
from streamdet.jobs.config import load_job
from streamdet.jobs.plan import plan
from streamdet.jobs.session import Session, load_detector
from streamdet.models.contract import Detector, Memory, Outputs

SAMPLE_EVERY_S = 5.0
_STAGES = "stages=[decode, batch, detect, track, annotate, encode, record]"


class Observed:
    """A detector, and what its memory was like every so many frames.

    Attributes:
        starts: steps that began without a memory.
        frames: looked at so far.
        seen: (frames so far, {"hidden 0 mean": ...}) each.
    """

    def __init__(self, detector: Detector, every: int) -> None:
        self.spec, self.runtime = detector.spec, detector.runtime
        self.zero_state, self.state_from_arrays = detector.zero_state, detector.state_from_arrays
        self.starts = self.frames = 0
        self.seen: list[tuple[int, dict[str, float]]] = []
        self._detector, self._every = detector, every

    def step(
        self, images_BTCHW: ArrayLike, state: Memory | None = None, dt_s: ArrayLike | None = None
    ) -> tuple[Outputs, Memory]:
        """The detector's own step."""
        self.starts += state is None or not state.ages.all()
        outputs, after = self._detector.step(images_BTCHW, state, dt_s)
        seen = after.ages.sum() - (0 if state is None else state.ages.sum())
        before, self.frames = self.frames, self.frames + int(seen)
        if self.frames // self._every > before // self._every:
            self.seen.append((self.frames, dict(_statistics(after))))
        return outputs, after


def _statistics(state: Memory) -> Iterator[tuple[str, float]]:
    for name, x in state.to_arrays().items():
        if name != "age":
            yield f"{name.replace('.', ' ')} mean", float(x.mean())
            yield f"{name.replace('.', ' ')} std", float(x.std())
            yield f"{name.replace('.', ' ')} largest", float(np.abs(x).max())


def main(words: Sequence[str] | None = None) -> int:
    """Run it and print tables."""
    options = _parse(words)
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="streamdet-soak-") as folder:
        result = soak(options, Path(folder))
    (options.output / "file.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    samples, states, spans = result["samples"], result["states"], result["spans"]
    frames = [one["frames"] for one in samples]
    curves = {
        name: (frames, [one[name] for one in samples]) for name in ("memory_mib", "own_mib", "threads", "files", "fps")
    }
    at = [one["frames"] for one in states]
    curves |= {name: (at, [one[name] for one in states]) for name in ("hidden 0 std", "cell 0 std", "cell 0 largest")}
    at = [one["first"] for one in spans]
    curves |= {name: (at, [one[name] for one in spans]) for name in ("ap50", "agreement")}
    draw(options.output / "file.png", "frames", curves)
    print(described(result))
    return 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("labels", type=Path, help="labelled footage: what streamdet eval takes")
    parser.add_argument("--video", required=True, help="name of the video in it")
    parser.add_argument("--file", type=Path, help="the video; default: NAME.mp4 beside the labels")
    parser.add_argument("--first", type=int, default=0, help="first frame of the piece")
    parser.add_argument("--loop", type=int, default=125, help="frames of the piece; a part of --span")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--span", type=int, default=1000, help="frames that are judged together")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--fps", type=int, default=5, help="of the long file")
    parser.add_argument("--model", default="street")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="of the job")
    parser.add_argument("--output", type=Path, default=Path("soak-file"), help="folder of file.json and file.png")
    options = parser.parse_args(words)
    if options.span % options.loop or options.frames % options.span:
        parser.error("expected --frames to be a multiple of --span, and --span one of --loop")
    return options


def soak(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures, as file.json holds them."""
    labelled = open_set(options.labels)
    clip = small_clip(
        options.file or options.labels.parent / f"{options.video}.mp4",
        folder / "clip.mp4",
        width=options.width,
        fps=options.fps,
        keyframe_every=25,
        first=options.first,
        frames=options.loop,
    )
    long = _repeated(clip, folder / "long.mp4", options.frames // options.loop)
    detector, samples = _run(long, folder, options)
    found = folder / "found.jsonl"
    spans = list(_judge(labelled, options, _frames(found, detector.spec.classes)))
    states = [{"frames": frames, **statistics} for frames, statistics in detector.seen]
    return {
        "frames": detector.frames,
        "runtime": detector.runtime,
        "starts_without_memory": detector.starts,
        "trends": _trends(samples, states, spans),
        "first": spans[0],
        "last": spans[-1],
        "samples": samples,
        "states": states,
        "spans": spans,
    }


def _repeated(clip: Path, path: Path, times: int) -> Path:
    """Write a clip's packets several times, one after another, as they are encoded."""
    with av.open(str(clip)) as source:
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        length = sum(packet.duration or 0 for packet in packets)
        with av.open(str(path), "w") as output:
            stream = output.add_stream_from_template(source.streams.video[0])
            times_of = [(packet.pts or 0, packet.dts or 0) for packet in packets]
            for number in range(times):
                for packet, (pts, dts) in zip(packets, times_of, strict=True):
                    copy = av.Packet(bytes(packet))
                    copy.stream, copy.time_base, copy.is_keyframe = stream, packet.time_base, packet.is_keyframe
                    copy.pts, copy.dts, copy.duration = pts + number * length, dts + number * length, packet.duration
                    output.mux(copy)
    return path


def _run(long: Path, folder: Path, options: argparse.Namespace) -> tuple[Observed, list[dict[str, float]]]:
    """Run the job; gives its detector, and what this process held every few seconds."""
    paths = {
        "sources": [str(long)],
        "encode.path": str(folder / "annotated.mp4"),
        "record.path": str(folder / "found.jsonl"),
    }
    settings = [_STAGES, "encode.preset=ultrafast", f"detect.model={options.model}", *options.settings]
    settings += [f"{key}={json.dumps(value)}" for key, value in paths.items()]
    jobs = plan(load_job(None, settings))
    detector = Observed(load_detector(jobs), options.span)
    samples: list[dict[str, float]] = []
    over = threading.Event()

    def sample() -> None:
        begun_s = before_s = time.monotonic()
        before = 0
        while not over.wait(SAMPLE_EVERY_S):
            now_s, frames = time.monotonic(), detector.frames
            fps = (frames - before) / (now_s - before_s)
            samples.append(held_by(os.getpid()) | {"at_s": now_s - begun_s, "frames": frames, "fps": fps})
            before_s, before = now_s, frames

    sampler = threading.Thread(target=sample, name="sampler")
    sampler.start()
    try:
        outcome = Session(jobs, detector).wait()
    finally:
        over.set()
        sampler.join()
    if outcome.failures:
        raise RuntimeError(f"the run failed: {outcome.failures}")
    # At the end one stage after the other ends, and its thread with it.
    return detector, [one for one in samples if one["frames"] <= options.frames - options.span]


def _frames(found: Path, classes: tuple[str, ...]) -> Iterator[Detections]:
    """What was found in each frame, from JSON Lines."""
    with found.open(encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["type"] == "frame":
                boxes = line["detections"]
                box, score, class_id = (np.array([one[key] for one in boxes]) for key in ("box", "score", "class_id"))
                yield Detections.of(box, score, class_id, classes)


def _judge(
    labelled: LabelledSet, options: argparse.Namespace, frames: Iterator[Detections]
) -> Iterator[dict[str, Any]]:
    """AP50 of every span of frames, and how far it agrees with the first one."""
    truth = _truth(labelled, options)
    first: list[Detections] = []
    for number in range(options.frames // options.span):
        span = list(islice(frames, options.span))
        first = first or span
        figures = average_precision([(truth, span)], labelled.classes)
        agreement = _agreement(first, span)
        boxes = sum(len(one) for one in span)
        yield {"first": number * options.span, "ap50": figures["ap50"], "agreement": agreement, "boxes": boxes}


def _truth(labelled: LabelledSet, options: argparse.Namespace) -> LabelledVideo:
    """The labels of a span: those of the piece, again and again, in the small picture's pixels."""
    [video] = [video for video in labelled.videos if video.name == options.video]
    scale, last = np.float32(options.width / video.width), options.first + options.loop
    labels = tuple(
        one and replace(one, boxes=one.boxes * scale, ignore=one.ignore * scale)
        for one in video.labels[options.first : last]
    )
    times_s = np.arange(options.loop) / options.fps
    piece = replace(video, labels=labels, times_s=times_s, segments=((0, options.loop),))
    return loop(piece, options.span // options.loop)


def _agreement(one: Sequence[Detections], other: Sequence[Detections]) -> float | None:
    """Share of the boxes that have a partner of their class in the other's same frame; None without boxes."""
    boxes = sum(len(a) + len(b) for a, b in zip(one, other, strict=True))
    pairs = 0
    for a, b in zip(one, other, strict=True):
        iou = box_iou(a.boxes, b.boxes) * (a.class_ids[:, None] == b.class_ids)
        pairs += int((iou[linear_sum_assignment(iou, maximize=True)] > MATCH_IOU).sum())
    return 2 * pairs / boxes if boxes else None


def _trends(
    samples: Sequence[dict[str, float]], states: Sequence[dict[str, float]], spans: Sequence[dict[str, Any]]
) -> dict[str, Trend]:
    """Of everything, for 100,000 frames."""
    found: dict[str, Trend] = {}
    for figures, x in ((samples, "frames"), (states, "frames"), (spans, "first")):
        names = [name for name in (figures[0] if figures else {}) if name not in (x, "at_s", "cpu_s")]
        at = [one[x] for one in figures]
        found |= {name: trend(at, [one[name] for one in figures], 100_000) for name in names}
    return found


def described(result: dict[str, Any]) -> str:
    """The figures as tables in Markdown."""
    text = f"{result['frames']} frames with {result['runtime']}, the memory began {result['starts_without_memory']} "
    text += f"times; slopes per 100,000 frames, over the second half\n\n{rows(result['trends'])}\n"
    return text + "".join(f"{name} frames: {result[name]}\n" for name in ("first", "last"))


if __name__ == "__main__":
    sys.exit(main())
