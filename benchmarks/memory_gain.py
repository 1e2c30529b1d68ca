"""Accuracy gained by a detector's recurrent state, and the controls that could explain the gain without it.

The controls are the same weights with the state reset after every frame, the same weights on shuffled frames, per-frame
detectors, and per-frame detectors with a tracker and a smoother; on clean and degraded footage, and over a long stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from loop import loop
from smoothing import smooth

from streamdet.datasets.cut import cut
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.detections import Detections
from streamdet.evaluation.degrade import DESCRIPTIONS, Kind, degrade_set
from streamdet.evaluation.follow import follow
from streamdet.evaluation.intervals import paired_intervals
from streamdet.evaluation.judged import Pairs, judge
from streamdet.evaluation.outcomes import collect
from streamdet.evaluation.position import ap50_by_position
from streamdet.evaluation.predict import Memory
from streamdet.evaluation.report import brief_report
from streamdet.evaluation.trial import Way, run_trial
from streamdet.models.contract import Detector

CLEAN = "clean"
SMOOTHED = " + tracker + smoother"

TRACKED_SCORE = 0.1
"""The smoother's tracker gets boxes from here on: a weak box continues a track, as in ByteTrack."""

CLIP_FRAMES = 30
"""Length of the clips that intervals draw from."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """One detector and what is done with its memory.

    Attributes:
        label: for tables.
        smoothed: also judge it with a tracker and a smoother behind it.
        everywhere: run it on the degraded copies, too.
    """

    label: str
    detector: Detector
    memory: Memory
    smoothed: bool = False
    everywhere: bool = True


def enter(model: Detector, per_frame: Mapping[str, Detector]) -> list[Entrant]:
    """All that has to be compared: the model with its memory, reset and shuffled, and the per-frame detectors.

    Args:
        model: the detector with the memory.
        per_frame: detectors without one, by label.
    """
    return [
        Entrant("carry", model, "carry"),
        Entrant("reset", model, "reset", smoothed=True),
        Entrant("shuffle", model, "shuffle", everywhere=False),
        *(Entrant(label, detector, "reset", smoothed=True) for label, detector in per_frame.items()),
    ]


def shared_classes(entrants: Sequence[Entrant], labelled: LabelledSet) -> list[str]:
    """The set's classes that all detectors know, so that all are judged on the same objects."""
    return [name for name in labelled.classes if all(name in entrant.detector.spec.classes for entrant in entrants)]


def judge_conditions(
    entrants: Sequence[Entrant], labelled: LabelledSet, kinds: Sequence[Kind], image_size: int | None, say: Say
) -> dict[str, dict[str, Any]]:
    """Judge all on a set's videos as they are, and on a degraded copy of each kind.

    Args:
        image_size: longer side of the model image in pixels; each model's own when None.
        say: told what is being done, a line each.

    Returns:
        by condition (clean, then the kinds): description, rows (the figures of brief_report by label; with
        affected_ap50 and affected_flicker, of the bad moments alone, under a kind) and, of carry minus reset,
        intervals (ap50, affected_ap50 and so on: first, second, low, high, clips).
    """
    results = {}
    for kind in (None, *kinds):
        condition = kind or CLEAN
        seen, affected = (labelled, None) if kind is None else degrade_set(labelled, kind)
        found: dict[str, list[list[Detections]]] = {}
        for entrant in entrants:
            if kind is None or entrant.everywhere:
                say(f"{labelled.name}, {condition}: {entrant.label}")
                found |= _run(entrant, seen, image_size)
        only = shared_classes(entrants, labelled)
        results[condition] = {
            "description": "as it is" if kind is None else DESCRIPTIONS[kind],
            "rows": {label: _figures(rows, seen, affected, only) for label, rows in found.items()},
            "intervals": _gain(found, seen, affected, only),
        }
    return results


def judge_stills(
    entrants: Sequence[Entrant], labelled: LabelledSet, image_size: int | None, say: Say
) -> dict[str, dict[str, Any]]:
    """AP50 on stills, where there is nothing to remember, by label: of the model and the per-frame detectors."""
    rows = {}
    for entrant in entrants:
        if entrant.memory == "reset":
            say(f"{labelled.name}: {entrant.label}")
            trial = run_trial(entrant.detector, labelled.videos, Way("reset", image_size), tracked=False)
            figures = brief_report(trial.pairs, labelled.classes, only=shared_classes(entrants, labelled))
            rows[entrant.label] = {name: figures[name] for name in ("ap50", "frames", "boxes")}
    return rows


