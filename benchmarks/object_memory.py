"""Accuracy of the object memory, with controls that could explain a gain without it.

    python benchmarks/object_memory.py vehicle=street/labels.json:cam07355:0:500 person=indoor/labels.json \
        --data DATA --model street --model torchvision/fcos_resnet50_fpn --output out

For every detector: per frame; the best rule made by hand; the object memory, its LSTM cleared at every frame, without
the detector's features, over shuffled frames; with --stateless a memory that was trained without state; and the
trackers of the package `trackers`, each at its best threshold. Writes object_memory.json and object_memory.md.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hand_rule import HandRule
from steadiness import Matches, Output, Truth, mark_fast, truth_of

from streamdet.datasets.cut import cut
from streamdet.datasets.labels import LabelledVideo
from streamdet.datasets.link import link_boxes
from streamdet.datasets.open_set import open_set
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.evaluation.follow import follow
from streamdet.evaluation.judged import judge
from streamdet.evaluation.predict import shuffled_order
from streamdet.evaluation.tracking import tracking_figures
from streamdet.runtimes.loading import load
from streamdet.tracking import library
from streamdet.tracking.memory.memory import ObjectMemory
from streamdet.tracking.memory.network import Weights, load_weights
from streamdet.tracking.memory.tracker import MemoryTracker, packaged_weights
from streamdet.tracking.options import TrackOptions
from streamdet.training.object_memory.clips import Found
from streamdet.training.object_memory.prepare import found_in

GROUPS = {"vehicle": ("car", "bus", "truck", "vehicle"), "person": ("person",)}
"""What is judged as one class: detectors know different ones."""
THRESHOLDS = (0.25, 0.4, 0.5, 0.6)
_DRAWS, _PIECE = 400, 30
_HYSTERESIS = 1.5
_COLUMNS = ("AP50", "AP", "fast", "occluded", "flicker", "flicker_03", "shown_flicker", "jitter", "class_changes")


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A video, the classes that are judged, what is there, and what the detector found."""

    video: LabelledVideo
    classes: tuple[str, ...]
    truth: Sequence[Truth | None]
    found: Sequence[Detections]
    group: str


class Plain:
    """Boxes as they are."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def update(self, detections: Detections, time_s: float, size: tuple[int, int]) -> Detections:
        """The same."""
        return detections


class Memory:
    """The object memory with all that it thinks, whatever a viewer would see of it."""

    def __init__(self, weights: Weights, *, forgetful: bool = False, looks: bool = True) -> None:
        self._weights, self._forgetful, self._looks = weights, forgetful, looks
        self._memory: ObjectMemory | None = None

    def reset(self) -> None:
        """Forget everything."""
        if self._memory is not None:
            self._memory.clear()

    def update(self, detections: Detections, time_s: float, size: tuple[int, int]) -> Detections:
        """Refined boxes of one frame."""
        if self._memory is None:
            self._memory = ObjectMemory(self._weights, len(detections.classes), forgetful=self._forgetful)
        found = Found.of(detections)
        embeddings = found.embeddings if self._looks else None
        refined = self._memory.step(found.boxes, found.scores, found.class_scores, time_s, size, embeddings)
        order = np.argsort(-refined.scores, kind="stable")
        ids = np.where(refined.ids >= 0, refined.ids + 1, -1)
        boxes, scores, class_ids = (column[order] for column in (refined.boxes, refined.scores, refined.class_ids))
        return Detections.of(boxes, scores, class_ids, detections.classes, ids[order])


Make = Callable[[], Any]


def methods(weights: Weights, stateless: Weights | None) -> dict[str, tuple[Make, bool]]:
    """What is compared: how to make one, and whether it sees the frames shuffled."""
    table: dict[str, tuple[Make, bool]] = {
        "per frame": (Plain, False),
        "hand-made rule": (HandRule, False),
        "object memory": (lambda: Memory(weights), False),
        "state cleared": (lambda: Memory(weights, forgetful=True), False),
        "without features": (lambda: Memory(weights, looks=False), False),
        "shuffled frames": (lambda: Memory(weights), True),
    }
    if stateless is not None:
        table["trained without state"] = (lambda: Memory(stateless, forgetful=True), False)
    return table


def open_clips(text: str, data: Path, model: Any, cache: Path, min_px: float) -> list[Clip]:
    """The videos of GROUP=SET[:VIDEO[:START[:STOP]]], and what a detector finds in them, each frame for itself."""
    group, _, place = text.partition("=")
    if group not in GROUPS or not place:
        raise ConfigError(f"{text}: expected vehicle=SET or person=SET, with :VIDEO:START:STOP where wanted")
    path, name, start, stop = (place.split(":") + [""] * 3)[:4]
    labelled = open_set(data / path)
    clips = []
    for video in labelled.videos:
        if name in ("", video.name):
            first, last, _ = slice(int(start or 0), int(stop) if stop else None).indices(len(video))
            whole = found_in(model, video, cache, print)
            part = link_boxes(cut(video, first, last))
            truth = _truth(part, labelled.classes, group, min_px)
            clip = Clip(part, labelled.classes, truth, whole[first:last], group)
            shared = set(GROUPS[group]).intersection(model.spec.classes, labelled.classes)
            clips.append(clip if shared else of_one_class(clip))
    return clips


def of_one_class(clip: Clip) -> Clip:
    """For a detector that knows none of the set's classes, but their group: all of them are the group."""
    known = np.isin(clip.classes, GROUPS[clip.group])
    labels = tuple(
        each and replace(each, class_ids=np.where(known[each.class_ids], 0, 1)) for each in clip.video.labels
    )
    video = replace(clip.video, labels=labels, labelled=frozenset({0}))
    names = (clip.group, "other")
    found = [
        Detections.of(each.boxes, each.scores, np.where(np.isin(each.class_names, GROUPS[clip.group]), 0, 1), names)
        for each in clip.found
    ]
    return replace(clip, video=video, classes=names, found=found)


