"""People as tubes around their limbs, clothed: y forward, origin on the ground between the feet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.world.body import HIP, Posture, limb_paths
from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.mesh import Integers, Mesh, loft_faces

_SKINS = np.array([[0.87, 0.69, 0.58], [0.80, 0.60, 0.47], [0.66, 0.46, 0.34], [0.48, 0.32, 0.23], [0.30, 0.20, 0.15]])
_HAIRS = np.array([[0.06, 0.05, 0.05], [0.14, 0.09, 0.06], [0.28, 0.18, 0.10], [0.55, 0.42, 0.24], [0.45, 0.44, 0.43]])
_TOPS = np.array(
    [
        [0.85, 0.85, 0.83],
        [0.08, 0.08, 0.09],
        [0.16, 0.20, 0.32],
        [0.38, 0.39, 0.41],
        [0.55, 0.13, 0.12],
        [0.16, 0.32, 0.50],
        [0.20, 0.34, 0.25],
        [0.70, 0.57, 0.24],
        [0.55, 0.42, 0.30],
        [0.66, 0.44, 0.50],
        [0.40, 0.29, 0.44],
        [0.74, 0.42, 0.20],
        [0.22, 0.23, 0.26],
        [0.62, 0.62, 0.60],
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
_SHOES = np.array([[0.06, 0.06, 0.06], [0.70, 0.70, 0.70], [0.25, 0.16, 0.10], [0.16, 0.16, 0.20]])

# Radii across and along the view at each point of limb_paths, as fractions of the height.
_LEG = np.array([[0.052, 0.056], [0.048, 0.052], [0.036, 0.038], [0.034, 0.038], [0.027, 0.028]])
_SHOE = np.array([[0.012, 0.012], [0.026, 0.026], [0.029, 0.022], [0.012, 0.010]])
_ARM = np.array(
    [
        [0.012, 0.014],
        [0.034, 0.036],
        [0.030, 0.032],
        [0.025, 0.026],
        [0.022, 0.023],
        [0.016, 0.018],
        [0.016, 0.024],
        [0.008, 0.012],
    ]
)
_TRUNK = np.array(
    [
        [0.075, 0.058],
        [0.095, 0.068],
        [0.088, 0.066],
        [0.098, 0.070],
        [0.100, 0.062],
        [0.072, 0.044],
        [0.032, 0.032],
    ]
)
_HEAD = np.array(
    [
        [0.030, 0.030],
        [0.029, 0.030],
        [0.036, 0.044],
        [0.044, 0.054],
        [0.046, 0.057],
        [0.042, 0.052],
        [0.024, 0.031],
        [0.004, 0.004],
    ]
)
_SKIRT = np.array([[0.125, 0.112], [0.113, 0.095], [0.097, 0.074]])
_PACK = np.array([[0.02, 0.02], [0.075, 0.045], [0.08, 0.05], [0.07, 0.04], [0.02, 0.02]])

# Points of each tube that are kept when someone is small in the picture.
_FAR = {5: [0, 2, 4], 4: [0, 3], 8: [1, 3, 5, 7], 7: [0, 2, 4, 6], 3: [0, 2]}
_FAR_HEAD = [1, 3, 5, 7]
_SIDES = (5, 7, 12)


@dataclass(frozen=True, eq=False)
class _Tube:
    """Which limb_paths entry it follows; radii (R, 2), colours (R - 1, S, 3), the points it keeps."""

    path: int
    radii: Floats
    colours: Floats
    keep: list[int]


class Person:
    """One person's build and clothes, and the mesh of any posture."""

    def __init__(self, rng: np.random.Generator, detail: int, helmet: bool = False) -> None:
        """Draw someone; the same rng gives the same person at any detail, 0 far to 2 near."""
        grown = rng.random() > 0.08
        self.height = float(np.clip(rng.normal(1.71, 0.09), 1.45, 1.95)) if grown else float(rng.uniform(1.05, 1.4))
        self._detail, self._sides = detail, _SIDES[detail]
        tubes = self._dress(rng, helmet)
        self._rows: list[tuple[int, list[int]]] = [(tube.path, tube.keep) for tube in tubes]
        self._radii = np.concatenate([tube.radii for tube in tubes]) * self.height
        angle = np.linspace(0, 2 * np.pi, self._sides, endpoint=False)
        self._cos, self._sin = np.cos(angle), np.sin(angle)
        self._faces, self._before, self._after = _connect([len(tube.keep) for tube in tubes], self._sides)
        colours = np.concatenate([tube.colours.reshape(-1, 3) for tube in tubes])
        creases = np.random.default_rng(int(rng.integers(1 << 31))).uniform(0.965, 1.03, (len(colours), 1))
        self._colours = np.clip(colours * creases, 0, 1)
        self._zeros, self._flat = np.zeros(len(self._faces), np.int64), np.zeros(len(self._faces))

    @property
    def stride_m(self) -> float:
        """Length of two steps."""
        return 0.84 * self.height

    def mesh(self, posture: Posture) -> Mesh:
        """The body in a posture."""
        paths = limb_paths(posture)
        points = np.array([paths[which][k] for which, keep in self._rows for k in keep]) * self.height
        if posture.seat_m is None:
            lowest = min(point[2] for path in paths[:4] for point in path)
            points[:, 2] += (0.018 - lowest) * self.height
        else:
            points[:, 2] += posture.seat_m - HIP * self.height
        direction = points[self._after] - points[self._before]
        direction /= np.sqrt(np.einsum("ij,ij->i", direction, direction))[:, None]
        # rings span x and direction x x, for no tube leans far to the side
        around = self._radii[:, 1:2] * self._sin
        rings = np.empty((len(points), self._sides, 3))
        rings[..., 0] = points[:, 0:1] + self._radii[:, 0:1] * self._cos
        rings[..., 1] = points[:, 1:2] + direction[:, 2:3] * around
        rings[..., 2] = points[:, 2:3] - direction[:, 1:2] * around
        return Mesh(rings.reshape(-1, 3), self._faces, self._colours, self._zeros, self._flat)

    def _dress(self, rng: np.random.Generator, helmet: bool) -> list[_Tube]:
        """Tubes from shoes to hair."""
        fat = float(rng.uniform(0.88, 1.18))
        skin = np.clip(_SKINS[rng.integers(len(_SKINS))] * rng.uniform(0.9, 1.08), 0, 1)
        hair = _HAIRS[rng.integers(len(_HAIRS))] * rng.uniform(0.8, 1.2)
        top = np.clip(_TOPS[rng.integers(len(_TOPS))] * rng.uniform(0.8, 1.12), 0.03, 0.92)
        bottom = _BOTTOMS[rng.integers(len(_BOTTOMS))] * rng.uniform(0.8, 1.25)
        shoe = _SHOES[rng.integers(len(_SHOES))]
        over = str(rng.choice(["none", "skirt", "coat"], p=[0.68, 0.14, 0.18]))
        bare_arms, bare_legs, long_hair, pack = rng.random(4) < (0.4, 0.18, 0.4, 0.25)
        extra = _TOPS[rng.integers(len(_TOPS))] * 0.85
        over, pack = ("none", False) if helmet else (over, bool(pack))
        shin = skin if bare_legs or over == "skirt" else bottom
        sleeve = top * 0.96
        fore = skin if bare_arms else sleeve
        stout = np.array([fat, fat])
        leg, arm = [bottom, bottom * 0.97, shin, shin * 0.95], [sleeve, sleeve, sleeve, fore, fore, skin, skin]
        tubes = [self._tube(side, _LEG * stout, leg) for side in (0, 1)]
        tubes += [self._tube(side, _SHOE, [shoe, shoe * 1.1, shoe]) for side in (2, 3)]
        tubes += [self._tube(side, _ARM, arm) for side in (4, 5)]
        tubes.append(self._tube(6, _TRUNK * stout, [bottom, top * 0.95, top, top, top * 1.03, top * 1.02]))
        tubes.append(self._head(skin, extra if helmet else hair, bool(long_hair), helmet))
        if over != "none":
            cloth = bottom if over == "skirt" else top * 0.93
            tubes.append(self._tube(8, _SKIRT * stout, [cloth * 0.95, cloth]))
        if pack:
            tubes.append(self._tube(9, _PACK, [extra] * 4))
        return tubes

    def _tube(self, path: int, radii: Floats, colours: list[Floats], far: list[int] | None = None) -> _Tube:
        keep = list(range(len(radii)))
        if self._detail == 0:
            keep = far or _FAR.get(len(radii), keep)
        shades = np.repeat(np.stack(colours)[:, None], self._sides, 1)
        return _Tube(path, radii[keep], shades[keep[:-1]], keep)

    def _head(self, skin: Floats, hair: Floats, long_hair: bool, helmet: bool) -> _Tube:
        """Neck, face, hair or helmet."""
        n = self._sides
        facing = np.sin(2 * np.pi * (np.arange(n) + 0.5) / n)  # 1 in front, -1 behind
        # hair covers what faces less than this, from the neck up
        limits = (-2.0, -0.1 if long_hair else -2.0, -0.3, -0.2, 0.1, 1.0, 1.0)
        tones = (0.82, 0.88, 0.97, 1.0, 1.0, 1.0, 1.0)
        colours = np.empty((7, n, 3))
        for ring, (limit, tone) in enumerate(zip(limits, tones, strict=True)):
            colours[ring] = np.where((facing < limit)[:, None], hair, skin * tone)
        radii = _HEAD.copy()
        if helmet:
            radii[3:7] *= 1.22
        tube = self._tube(7, radii, list(colours[:, 0]), _FAR_HEAD)
        return _Tube(7, tube.radii, colours[tube.keep[:-1]], tube.keep)


def _connect(lengths: list[int], sides: int) -> tuple[Integers, Integers, Integers]:
    """Faces of tubes of so many rings, and the points before and after each point of an axis."""
    faces, before, after, start = [], [], [], 0
    for rings in lengths:
        faces.append(loft_faces(rings, sides) + start * sides)
        index = np.arange(start, start + rings)
        before.append(np.maximum(index - 1, start))
        after.append(np.minimum(index + 1, start + rings - 1))
        start += rings
    return np.concatenate(faces), np.concatenate(before), np.concatenate(after)
