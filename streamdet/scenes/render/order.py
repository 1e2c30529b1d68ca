"""Which of two things on the ground stands in front."""

from __future__ import annotations

import numpy as np

from streamdet.scenes.world.camera import Floats


def back_to_front(footprints: Floats, eye: Floats) -> list[int]:
    """Drawing order of things that stand on the ground.

    Two footprints that a line along or across the street parts: the one on the camera's side of the line cannot be
    hidden by the other. Centre distance alone would put a person beside a long bus on the wrong side.

    Args:
        footprints: (N, 4) x0 y0 x1 y1, metres.
        eye: (3,) the camera's place.

    Returns:
        Indices, what is hidden first.
    """
    n = len(footprints)
    ahead = np.zeros((n, n), bool)  # ahead[i, j]: i may hide j, so j is drawn before i
    for low, high, eye_at in ((0, 2, eye[0]), (1, 3, eye[1])):
        low_edge, high_edge = footprints[:, low], footprints[:, high]
        below = high_edge[:, None] <= low_edge[None, :]  # i lies wholly before j on this axis
        line = (high_edge[:, None] + low_edge[None, :]) / 2
        first_side = eye_at < line
        ahead |= below & first_side
        ahead |= (below & ~first_side).T
    ahead &= ~ahead.T
    centre = (footprints[:, :2] + footprints[:, 2:]) / 2
    distance = np.hypot(centre[:, 0] - eye[0], centre[:, 1] - eye[1])
    waits_for = ahead.sum(1)
    order: list[int] = []
    left = set(range(n))
    while left:
        ready = [i for i in left if waits_for[i] == 0]
        pick = max(ready or left, key=lambda i: (distance[i], i))
        order.append(pick)
        left.remove(pick)
        waits_for = waits_for - ahead[:, pick]
    return order