def run(clip: Clip, make: Make, *, shuffled: bool = False) -> list[Detections]:
    """What a method makes of the detections of a clip."""
    order = shuffled_order(len(clip.found)) if shuffled else np.arange(len(clip.found))
    starts, method = {start for start, _ in clip.video.segments}, make()
    out = list(clip.found)
    for moment, frame in enumerate(order.tolist()):
        if moment in starts:
            method.reset()
        size = clip.video.width, clip.video.height
        out[frame] = method.update(clip.found[frame], float(clip.video.times_s[moment]), size)
    return out


def figures(clips: Sequence[Clip], outputs: Sequence[Sequence[Detections]], precision: float) -> dict[str, float]:
    """All figures of one method, at the precision of the detector alone at 0.25."""
    truths = [clip.truth for clip in clips]
    judged = [judged_as(clip, found) for clip, found in zip(clips, outputs, strict=True)]
    matches = Matches(truths, judged)
    score = matches.threshold(precision)
    rest = [Matches(truths, judged, iou).ap() for iou in np.arange(0.55, 1, 0.05)]
    shown = [_with_hysteresis(each, score) for each in judged]
    return {
        "AP50": matches.ap(),
        "AP": float(np.mean([matches.ap(), *rest])),
        "fast": matches.ap(matches.fast),
        "occluded": matches.ap(matches.occluded),
        **matches.steadiness(score),
        "flicker_03": Matches(truths, judged, 0.3).steadiness(score)["flicker"],
        "shown_flicker": Matches(truths, shown).steadiness(score)["flicker"],
        "recall": matches.precision_recall(score)[1],
    }


