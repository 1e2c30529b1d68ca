"""Accuracy gained by a model's recurrent state, on the held-out footage of a recipe. One command:

    python benchmarks/memory.py configs/street.yaml --data DATA --model street --per-frame per-frame.safetensors

writes memory.json and memory.md: AP50, AP50 by motion, flicker and stability of the memory carried, reset and shuffled,
and of per-frame detectors alone and with a tracker and a smoother; on clean footage and in bad moments; and AP50 along
a stream of 10,000 frames. docs/evaluate.md explains the figures.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from judged_sets import add_options, is_video, open_sets, run
from memory_gain import (
    CLEAN,
    CLIP_FRAMES,
    TRACKED_SCORE,
    claims,
    enter,
    judge_conditions,
    judge_stills,
    measure_drift,
)

from streamdet.cli.contenders import open_contender
from streamdet.errors import ConfigError
from streamdet.evaluation.degrade import KINDS, Kind
from streamdet.models.contract import Detector

_COLUMNS = ("ap50", "ap50_slow", "ap50_medium", "ap50_fast", "flicker", "stability")
_AFFECTED = ("affected_ap50", "affected_flicker")


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns 2 and says why where the command is wrong."""
    return 2 if run("memory", _parse(words), measure, markdown) is None else 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_options(parser)
    parser.add_argument("--model", default="street", help="the model with the memory")
    parser.add_argument(
        "--per-frame", action="append", default=[], metavar="MODEL", help="a detector without one; may be repeated"
    )
    parser.add_argument("--degrade", default=",".join(KINDS), help="kinds of bad moments, separated by commas, or none")
    parser.add_argument("--drift-frames", type=int, default=10_000, help="length of the long stream; 0 leaves it out")
    parser.add_argument("--imgsz", type=int, help="longer side of the model image, pixels, for all detectors")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(words)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures, as memory.json holds them."""
    kinds = _kinds(options.degrade)
    sets = open_sets(options, width=384, height=224, frames=100)
    model = open_contender(options.model, options.device)
    labels = {Path(name).stem: name for name in options.per_frame}
    if len(labels) < len(options.per_frame):
        raise ConfigError(f"--per-frame: two files have the same name: {', '.join(options.per_frame)}; rename one")
    per_frame = {label: open_contender(name, options.device) for label, name in labels.items()}
    entrants = enter(model, per_frame)
    begun_s = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begun_s:7.0f} s  {text}", file=sys.stderr, flush=True)

    videos = {name: one for name, one in sets.items() if is_video(one)}
    figures = {name: judge_conditions(entrants, one, kinds, options.imgsz, say) for name, one in videos.items()}
    stills = {name: judge_stills(entrants, one, options.imgsz, say) for name, one in sets.items() if name not in videos}
    drift = None
    if options.drift_frames and videos:
        drift = measure_drift(model, list(videos.values()), options.drift_frames, options.imgsz, say)
    found = claims(figures, drift) if figures else []
    return {
        "model": _facts(Path(options.model).stem, model),
        "per_frame": [_facts(label, detector) for label, detector in per_frame.items()],
        "recipe": options.recipe.name,
        "image_size": options.imgsz or "each model's own",
        "max_frames": options.max_frames,
        "claims": [{**asdict(claim), "met": claim.met} for claim in found],
        "sets": figures,
        "stills": stills,
        "drift": drift,
    }


def _kinds(text: str) -> list[Kind]:
    names = [] if text == "none" else text.split(",")
    for name in names:
        if name not in KINDS:
            raise ConfigError(f"--degrade: expected some of {', '.join(KINDS)}, or none, got {name}")
    return [kind for kind in KINDS if kind in names]


def _facts(name: str, detector: Detector) -> dict[str, str]:
    return {"name": name, "sha256": detector.spec.sha256, "runtime": detector.runtime}


def markdown(result: Mapping[str, Any]) -> str:
    """memory.md."""
    model = result["model"]
    lines = [
        f"# Recurrent state of {model['name']}: accuracy and controls",
        "",
        f"Model `{model['name']}` (sha256 {model['sha256'][:12]}), judged on what `{result['recipe']}` holds out"
        + (f", at most {result['max_frames']} frames a video" if result["max_frames"] else "")
        + f"; image size: {result['image_size']}; {model['runtime']}.",
        "`carry` is the model as it runs, `reset` the same weights forgetting after every frame, `shuffle` its memory",
        "carried over frames in random order. `tracker + smoother`: ByteTrack from a score of "
        f"{TRACKED_SCORE} on, boxes and",
        "scores smoothed exponentially along its tracks. Lower is better of flicker and stability.",
        "",
    ]
    if result["claims"]:
        lines += ["## In short", "", "| | figure | wanted | |", "| --- | ---: | ---: | --- |"]
        lines += [_claim_row(claim) for claim in result["claims"]]
        lines += ["", "Differences are means over the sets of videos; 0.03 is 3 points of AP50.", ""]
    for name, conditions in result["sets"].items():
        for condition, content in conditions.items():
            lines += _condition(name, condition, content)
    if result["stills"]:
        lines += ["## Stills", "", "| | AP50 |", "| --- | ---: |"]
        lines += [
            f"| {name}: {label} | {_number(row['ap50'])} |"
            for name, rows in result["stills"].items()
            for label, row in rows.items()
        ]
        lines.append("")
    return "\n".join([*lines, *_drift(result["drift"])])


def _claim_row(claim: Mapping[str, Any]) -> str:
    wanted = "" if claim["target"] is None else f"{'≥' if claim['at_least'] else '≤'} {claim['target']:g}"
    met = {True: "yes", False: "no", None: ""}[claim["met"]]
    return f"| {claim['text']} | {_number(claim['value'])} | {wanted} | {met} |"


def _condition(name: str, condition: str, content: Mapping[str, Any]) -> list[str]:
    columns = [*_COLUMNS, *(() if condition == CLEAN else _AFFECTED)]
    first = next(iter(content["rows"].values()))
    lines = [
        f"## {name}, {condition}",
        "",
        f"{content['description'][0].upper()}{content['description'][1:]}. {first['frames']} frames, "
        f"{first['boxes']} objects"
        + (
            "."
            if condition == CLEAN
            else f"; affected: {first['affected_boxes']} in {first['affected_frames']} frames."
        ),
        "",
        f"| | {' | '.join(column.replace('_', ' ') for column in columns)} |",
        "| --- |" + " ---: |" * len(columns),
        *(
            f"| {label} | {' | '.join(_number(row[column]) for column in columns)} |"
            for label, row in content["rows"].items()
        ),
    ]
    gains = [content["intervals"][column] for column in columns]
    spans = ["–" if gain["low"] is None else f"{gain['low']:+.3f} to {gain['high']:+.3f}" for gain in gains]
    lines.append(f"| carry minus reset, 95 % | {' | '.join(spans)} |")
    return [*lines, "", f"Intervals: paired bootstrap over {gains[0]['clips']} clips of {CLIP_FRAMES} frames.", ""]


def _drift(drift: Mapping[str, Any] | None) -> list[str]:
    if drift is None:
        return []
    passes = drift["ap50_by_pass"]
    return [
        "## A long stream",
        "",
        f"{drift['frames']} frames: {drift['video']} ({drift['pass_frames']} frames), {len(passes)} times on end.",
        "",
        "| AP50 | |",
        "| --- | ---: |",
        f"| first pass | {_number(passes[0])} |",
        f"| second pass | {_number(passes[1])} |",
        f"| last pass | {_number(passes[-1])} |",
        f"| lowest | {_number(min((one for one in passes if one is not None), default=None))} |",
        f"| reset, every pass | {_number(drift['ap50_reset'])} |",
        "",
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
