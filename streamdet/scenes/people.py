"""People as jointed tubes: y forward, origin on the ground between the feet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.scenes.camera import Floats
from streamdet.scenes.mesh import Mesh, loft_faces

_SKINS = np.array([[0.87, 0.69, 0.58], [0.80, 0.60, 0.47], [0.66, 0.46, 0.34], [0.48, 0.32, 0.23], [0.30, 0.20, 0.15]])
_HAIRS = np.array([[0.06, 0.05, 0.05], [0.14, 0.09, 0.06], [0.28, 0.18, 0.10], [0.55, 0.42, 0.24], [0.45, 0.44, 0.43]])
_TOPS = np.array(
    [
        [0.85, 0.85, 0.83],
        [0.08, 0.08, 0.09],
        [0.16, 0.20, 0.32],
        [0.38, 0.39, 0.41],
        [0.62, 0.12, 0.12],
        [0.14, 0.32, 0.52],
        [0.18, 0.36, 0.24],
        [0.78, 0.62, 0.20],
        [0.55, 0.42, 0.30],
        [0.70, 0.42, 0.50],
        [0.42, 0.28, 0.46],
        [0.85, 0.45, 0.16],
    ]
)
_BOTTOMS = np.array(
    [
        [0.12, 0.16, 0.27],
        [0.20, 0.27, 0.40],
        [0.06, 0.06, 0.07],
        [0.30, 0.30, 0.31],
        [0.52, 0.46, 0.36],
        [0.25, 0.20, 0.16],
    ]
)
_SHOES = np.array([[0.06, 0.06, 0.06], [0.80, 0.80, 0.80], [0.25, 0.16, 0.10], [0.45, 0.10, 0.10]])


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


def walking(phase: float, swing: float, arms: tuple[float, float] | None = None) -> Posture:
    """A moment of a step; phase in radians, 2 pi for two steps; swing 0 stands, 0.45 walks, 0.75 runs."""
    s, c = np.sin(phase), np.cos(phase)
    bend = 1.9 * swing
    hips = (swing * s + 0.04, -swing * s + 0.04)
    knees = (0.06 + bend * max(0.0, c) ** 1.4 + 0.1 * swing, 0.06 + bend * max(0.0, -c) ** 1.4 + 0.1 * swing)
    elbow = 0.22 + 0.35 * swing + (0.9 if swing > 0.6 else 0.0)
    shoulders = (-0.8 * swing * s, 0.8 * swing * s)
    elbows = (elbow + 0.25 * swing * max(0.0, -s), elbow + 0.25 * swing * max(0.0, s))
    if arms is not None:
        shoulders, elbows = (shoulders[0], arms[0]), (elbows[0], arms[1])
    return Posture(hips, knees, shoulders, elbows, lean=0.02 + 0.10 * swing)


@dataclass(frozen=True, eq=False)
class _Tube:
    """Radii (R, 2) across and along the view, metres for a person of 1 m; colours (R - 1, S, 3)."""

    radii: Floats
    colours: Floats


class Person:
    """One person's build and clothes, and the mesh of any posture."""

    def __init__(self, rng: np.random.Generator, fine: bool, helmet: bool = False) -> None:
        self.height = float(
            np.clip(rng.normal(1.71, 0.09), 1.45, 1.95) if rng.random() > 0.08 else rng.uniform(1.05, 1.4)
        )
        self._sides = 10 if fine else 6
        self._stout = float(rng.uniform(0.88, 1.18))
        self._skin = np.clip(_SKINS[rng.integers(len(_SKINS))] * rng.uniform(0.9, 1.08), 0, 1)
        self._hair = _HAIRS[rng.integers(len(_HAIRS))] * rng.uniform(0.8, 1.2)
        self._top = np.clip(_TOPS[rng.integers(len(_TOPS))] * rng.uniform(0.8, 1.12), 0.03, 0.92)
        self._bottom = _BOTTOMS[rng.integers(len(_BOTTOMS))] * rng.uniform(0.8, 1.25)
        self._shoe = _SHOES[rng.integers(len(_SHOES))]
        self._bare_arms, self._bare_legs = rng.random() < 0.4, rng.random() < 0.18
        self._skirt = None if helmet else rng.choice(["none", "skirt", "coat"], p=[0.68, 0.14, 0.18])
        self._pack = rng.random() < 0.25
        self._long_hair = rng.random() < 0.4
        self._helmet = (_TOPS[rng.integers(len(_TOPS))] * 0.9) if helmet else None
        self._tubes = self._dress(rng)
        faces, start = [], 0
        for tube in self._tubes:
            rings = len(tube.radii)
            faces.append(loft_faces(rings, self._sides) + start)
            start += rings * self._sides
        self._faces: NDArray[np.int64] = np.concatenate(faces)
        colours = np.concatenate([t.colours.reshape(-1, 3) for t in self._tubes])
        self._colours = np.clip(colours * rng.uniform(0.93, 1.05, (len(colours), 1)), 0, 1)
        self._matte = np.zeros(len(self._faces), np.int64)
        self._flat = np.zeros(len(self._faces))
        angle = np.linspace(0, 2 * np.pi, self._sides, endpoint=False)
        self._cos, self._sin = np.cos(angle), np.sin(angle)
        self._radii = [t.radii * self.height for t in self._tubes]

    @property
    def stride_m(self) -> float:
        """Length of two steps."""
        return 0.84 * self.height

    def mesh(self, posture: Posture) -> Mesh:
        """The body in a posture."""
        paths = self._paths(posture)
        if posture.seat_m is None:
            lowest = min(path[:, 2].min() for path in (paths[0], paths[1], paths[2], paths[3]))
            lift = 0.018 * self.height - lowest
        else:
            lift = posture.seat_m - 0.53 * self.height
        vertices = np.concatenate([self._skin_of(p, r) for p, r in zip(paths, self._radii, strict=True)])
        vertices[:, 2] += lift
        return Mesh(vertices, self._faces, self._colours, self._matte, self._flat)

    def _skin_of(self, path: Floats, radii: Floats) -> Floats:
        """Rings of points around a path in planes square to it: (R * S, 3)."""
        direction = np.empty_like(path)
        direction[1:-1] = path[2:] - path[:-2]
        direction[0], direction[-1] = path[1] - path[0], path[-1] - path[-2]
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        # across = x, along = direction x across; tubes lean little to the side
        along = np.stack([np.zeros(len(path)), direction[:, 2], -direction[:, 1]], -1)
        rings = path[:, None, :] + along[:, None, :] * (radii[:, 1:2] * self._sin)[..., None]
        rings[..., 0] += radii[:, 0:1] * self._cos
        return rings.reshape(-1, 3)

    def _dress(self, rng: np.random.Generator) -> list[_Tube]:
        """Tubes in the order of _paths: legs, shoes, arms, trunk, head, then what is worn over them."""
        fat = self._stout
        n = self._sides

        def plain(radii: list[tuple[float, float]], colours: list[Floats]) -> _Tube:
            return _Tube(np.array(radii), np.repeat(np.stack(colours)[:, None], n, 1))

        thigh, shin = self._bottom, self._skin if self._bare_legs or self._skirt == "skirt" else self._bottom
        leg = plain(
            [(0.052 * fat, 0.056 * fat), (0.048 * fat, 0.052 * fat), (0.036, 0.038), (0.034, 0.038), (0.027, 0.028)],
            [thigh, thigh * 0.97, shin, shin * 0.95],
        )
        shoe = plain(
            [(0.012, 0.012), (0.026, 0.026), (0.029, 0.022), (0.012, 0.010)], [self._shoe, self._shoe * 1.1, self._shoe]
        )
        sleeve = self._top * 0.96
        fore = self._skin if self._bare_arms else sleeve
        arm = plain(
            [
                (0.032, 0.034),
                (0.030 * fat, 0.032 * fat),
                (0.025, 0.026),
                (0.022, 0.023),
                (0.016, 0.018),
                (0.016, 0.024),
                (0.008, 0.012),
            ],
            [sleeve, sleeve, fore, fore, self._skin, self._skin],
        )
        top = self._top
        trunk = plain(
            [
                (0.075 * fat, 0.058 * fat),
                (0.095 * fat, 0.068 * fat),
                (0.088 * fat, 0.066 * fat),
                (0.100, 0.070),
                (0.108, 0.066),
                (0.075, 0.045),
                (0.032, 0.032),
            ],
            [self._bottom, top * 0.95, top, top, top * 1.03, top * 1.02],
        )
        tubes = [leg, leg, shoe, shoe, arm, arm, trunk, self._head(n)]
        if self._skirt in ("skirt", "coat"):
            colour = self._bottom if self._skirt == "skirt" else top * 0.93
            tubes.append(
                plain([(0.13 * fat, 0.115), (0.115 * fat, 0.095), (0.098 * fat, 0.075)], [colour * 0.95, colour])
            )
        if self._pack:
            colour = _TOPS[rng.integers(len(_TOPS))] * 0.8
            tubes.append(plain([(0.02, 0.02), (0.075, 0.045), (0.08, 0.05), (0.07, 0.04), (0.02, 0.02)], [colour] * 4))
        return tubes

    def _head(self, n: int) -> _Tube:
        """Neck, face, hair or helmet."""
        radii = np.array(
            [
                (0.030, 0.030),
                (0.029, 0.030),
                (0.036, 0.044),
                (0.045, 0.055),
                (0.047, 0.058),
                (0.042, 0.052),
                (0.022, 0.028),
                (0.004, 0.004),
            ]
        )
        facing = np.sin(2 * np.pi * (np.arange(n) + 0.5) / n)  # 1 in front, -1 behind
        skin, hair = self._skin, self._hair if self._helmet is None else self._helmet
        colours = np.empty((7, n, 3))
        for ring in range(7):
            hairline = (2.0, 2.0 if not self._long_hair else -0.1, 0.0, 0.15, 0.45, 1.0, 1.0)[ring]
            covered = facing < (hairline if ring >= 5 else (-2.0 if hairline == 2.0 else -0.35 + hairline))
            shade = (0.82, 0.88, 0.97, 1.0, 1.0, 1.0, 1.0)[ring]
            colours[ring] = np.where(covered[:, None], hair, skin * shade)
        if self._helmet is not None:
            radii[3:7] *= 1.22
        return _Tube(radii, colours)

    def _paths(self, posture: Posture) -> list[Floats]:
        """Where the tubes' axes run, hips at 0.53 of the height."""
        h = self.height
        hip_z, lean = 0.53 * h, posture.lean
        up = np.array([0.0, np.sin(lean), np.cos(lean)])
        hip = np.array([0.0, 0.0, hip_z])
        legs, shoes = [], []
        for side, bend, knee in ((-1, posture.hips[0], posture.knees[0]), (1, posture.hips[1], posture.knees[1])):
            leg, shoe = self._leg(hip + [side * 0.048 * h, 0, 0], bend, knee)
            legs.append(leg)
            shoes.append(shoe)
        arms = []
        for side, swing, bend in (
            (-1, posture.shoulders[0], posture.elbows[0]),
            (1, posture.shoulders[1], posture.elbows[1]),
        ):
            arms.append(self._arm(hip + up * 0.285 * h + [side * 0.118 * h, 0, 0], side, swing + lean * 0.5, bend))
        levels = np.array([-0.03, 0.03, 0.11, 0.20, 0.265, 0.30, 0.315]) * h
        trunk = hip + levels[:, None] * up
        neck = hip + up * 0.30 * h
        head = (
            neck
            + np.array(
                [
                    [0, 0, 0],
                    [0, 0.004, 0.035],
                    [0, 0.012, 0.048],
                    [0, 0.010, 0.078],
                    [0, 0.006, 0.108],
                    [0, 0.002, 0.138],
                    [0, -0.004, 0.163],
                    [0, -0.006, 0.17],
                ]
            )
            * h
        )
        paths = [*legs, *shoes, *arms, trunk, head]
        if self._skirt in ("skirt", "coat"):
            middle = (legs[0][2] + legs[1][2]) / 2
            paths.append(np.stack([middle, (middle + hip) / 2, hip + up * 0.09 * h]))
        if self._pack:
            back = hip + up * 0.08 * h + np.array([0, -0.105 * h, 0])
            paths.append(back + np.array([0, 0.02, 0.10, 0.19, 0.21])[:, None] * h * up)
        return paths

    def _leg(self, top: Floats, bend: float, knee: float) -> tuple[Floats, Floats]:
        h = self.height
        thigh = np.array([0, np.sin(bend), -np.cos(bend)]) * 0.245 * h
        low = bend - knee
        shin = np.array([0, np.sin(low), -np.cos(low)]) * 0.245 * h
        middle = top + thigh
        ankle = middle + shin
        path = np.stack([top, top + thigh * 0.5, middle, middle + shin * 0.45, ankle])
        pitch = np.clip(low * 0.75, -0.9, 0.5)
        toe = np.array([0, np.cos(pitch), np.sin(pitch)])
        sole = ankle - np.array([0, 0, 0.012 * h])
        shoe = (
            sole
            + np.array([-0.034, -0.01, 0.06, 0.105])[:, None] * h * toe
            + np.array([[0, 0, -0.002], [0, 0, 0], [0, 0, -0.008], [0, 0, -0.016]]) * h
        )
        return path, shoe

    def _arm(self, top: Floats, side: int, swing: float, bend: float) -> Floats:
        h = self.height
        out = side * 0.10
        upper = np.array([out, np.sin(swing), -np.cos(swing)]) * 0.175 * h
        low = swing + bend
        fore = np.array([out * 0.4 - side * 0.25 * min(bend, 1.0) * 0.5, np.sin(low), -np.cos(low)]) * 0.15 * h
        elbow = top + upper
        wrist = elbow + fore
        hand = fore / np.linalg.norm(fore) * 0.075 * h
        return np.stack([top, top + upper * 0.5, elbow, elbow + fore * 0.5, wrist, wrist + hand * 0.5, wrist + hand])
