"""Solid shapes as faces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.scenes.world.camera import Floats

Integers = NDArray[np.int64]

# What sticks out sideways, such as a mirror: before all details on the far side, after them on the near side.
PROTRUDING = 50.0


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
        foliage_centre: (3,) of a tree: faces of layer 1 are seen from both sides and lit as a ball around it.
    """

    vertices: Floats
    faces: Integers
    colours: Floats
    materials: Integers
    layers: Floats
    split_y: float | None = None
    foliage_centre: Floats | None = None

    @cached_property
    def centres(self) -> Floats:
        """(F, 3) middles of the faces."""
        return np.asarray(self.vertices[self.faces].sum(1) * 0.25)

    @cached_property
    def normals(self) -> Floats:
        """(F, 3) unit, outward."""
        corners = self.vertices[self.faces]
        a, b = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
        normals = np.empty_like(a)
        normals[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
        normals[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
        normals[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        normals /= np.sqrt(np.einsum("ij,ij->i", normals, normals) + 1e-18)[:, None]
        if self.foliage_centre is not None:
            leaves = self.layers == 1
            ball = self.centres[leaves] - self.foliage_centre
            normals[leaves] = ball / np.maximum(np.linalg.norm(ball, axis=1, keepdims=True), 1e-6)
        return normals

    @cached_property
    def grounded_colours(self) -> Floats:
        """(F, 3) colours, darker near the ground, which hides part of the sky."""
        return np.asarray(self.colours * (0.70 + 0.30 * np.clip(self.centres[:, 2:] / 0.7, 0, 1)))

    @cached_property
    def shiny(self) -> bool:
        """Whether any face is not matte."""
        return bool(self.materials.any())

    def drawing_order(self, distance: Floats, rows: Integers, eye: Floats) -> Integers:
        """Rows in the order in which to draw them.

        Args:
            distance: (R,) metres from the camera to each row's face.
            rows: (R,) faces that the camera sees.
            eye: (3,) the camera's place in the object's frame.
        """
        layers = self.layers[rows]
        if self.split_y is None and not self.shiny:
            return rows[np.argsort(layers * 1e4 - distance, kind="stable")]
        out = layers == PROTRUDING
        layers = np.where(out, np.where(self.centres[rows, 0] * eye[0] > 0, PROTRUDING, 1.0), layers)
        keys = layers * 1e4 - distance
        if self.split_y is not None:
            front = (self.centres[rows, 1] > self.split_y) == (eye[1] > self.split_y)
            keys = keys + np.where(front, 1e7, 0.0)
        return rows[np.argsort(keys, kind="stable")]


class MeshBuilder:
    """Collects faces."""

    def __init__(self) -> None:
        self._vertices: list[Floats] = []
        self._count = 0
        self._faces: list[Integers] = []
        self._colours: list[Floats] = []
        self._materials: list[Integers] = []
        self._layers: list[Floats] = []

    def add(
        self, vertices: Any, faces: Any, colour: Any, material: Material = Material.MATTE, layer: float = 0.0
    ) -> None:
        """Add faces; colour is one RGB or one a face."""
        points = np.asarray(vertices, np.float64)
        indices = np.asarray(faces, np.int64)
        n = len(indices)
        self._vertices.append(points)
        self._faces.append(indices + self._count)
        self._count += len(points)
        self._colours.append(np.broadcast_to(np.asarray(colour, np.float64), (n, 3)))
        self._materials.append(np.full(n, int(material), np.int64))
        self._layers.append(np.full(n, float(layer)))

    def quad(self, corners: Any, colour: Any, material: Material = Material.MATTE, layer: float = 3.0) -> None:
        """One flat face, usually a detail on another."""
        self.add(corners, [[0, 1, 2, 3]], colour, material, layer)

    def fan(self, ring: Any, colour: Any, material: Material = Material.MATTE, layer: float = 0.0) -> None:
        """A flat convex face within a ring of S points, (S, 3), anticlockwise as seen from outside."""
        s = len(ring)
        quads = [[0, k, k + 1, min(k + 2, s - 1)] for k in range(1, s - 1, 2)]
        self.add(ring, quads, colour, material, layer)

    def loft(
        self, rings: Floats, colour: Any, material: Material = Material.MATTE, layer: float = 0.0, caps: bool = True
    ) -> None:
        """Skin over R closed rings of S points, (R, S, 3), anticlockwise as seen from the last ring's end."""
        self.add(rings.reshape(-1, 3), loft_faces(rings.shape[0], rings.shape[1]), colour, material, layer)
        if caps:
            each = np.asarray(colour, np.float64)
            self.fan(rings[0][::-1], each if each.ndim == 1 else each[0], material, layer)
            self.fan(rings[-1], each if each.ndim == 1 else each[-1], material, layer)

    def box(
        self, low: Any, high: Any, colour: Any, material: Material = Material.MATTE, layer: float = 0.0, parts: int = 1
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

    def build(self, split_y: float | None = None, foliage_centre: Floats | None = None) -> Mesh:
        """All that was added."""
        return Mesh(
            np.concatenate(self._vertices),
            np.concatenate(self._faces),
            np.concatenate(self._colours),
            np.concatenate(self._materials),
            np.concatenate(self._layers),
            split_y,
            foliage_centre,
        )


def loft_faces(rings: int, sides: int) -> Integers:
    """Faces ((rings - 1) * sides, 4) between neighbouring rings."""
    r, s = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    after = (s + 1) % sides
    corners = [r * sides + s, r * sides + after, (r + 1) * sides + after, (r + 1) * sides + s]
    return np.stack(corners, -1).reshape(-1, 4)