def intervals(clips: Sequence[Clip], outputs: Mapping[str, Sequence[Sequence[Detections]]]) -> dict[str, list[float]]:
    """Paired bootstrap over pieces of 30 frames: the memory's AP50 minus that of the others, [mean, low, high]."""
    matches = {
        name: Matches([clip.truth for clip in clips], [judged_as(c, f) for c, f in zip(clips, found, strict=True)])
        for name, found in outputs.items()
    }
    pieces = [(i, j) for i, clip in enumerate(clips) for j in range(-(-len(clip.found) // _PIECE))]
    rng, draws = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        weights = np.zeros((len(clips), max(j for _, j in pieces) + 1))
        for drawn in rng.integers(len(pieces), size=len(pieces)):
            weights[pieces[drawn]] += 1
        draws.append([each.ap(weights=weights) for each in matches.values()])
    table = np.array(draws)
    ours = table[:, list(matches).index("object memory")]
    return {
        name: [float(x) for x in ((ours - column).mean(), *np.nanpercentile(ours - column, [2.5, 97.5]))]
        for name, column in zip(matches, table.T, strict=True)
        if name != "object memory"
    }


def identities(clips: Sequence[Clip]) -> dict[str, dict[str, float]]:
    """HOTA and IDF1 of each tracker, at its best threshold."""
    table = {}
    for name in ("memory", "byte", *library.NAMES):
        best: dict[str, float] = {"hota": 0.0, "idf1": 0.0}
        for score in THRESHOLDS:
            pairs = [(clip.video, _tracked(clip, name, score)) for clip in clips]
            got = tracking_figures(judge(pairs, clips[0].classes), score)
            if got is not None and got["hota"] > best["hota"]:
                best = {"hota": got["hota"], "idf1": got["idf1"], "threshold": score}
        table[name] = best
    return table


def _tracked(clip: Clip, name: str, score: float) -> list[Detections]:
    if name != "memory":
        return follow(clip.video, clip.found, score, TrackOptions(tracker=name))
    return run(clip, lambda: MemoryTracker(TrackOptions(), score))


def _truth(video: LabelledVideo, classes: Sequence[str], group: str, min_px: float) -> list[Truth | None]:
    wanted = [index for index, name in enumerate(classes) if name in GROUPS[group]]
    out: list[Truth | None] = []
    for labels in video.labels:
        if labels is None:
            out.append(None)
            continue
        kept = np.isin(labels.class_ids, wanted)
        boxes, ignore = labels.boxes[kept].astype(np.float64), labels.ignore.astype(np.float64)
        out.append(truth_of(boxes, labels.track_ids[kept], labels.class_ids[kept], ignore, min_px))
    mark_fast(out)
    return out


def judged_as(clip: Clip, found: Sequence[Detections]) -> list[Output]:
    """What is found of the classes that are judged."""
    chosen = (each[np.isin(each.class_names, GROUPS[clip.group])] for each in found)
    return [
        Output(each.boxes.astype(np.float64), each.scores.astype(np.float64), each.class_ids, each.track_ids)
        for each in chosen
    ]


def _with_hysteresis(judged: Sequence[Output], score: float) -> list[Output]:
    """As a viewer sees it: the scores of tracks that are shown count as 1.5 logits higher."""
    shown = np.zeros(0, np.int64)
    out = []
    for each in judged:
        p = np.clip(each.scores, 1e-6, 1 - 1e-6)
        lifted = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + _HYSTERESIS)))
        scores = np.where(np.isin(each.ids, shown), lifted, each.scores)
        shown = each.ids[(scores >= score) & (each.ids >= 0)]
        out.append(replace(each, scores=scores))
    return out


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("sets", nargs="+", help="vehicle=SET or person=SET, with :VIDEO:START:STOP where wanted")
    parser.add_argument("--data", type=Path, default=Path(), help="folder that the sets are in")
    parser.add_argument("--model", action="append", help="a detector; may be repeated. Default: street")
    parser.add_argument("--layout", help="of the detector's outputs and images, as for streamdet run")
    parser.add_argument("--class-names", help="of the detector's classes, as for streamdet run")
    parser.add_argument("--weights", type=Path, help="of the memory. Default: those of the package")
    parser.add_argument("--stateless", type=Path, help="weights that were trained without state")
    parser.add_argument("--min-px", type=float, default=8.0, help="smaller objects do not count")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of what is written")
    options = parser.parse_args()
    weights = packaged_weights() if options.weights is None else load_weights(options.weights)
    stateless = None if options.stateless is None else load_weights(options.stateless)
    report: dict[str, Any] = {}
    for name in options.model or ["street"]:
        model = load(name, layout=options.layout, class_names=options.class_names)
        for text in options.sets:
            clips = open_clips(text, options.data, model, options.output / "cache", options.min_px)
            outputs = {
                label: [run(clip, make, shuffled=shuffled) for clip in clips]
                for label, (make, shuffled) in methods(weights, stateless).items()
            }
            plain = [judged_as(clip, found) for clip, found in zip(clips, outputs["per frame"], strict=True)]
            precision = Matches([clip.truth for clip in clips], plain).precision_recall(0.25)[0]
            report[f"{name}, {text}"] = {
                "precision": precision,
                "methods": {label: figures(clips, found, precision) for label, found in outputs.items()},
                "AP50 gained": intervals(clips, outputs),
                "identities": identities(clips),
            }
            options.output.mkdir(parents=True, exist_ok=True)
            (options.output / "object_memory.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
            (options.output / "object_memory.md").write_text(_tables(report), encoding="utf-8")
    print(_tables(report))


def _tables(report: dict[str, Any]) -> str:
    lines = []
    for title, content in report.items():
        lines += [f"### {title}", "", f"| | {' | '.join(_COLUMNS)} |", "| --- |" + " --- |" * len(_COLUMNS)]
        for label, row in content["methods"].items():
            lines.append(f"| {label} | " + " | ".join(f"{100 * row[column]:.1f}" for column in _COLUMNS) + " |")
        gained = (
            f"{label} {m:+.3f} [{low:.3f}, {high:.3f}]" for label, (m, low, high) in content["AP50 gained"].items()
        )
        lines += ["", f"AP50 of the memory minus that of: {', '.join(gained)}", ""]
        of = (f"{label} {row['hota']:.3f} / {row['idf1']:.3f}" for label, row in content["identities"].items())
        lines += [f"HOTA / IDF1, each at its best threshold: {', '.join(of)}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
