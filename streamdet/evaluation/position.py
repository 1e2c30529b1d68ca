"""AP50 by position in a stream: a memory that drifts loses towards the end."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streamdet.evaluation.curve import curves, mean_average_precision
from streamdet.evaluation.outcomes import Outcomes


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames start to stop (exclusive) of every video: their AP50 (None without objects) and objects."""

    start: int
    stop: int
    ap50: float | None
    objects: int


def ap50_by_position(outcomes: Outcomes, stretches: int = 10) -> list[Stretch]:
    """Cut the longest stream into equal stretches and judge each on its own.

    Args:
        outcomes: the matched set; its first IoU threshold is 0.5.
        stretches: how many.
    """
    objects, found = outcomes.objects, outcomes.found
    length = 1 + max(objects.frames.max(initial=-1), found.frames.max(initial=-1))
    edges = np.linspace(0, length, stretches + 1).round().astype(int).tolist()
    result = []
    for start, stop in pairwise(edges):
        here = (objects.frames >= start) & (objects.frames < stop)
        found_here = (found.frames >= start) & (found.frames < stop)
        parts = curves(outcomes, objects=here, found=found_here)
        ap50 = mean_average_precision(parts, np.ones(outcomes.clip_count))
        result.append(Stretch(start, stop, ap50, int((here & ~objects.ignored).sum())))
    return result