def measure_drift(
    detector: Detector, sets: Sequence[LabelledSet], frames: int, image_size: int | None, say: Say
) -> dict[str, Any]:
    """AP50 along a stream of so many frames: the longest unbroken stretch of the sets again and again.

    Returns:
        video, frames, pass_frames, ap50_by_pass (memory carried), ap50_reset (the same on every pass).
    """
    labelled, stretch = max(
        ((one, _longest_stretch(video)) for one in sets for video in one.videos), key=lambda pair: len(pair[1])
    )
    stream = loop(stretch, max(3, -(-frames // len(stretch))))
    say(f"drift: {len(stream)} frames of {labelled.name} {stretch.name}")
    carried = run_trial(detector, [stream], Way("carry", image_size), tracked=False)
    outcomes = collect(judge(carried.pairs, labelled.classes))
    reset = run_trial(detector, [stretch], Way("reset", image_size), tracked=False)
    return {
        "video": f"{labelled.name} {stretch.name}",
        "frames": len(stream),
        "pass_frames": len(stretch),
        "ap50_by_pass": [one.ap50 for one in ap50_by_position(outcomes, len(stream) // len(stretch))],
        "ap50_reset": brief_report(reset.pairs, labelled.classes)["ap50"],
    }


def _longest_stretch(video: LabelledVideo) -> LabelledVideo:
    start, stop = max(video.segments, key=lambda segment: segment[1] - segment[0])
    return cut(video, start, stop)


def _run(entrant: Entrant, labelled: LabelledSet, image_size: int | None) -> dict[str, list[list[Detections]]]:
    """What was found, for each video one Detections a frame, by label."""
    trial = run_trial(entrant.detector, labelled.videos, Way(entrant.memory, image_size), tracked=False)
    found = {entrant.label: [frames for _, frames in trial.pairs]}
    if entrant.smoothed:
        found[entrant.label + SMOOTHED] = [
            smooth(video, follow(video, frames, TRACKED_SCORE)) for video, frames in trial.pairs
        ]
    return found


def _figures(
    found: list[list[Detections]], seen: LabelledSet, affected: LabelledSet | None, only: Sequence[str]
) -> dict[str, Any]:
    figures = brief_report(_pairs(seen, found), seen.classes, only=only)
    if affected is not None:
        bad = brief_report(_pairs(affected, found), seen.classes, only=only)
        figures |= {f"affected_{name}": bad[name] for name in ("ap50", "flicker", "frames", "boxes")}
    return figures


def _gain(
    found: Mapping[str, list[list[Detections]]], seen: LabelledSet, affected: LabelledSet | None, only: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Intervals of carry minus reset."""

    def compare(labelled: LabelledSet) -> dict[str, dict[str, Any]]:
        reset, carry = (_pairs(labelled, found[label]) for label in ("reset", "carry"))
        intervals = paired_intervals(reset, carry, labelled.classes, only=only, clip_frames=CLIP_FRAMES)
        return {name: asdict(interval) for name, interval in intervals.items()}

    result = compare(seen)
    if affected is not None:
        bad = compare(affected)
        result |= {f"affected_{name}": bad[name] for name in ("ap50", "flicker")}
    return result


def _pairs(labelled: LabelledSet, found: list[list[Detections]]) -> Pairs:
    return list(zip(labelled.videos, found, strict=True))


def shorten(labelled: LabelledSet, frames: int) -> LabelledSet:
    """The first frames of the first videos only, for a quick trial."""
    videos = tuple(cut(video, 0, frames) for video in labelled.videos[:frames])
    return replace(labelled, videos=videos)


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a good memory does.

    Attributes:
        text: what is measured.
        value: the figure; None where it could not be measured.
        target: what is asked for; None where nothing is.
        at_least: whether the figure has to reach the target or stay below.
    """

    text: str
    value: float | None
    target: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """None where there is nothing to meet."""
        if self.value is None or self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def claims(sets: Mapping[str, Mapping[str, Mapping[str, Any]]], drift: Mapping[str, Any] | None) -> list[Claim]:
    """What the figures say of the memory; differences are means over the sets, as shares (0.03 is 3 points).

    Args:
        sets: what judge_conditions returned, by the name of the set.
        drift: what measure_drift returned.
    """
    kinds = list(dict.fromkeys(kind for results in sets.values() for kind in results if kind != CLEAN))
    rivals = list(dict.fromkeys(label for results in sets.values() for label in results[CLEAN]["rows"]))[1:]
    per_frame = [label for label in rivals if not label.startswith(("reset", "shuffle"))]

    def gain(figure: str, over: str = "reset", of: str = "carry", condition: str = CLEAN) -> float | None:
        return _mean(
            [
                rows[of][figure] - rows[over][figure]
                for rows in (results[condition]["rows"] for results in sets.values() if condition in results)
                if rows[of][figure] is not None and rows[over][figure] is not None
            ]
        )

    found = [
        Claim("AP50, carry minus reset", gain("ap50"), 0.03),
        Claim("AP50 of fast objects, carry minus reset", gain("ap50_fast"), 0.06),
    ]
    for kind in kinds:
        target = 0.06 if kind in ("blur", "occlusion") else None
        name = "partly hidden objects" if kind == "occlusion" else f"bad moments ({kind})"
        found.append(Claim(f"AP50 of {name}, carry minus reset", gain("affected_ap50", condition=kind), target))
    found += [Claim(f"AP50, carry minus {label}", gain("ap50", label), 0.0) for label in per_frame]
    found += [
        Claim(f"flicker, carry by {label}", _flicker_ratio(sets, label), 0.5, at_least=False)
        for label in rivals
        if label == "reset" or label.endswith(SMOOTHED)
    ]
    found.append(Claim("AP50, shuffle minus reset", gain("ap50", of="shuffle"), 0.005, at_least=False))
    if drift is not None:
        passes = drift["ap50_by_pass"]
        lost = None if None in (passes[1], passes[-1]) else passes[-1] - passes[1]
        found.append(Claim(f"AP50 after {drift['frames']} frames, last pass minus second", lost, -0.005))
    return found


def _flicker_ratio(sets: Mapping[str, Mapping[str, Mapping[str, Any]]], label: str) -> float | None:
    rows = [results[CLEAN]["rows"] for results in sets.values()]
    known = [(row["carry"]["flicker"], row[label]["flicker"]) for row in rows if row["carry"]["flicker"] is not None]
    theirs = sum(other for _, other in known)
    return sum(ours for ours, _ in known) / theirs if theirs > 0 else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
