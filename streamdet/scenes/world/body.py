"""Where a person's limbs are in a posture: y forward, z up, lengths as fractions of the height."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, pi, sin

HIP = 0.53

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Posture:
    """Joint angles in radians; forward is positive, knees and elbows bend by positive angles.

    Attributes:
        hips, knees, shoulders, elbows: left and right.
        lean: of the trunk, forward.
        seat_m: height of the hips where something carries them; None where the feet do.
    """

    hips: tuple[float, float]
    knees: tuple[float, float]
    shoulders: tuple[float, float]
    elbows: tuple[float, float]
    lean: float = 0.03
    seat_m: float | None = None


def walking(phase: float, swing: float, right_arm: tuple[float, float] | None = None) -> Posture:
    """A moment of a step.

    Args:
        phase: radians, 2 pi for two steps.
        swing: of the legs, radians: 0 stands, 0.45 walks, 0.7 runs.
        right_arm: shoulder and elbow where that arm does something else.
    """
    s, c = sin(phase), cos(phase)
    bend, rest = 1.9 * swing, 0.06 + 0.1 * swing
    hips = (swing * s + 0.04, -swing * s + 0.04)
    knees = (rest + bend * max(0.0, c) ** 1.4, rest + bend * max(0.0, -c) ** 1.4)
    elbow = 0.22 + 0.35 * swing + (0.9 if swing > 0.6 else 0.0)
    shoulders = (-0.8 * swing * s, 0.8 * swing * s)
    elbows = (elbow + 0.25 * swing * max(0.0, -s), elbow + 0.25 * swing * max(0.0, s))
    if right_arm is not None:
        shoulders, elbows = (shoulders[0], right_arm[0]), (elbows[0], right_arm[1])
    return Posture(hips, knees, shoulders, elbows, lean=0.02 + 0.10 * swing)


def limb_paths(posture: Posture) -> list[list[Point]]:
    """Axes of legs (5 points each), shoes (4), arms (8), trunk (7), head (8), skirt (3) and pack (5)."""
    up_y, up_z = sin(posture.lean), cos(posture.lean)

    def above(share: float, forward: float = 0.0) -> Point:
        return (0.0, share * up_y + forward, HIP + share * up_z)

    legs, shoes, arms = [], [], []
    for side, hip, knee in ((-1, posture.hips[0], posture.knees[0]), (1, posture.hips[1], posture.knees[1])):
        leg, shoe = _leg(0.046 * side, hip, knee)
        legs.append(leg)
        shoes.append(shoe)
    _, shoulder_y, shoulder_z = above(0.27)
    for side, swing, bend in (
        (-1, posture.shoulders[0], posture.elbows[0]),
        (1, posture.shoulders[1], posture.elbows[1]),
    ):
        arms.append(_arm(side, shoulder_y, shoulder_z, swing + posture.lean * 0.5, bend))
    trunk = [above(level) for level in (-0.03, 0.03, 0.11, 0.20, 0.262, 0.292, 0.312)]
    neck = 0.298
    head = [
        above(neck + rise, forward)
        for rise, forward in (
            (0.0, 0.0),
            (0.035, 0.004),
            (0.048, 0.012),
            (0.078, 0.010),
            (0.108, 0.006),
            (0.138, 0.002),
            (0.160, -0.004),
            (0.168, -0.006),
        )
    ]
    knees_y = (legs[0][2][1] + legs[1][2][1]) / 2
    knees_z = (legs[0][2][2] + legs[1][2][2]) / 2
    skirt = [(0.0, knees_y, knees_z), (0.0, knees_y / 2, (knees_z + HIP) / 2), above(0.09)]
    pack = [above(0.08 + rise, -0.105) for rise in (0.0, 0.02, 0.10, 0.19, 0.21)]
    return [*legs, *shoes, *arms, trunk, head, skirt, pack]


def _leg(x: float, hip: float, knee: float) -> tuple[list[Point], list[Point]]:
    thigh_y, thigh_z = 0.245 * sin(hip), -0.245 * cos(hip)
    low = hip - knee
    shin_y, shin_z = 0.245 * sin(low), -0.245 * cos(low)
    mid_y, mid_z = thigh_y, HIP + thigh_z
    end_y, end_z = mid_y + shin_y, mid_z + shin_z
    leg = [
        (x, 0.0, HIP),
        (x, thigh_y * 0.5, HIP + thigh_z * 0.5),
        (x, mid_y, mid_z),
        (x, mid_y + shin_y * 0.45, mid_z + shin_z * 0.45),
        (x, end_y, end_z),
    ]
    pitch = min(max(low * 0.75, -0.9), 0.5)
    toe_y, toe_z = cos(pitch), sin(pitch)
    sole = end_z - 0.012
    shoe = [
        (x, end_y + along * toe_y, sole + along * toe_z + drop)
        for along, drop in ((-0.034, -0.002), (-0.01, 0.0), (0.06, -0.008), (0.105, -0.016))
    ]
    return leg, shoe


def _arm(side: int, y: float, z: float, swing: float, bend: float) -> list[Point]:
    out = 0.10 * side
    upper_x, upper_y, upper_z = out * 0.165, 0.165 * sin(swing), -0.165 * cos(swing)
    low = swing + bend
    inward = out * 0.4 - side * 0.125 * min(bend, 1.0)
    fore_x, fore_y, fore_z = inward * 0.15, 0.15 * sin(low), -0.15 * cos(low)
    x = 0.106 * side
    elbow_x, elbow_y, elbow_z = x + upper_x, y + upper_y, z + upper_z
    reach = 0.075 / (0.15 * hypot(inward, 1.0))
    wrist = (elbow_x + fore_x, elbow_y + fore_y, elbow_z + fore_z)
    return [
        (x - 0.006 * side, y, z + 0.024),
        (x, y + upper_y * 0.03, z + 0.004),
        (x + upper_x * 0.5, y + upper_y * 0.5, z + upper_z * 0.5),
        (elbow_x, elbow_y, elbow_z),
        (elbow_x + fore_x * 0.5, elbow_y + fore_y * 0.5, elbow_z + fore_z * 0.5),
        wrist,
        (wrist[0] + fore_x * reach * 0.5, wrist[1] + fore_y * reach * 0.5, wrist[2] + fore_z * reach * 0.5),
        (wrist[0] + fore_x * reach, wrist[1] + fore_y * reach, wrist[2] + fore_z * reach),
    ]


def turn_towards(heading: float, target: float, most: float) -> float:
    """Heading after a turn of at most this many radians, the shorter way."""
    turn = (target - heading + pi) % (2 * pi) - pi
    return heading + min(max(turn, -most), most)
