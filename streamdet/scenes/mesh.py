"""Solid shapes as faces, and how light falls on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.scenes.camera import Floats
from streamdet.scenes.light import Light


class Material(IntEnum):
    """How a face answers light."""

    MATTE = 0
    PAINT = 1
    GLASS = 2
    HEADLAMP = 3
    TAILLAMP = 4


@dataclass(frozen=True, eq=False)
class Mesh:
    """F faces of four corners; a triangle repeats its last corner.

    Attributes:
        vertices: (V, 3) metres; x right, y forward, z up of the object, origin on the ground.
        faces: (F, 4) indices, anticlockwise as seen from outside.
        colours: (F, 3) RGB albedo, 0 to 1.
        materials: (F,) Material.
        layers: (F,) drawing order within a part: details lie on what has a lower layer.
        split_y: where a mesh of two parts is parted, metres along y; None for one part.
    """

    vertices: Floats
    faces: NDArray[np.int64]
    colours: Floats
    materials: NDArray[np.int64]
    layers: Floats
    split_y: float | None = None

    def drawing_order(self, distance: Floats, seen: NDArray[np.bool_], camera_y: float) -> NDArray[np.int64]:
        """Indices of the seen faces, what is drawn first in front.

        Args:
            distance: (F,) metres to the camera.
            seen: (F,) bool.
            camera_y: the camera's y in the object's frame.
        """
        rows = np.flatnonzero(seen)
        keys = [-distance[rows], self.layers[rows]]
        if self.split_y is not None:
            front = self.vertices[self.faces[rows]].mean(1)[:, 1] > self.split_y
            keys.append(np.where(front, 1.0, 0.0) * (1 if camera_y > self.split_y else -1))
        return rows[np.lexsort(keys)]


class MeshBuilder:
    """Collects faces."""

    def __init__(self) -> None:
        self._vertices: list[Floats] = []
        self._count = 0
        self._faces: list[NDArray[np.int64]] = []
        self._colours: list[Floats] = []
        self._materials: list[NDArray[np.int64]] = []
        self._layers: list[Floats] = []

    def add(
        self,
        vertices: Any,
        faces: Any,
        colour: Any,
        material: Material = Material.MATTE,
        layer: int = 0,
    ) -> None:
        """Add faces; colour is one RGB or one a face."""
        vertices = np.asarray(vertices, np.float64)
        faces = np.asarray(faces, np.int64)
        n = len(faces)
        self._vertices.append(vertices)
        self._faces.append(faces + self._count)
        self._count += len(vertices)
        self._colours.append(np.broadcast_to(np.asarray(colour, np.float64), (n, 3)))
        self._materials.append(np.full(n, int(material), np.int64))
        self._layers.append(np.full(n, float(layer)))

    def quad(self, corners: Any, colour: Any, material: Material = Material.MATTE, layer: int = 3) -> None:
        """One flat face, usually a detail on another."""
        self.add(corners, [[0, 1, 2, 3]], colour, material, layer)

    def loft(
        self, rings: Floats, colour: Any, material: Material = Material.MATTE, layer: int = 0, caps: bool = True
    ) -> None:
        """Skin over R closed rings of S points, (R, S, 3); points run anticlockwise seen from the last ring's side."""
        self.add(rings.reshape(-1, 3), loft_faces(rings.shape[0], rings.shape[1]), colour, material, layer)
        if caps:
            one = np.asarray(colour, np.float64)
            flat = one if one.ndim == 1 else one[0]
            for ring, turn in ((rings[0], True), (rings[-1], False)):
                points = np.concatenate([ring[::-1] if turn else ring, ring.mean(0, keepdims=True)])
                s = len(ring)
                fan = [[i, (i + 1) % s, s, s] for i in range(s)]
                self.add(points, fan, flat if turn else (one if one.ndim == 1 else one[-1]), material, layer)

    def box(
        self, low: Any, high: Any, colour: Any, material: Material = Material.MATTE, layer: int = 0, parts: int = 1
    ) -> None:
        """A box between two corners, cut into parts along y."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        for k in range(parts):
            a, b = y0 + (y1 - y0) * k / parts, y0 + (y1 - y0) * (k + 1) / parts
            corners = [[x, y, z] for z in (z0, z1) for y in (a, b) for x in (x0, x1)]
            faces = [[4, 5, 7, 6], [0, 2, 3, 1], [1, 3, 7, 5], [0, 4, 6, 2]]
            if k == 0:
                faces.append([0, 1, 5, 4])
            if k == parts - 1:
                faces.append([2, 6, 7, 3])
            self.add(corners, faces, colour, material, layer)

    def build(self, split_y: float | None = None) -> Mesh:
        """All that was added."""
        return Mesh(
            np.concatenate(self._vertices),
            np.concatenate(self._faces),
            np.concatenate(self._colours),
            np.concatenate(self._materials),
            np.concatenate(self._layers),
            split_y,
        )


def loft_faces(rings: int, sides: int) -> NDArray[np.int64]:
    """Faces ((rings - 1) * sides, 4) between neighbouring rings."""
    r, s = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    after = (s + 1) % sides
    return np.stack([r * sides + s, r * sides + after, (r + 1) * sides + after, (r + 1) * sides + s], -1).reshape(-1, 4)


def face_normals(corners: Floats) -> Floats:
    """(F, 3) unit normals of (F, 4, 3) faces, outward."""
    a, b = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    x = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    y = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    z = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    normals = np.stack([x, y, z], -1)
    length = np.sqrt(x * x + y * y + z * z)
    return normals / np.maximum(length, 1e-9)[:, None]


def shade(
    normals: Floats,
    to_camera: Floats,
    colours: Floats,
    materials: NDArray[np.int64],
    light: Light,
    sunlit: float,
    lamp: float,
    lamps_on: tuple[float, float],
) -> Floats:
    """Colours (F, 3) 0 to 1 of faces as seen.

    Args:
        normals: (F, 3) unit, world.
        to_camera: (F, 3) unit, world.
        colours: (F, 3) albedo.
        materials: (F,) Material.
        light: what falls on the scene.
        sunlit: 0 in a building's shadow, 1 in the sun.
        lamp: street lamp light at the place, 0 to 1.
        lamps_on: brightness of head lamps and tail lamps, 0 to 1.
    """
    up = 0.5 + 0.5 * normals[:, 2:3]
    diffuse = np.maximum(normals @ light.sun_direction, 0.0)[:, None] * (sunlit * light.sun)
    ambient = light.sky * (0.35 + 0.65 * up) + light.bounce * (1 - up)
    ambient = ambient + (0.35 + 0.65 * up) * (lamp * light.lamp)
    seen = colours * (ambient + diffuse)
    if materials.any():
        cosine = np.sum(normals * to_camera, -1, keepdims=True)
        mirror_z = 2 * cosine * normals[:, 2:3] - to_camera[:, 2:3]
        mirror = np.where(
            mirror_z > 0,
            light.horizon + (light.zenith - light.horizon) * np.sqrt(np.clip(mirror_z, 0, 1)),
            light.bounce * 0.55,
        )
        # buildings stand where the mirrored ray is nearly level
        mirror = mirror * np.clip(0.35 + 2.2 * np.abs(mirror_z - 0.08), 0, 1)
        fresnel = (1 - np.clip(cosine, 0, 1)) ** 5
        half = to_camera + light.sun_direction
        half = half / np.linalg.norm(half, axis=-1, keepdims=True)
        glint = np.clip(np.sum(normals * half, -1, keepdims=True), 0, 1) ** 60 * (sunlit * light.sun)
        strength = _REFLECTANCE[materials][:, None]
        seen = (
            seen + mirror * (strength + (1 - strength) * fresnel * np.minimum(1, strength * 8)) + glint * strength * 4
        )
        head, tail = lamps_on
        seen = np.where(
            (materials == Material.HEADLAMP)[:, None], np.maximum(seen, head * np.array([1.25, 1.2, 1.05])), seen
        )
        seen = np.where(
            (materials == Material.TAILLAMP)[:, None], np.maximum(seen, tail * np.array([1.1, 0.12, 0.08])), seen
        )
    return np.clip(seen, 0, 1)


_REFLECTANCE = np.array([0.0, 0.10, 0.22, 0.25, 0.12])
