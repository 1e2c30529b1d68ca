"""Is one detector better than another, or were the clips kind to it? A paired bootstrap over clips.

Both detectors are judged on the same clips, drawn with replacement many times; the interval holds the middle 95 % of
the differences. An interval on one side of 0 is a difference that other clips of the same kind would show too. Frames
of one clip are alike, which is why clips are drawn and not frames.

Source: Efron and Tibshirani 1993 (An Introduction to the Bootstrap), chapter 13.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.evaluation.curve import Curve, curves, mean_average_precision
from streamdet.evaluation.judged import Pairs, judge
from streamdet.evaluation.motion import motion_curves
from streamdet.evaluation.outcomes import Outcomes, collect
from streamdet.evaluation.stability import SHOWN_SCORE, flicker, stability

_IOU_THRESHOLDS = tuple((np.arange(10, 20) / 20).tolist())  # 0.50 to 0.95

FEWEST_CLIPS = 4
"""With fewer there is nothing to draw from, and no interval."""

Figure = Callable[[NDArray[np.float64]], float | None]


@dataclass(frozen=True, slots=True)
class Interval:
    """One figure of two detectors on the same clips.

    Attributes:
        first, second: the figure of each over all clips.
        low, high: the 95 % interval of second - first; None where there are fewer than four clips, or too few draws had
            anything to judge.
        clips: how many clips were drawn from.
    """

    first: float | None
    second: float | None
    low: float | None
    high: float | None
    clips: int


def paired_intervals(
    first: Pairs,
    second: Pairs,
    classes: Sequence[str],
    *,
    only: Collection[str] | None = None,
    score: float = SHOWN_SCORE,
    clip_frames: int = 100,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Compare two detectors on the same videos.

    Args:
        first, second: the same videos in the same order, with one Detections a frame of each detector.
        classes: names of the set's classes; judged are those that both detectors know.
        only: names to judge; all by default.
        score: least score for flicker and stability.
        clip_frames: videos are cut into clips of at most this many frames.
        draws: how many sets of clips are drawn.
        seed: of the draw.

    Returns:
        ap, ap50, ap50_slow, ap50_medium, ap50_fast, flicker and stability.

    Raises:
        ConfigError: if the set and the detectors share no class.
        ValueError: if the two were not run over the same videos.
    """
    if [video.name for video, _ in first] != [video.name for video, _ in second]:
        raise ValueError("a paired comparison needs the same videos in the same order")
    shared = set(judge(first, classes, only).classes) & set(judge(second, classes, only).classes)
    outcomes = [collect(judge(pairs, classes, shared), _IOU_THRESHOLDS, clip_frames) for pairs in (first, second)]
    clips = outcomes[0].clip_count
    figures = [_figures(one, score) for one in outcomes]
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(clips, np.full(clips, 1 / clips), size=draws).astype(np.float64)
    return {name: _interval(figures[0][name], figures[1][name], weights) for name in figures[0]}


def _figures(outcomes: Outcomes, score: float) -> dict[str, Figure]:
    by_threshold = [curves(outcomes, threshold=index) for index in range(len(_IOU_THRESHOLDS))]
    groups = {f"ap50_{name}": [parts] for name, parts in motion_curves(outcomes).items()}
    averaged = {"ap": by_threshold, "ap50": by_threshold[:1], **groups}
    figures: dict[str, Figure] = {name: _mean_over(part_lists) for name, part_lists in averaged.items()}
    figures["flicker"] = flicker(outcomes, score).value
    figures["stability"] = stability(outcomes, score).value
    return figures


def _mean_over(part_lists: Sequence[Sequence[Curve]]) -> Figure:
    def mean(clip_weights: NDArray[np.float64]) -> float | None:
        values = [mean_average_precision(parts, clip_weights) for parts in part_lists]
        defined = [value for value in values if value is not None]
        return float(np.mean(defined)) if defined else None

    return mean


def _interval(first: Figure, second: Figure, weights: NDArray[np.float64]) -> Interval:
    draws, clips = weights.shape
    differences = []
    for draw in weights if clips >= FEWEST_CLIPS else ():
        a, b = first(draw), second(draw)
        if a is not None and b is not None:
            differences.append(b - a)
    low, high = np.percentile(differences, [2.5, 97.5]).tolist() if 2 * len(differences) > draws else (None, None)
    all_clips = np.ones(clips)
    return Interval(first(all_clips), second(all_clips), low, high, clips)
