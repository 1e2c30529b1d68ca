"""Everything that `streamdet eval` says about a detector on a set: one dict for a file, one table for a terminal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from streamdet.evaluation.average_precision import judged_average_precision
from streamdet.evaluation.curve import curves, mean_average_precision
from streamdet.evaluation.intervals import Interval
from streamdet.evaluation.judged import JudgedSet, Pairs, judge
from streamdet.evaluation.motion import motion_curves
from streamdet.evaluation.outcomes import collect
from streamdet.evaluation.position import ap50_by_position
from streamdet.evaluation.shapes import shape_figures
from streamdet.evaluation.stability import SHOWN_SCORE, flicker, stability
from streamdet.evaluation.tracking import tracking_figures

LONG_STREAM_FRAMES = 200
"""A video from this length on is judged by position, too."""


def report(
    pairs: Pairs,
    classes: Sequence[str],
    *,
    only: Collection[str] | None = None,
    score: float = SHOWN_SCORE,
    latencies_s: Sequence[float] = (),
    elapsed_s: float | None = None,
) -> dict[str, Any]:
    """Judge predictions in every way.

    Args:
        pairs: videos with one Detections a frame.
        classes: names of the set's classes, in the order of its class ids.
        only: names to judge; all that set and detector share by default.
        score: least score of a detection for flicker, stability, hota and idf1.
        latencies_s: seconds from a frame to its result, one a frame that was run.
        elapsed_s: seconds that the whole run took.

    Returns:
        ap, ap50, ap75, ap_small, ap_medium, ap_large, ap50_slow, ap50_medium, ap50_fast, flicker, stability
        (None where the set has no such object), frames and boxes that were judged, fps, latency_ms with p50 and p95
        (None where not measured), masks and keypoints where the set and the detector have them (see shape_figures),
        per_class with the same by class name but fps and latency; hota and idf1 where
        labels and detections have identities; ap50_by_position (start, stop, ap50 and objects of each tenth of the
        longest video) where a video has 200 frames or more. It can be written as JSON.

    Raises:
        ConfigError: if set and detector share no class, or faster-coco-eval is not installed.
        ValueError: if a video does not have one Detections a frame.
    """
    judged = judge(pairs, classes, only)
    precision = judged_average_precision(judged)
    by_class = precision.pop("per_class")
    tracked = tracking_figures(judged, score) or {"per_class": {}}
    tracked_by_class = tracked.pop("per_class")
    part = _Parts(judged, score)
    latency_ms = (np.percentile(latencies_s, [50, 95]) * 1000).tolist() if len(latencies_s) else (None, None)
    speed = {
        "fps": sum(len(predictions) for _, predictions in pairs) / elapsed_s if elapsed_s else None,
        "latency_ms": {"p50": latency_ms[0], "p95": latency_ms[1]},
    }
    return {
        **precision,
        **part.figures(None),
        **speed,
        **tracked,
        **part.by_position(),
        **shape_figures(pairs, judged),
        "per_class": {
            name: {**by_class[name], **part.figures(index), **tracked_by_class.get(name, {})}
            for index, name in enumerate(judged.classes)
        },
    }


def brief_report(
    pairs: Pairs, classes: Sequence[str], *, only: Collection[str] | None = None, score: float = SHOWN_SCORE
) -> dict[str, Any]:
    """The figures that a memory is judged by: ap50, ap50_slow, ap50_medium, ap50_fast, flicker, stability, frames and
    boxes; arguments and meaning as in report().
    """
    return _Parts(judge(pairs, classes, only), score).brief()


class _Parts:
    """The figures that are read from matched boxes, of all classes or of one."""

    def __init__(self, judged: JudgedSet, score: float) -> None:
        outcomes = collect(judged)
        self._judged, self._outcomes = judged, outcomes
        self._motion = motion_curves(outcomes)
        self._ratios = {"flicker": flicker(outcomes, score), "stability": stability(outcomes, score)}
        self._objects = outcomes.objects
        self._all_clips = np.ones(outcomes.clip_count)

    def figures(self, class_id: int | None) -> dict[str, Any]:
        """Of one class, or of all for None."""
        of_class = slice(None) if class_id is None else slice(class_id, class_id + 1)
        motion = {
            f"ap50_{name}": mean_average_precision(parts[of_class], self._all_clips)
            for name, parts in self._motion.items()
        }
        ratios = {name: ratio.value(self._all_clips, class_id) for name, ratio in self._ratios.items()}
        here = [video for video in self._judged.videos if class_id is None or class_id in video.labelled]
        counted = ~self._objects.ignored & (True if class_id is None else self._objects.class_ids == class_id)
        frames = sum(frame is not None for video in here for frame in video.frames)
        return {**motion, **ratios, "frames": frames, "boxes": int(counted.sum())}

    def brief(self) -> dict[str, Any]:
        """AP50 and the figures of all classes."""
        return {"ap50": mean_average_precision(curves(self._outcomes), self._all_clips), **self.figures(None)}

    def by_position(self) -> dict[str, Any]:
        """AP50 along the stream, where one is long."""
        if max((len(video.frames) for video in self._judged.videos), default=0) < LONG_STREAM_FRAMES:
            return {}
        return {"ap50_by_position": [asdict(stretch) for stretch in ap50_by_position(self._outcomes)]}


def report_table(reports: Mapping[str, Mapping[str, Any]], score: float = SHOWN_SCORE) -> Table:
    """Reports side by side, one column each, a row for every figure and for the AP50 of every class.

    Args:
        reports: what report() returned, by the name of the detector or of the set; each may have more figures under
            `masks`, `keypoints`, `affected` and `streaming`.
        score: the one that the reports were made with.
    """
    table = Table(
        caption=f"flicker, stability, HOTA and IDF1 at a score of {score:g} and more; lower is better of the first two"
    )
    table.add_column("")
    for name in reports:
        table.add_column(name, justify="right")
    columns = [_rows(one) for one in reports.values()]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(_text(column.get(name)) for column in columns))
    return table


def comparison_table(intervals: Mapping[str, Interval], first: str, second: str) -> Table:
    """Two detectors side by side, with the 95 % interval of their difference."""
    clips = max((interval.clips for interval in intervals.values()), default=0)
    table = Table(
        caption=f"95 % intervals: paired bootstrap over {clips} clips; lower is better of flicker and stability"
    )
    table.add_column("", no_wrap=True)
    for name in (first, second):
        table.add_column(name, justify="right", overflow="fold")
    for name in ("difference", "95 % interval", "clear"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in intervals.items():
        difference = None if one.first is None or one.second is None else one.second - one.first
        clear = one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)
        interval = "–" if one.low is None else f"{_text(one.low)} to {_text(one.high)}"
        table.add_row(name, _text(one.first), _text(one.second), _text(difference), interval, "yes" if clear else "no")
    return table


def _rows(one: Mapping[str, Any]) -> dict[str, Any]:
    rows = {name: value for name, value in one.items() if not isinstance(value, Mapping | list)}
    rows |= {f"latency {name} (ms)": value for name, value in one["latency_ms"].items()}
    rows |= {f"ap50 {name}": figures["ap50"] for name, figures in one["per_class"].items()}
    for part in ("masks", "keypoints", "affected", "streaming"):
        rows |= {f"{part} {name}": value for name, value in one.get(part, {}).items()}
    for stretch in one.get("ap50_by_position", ()):
        rows[f"ap50 of frames {stretch['start']} to {stretch['stop'] - 1}"] = stretch["ap50"]
    return rows


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
