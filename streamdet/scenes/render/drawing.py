"""One solid thing in the picture: its faces in drawing order, its box, its share outside the picture, its shadow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from streamdet.frames import Image
from streamdet.scenes.render.raster import Box, Window, window_of
from streamdet.scenes.render.shading import Lighting, shade
from streamdet.scenes.world.camera import NEAR_M, Camera, Floats
from streamdet.scenes.world.mesh import Mesh

# A mesh with fewer is small in the picture, where the hull of its shadow will do.
_FEW_FACES = 130

_RIM = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CONTACT = np.stack(
    [
        np.sign(np.cos(_RIM)) * np.abs(np.cos(_RIM)) ** 0.6,
        np.sign(np.sin(_RIM)) * np.abs(np.sin(_RIM)) ** 0.6,
        np.zeros(20),
    ],
    -1,
)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a mesh stands: on the ground at x, y, turned by heading radians clockwise from y."""

    x: float
    y: float
    heading: float

    def rotation(self) -> Floats:
        """(3, 3): object to world."""
        c, s = np.cos(self.heading), np.sin(self.heading)
        return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Drawn:
    """A thing as the camera sees it, before anything hides it.

    Attributes:
        corners: (F, 4, 2) pixels, what is drawn first in front.
        colours: (F, 3) 0 to 1.
        distance: (F,) metres to the camera, less for details that lie on others.
        box: x0 y0 x1 y1 pixels, not clipped to the picture.
    """

    corners: Floats
    colours: Floats
    distance: Floats
    box: Box


def project(mesh: Mesh, place: Place, camera: Camera) -> tuple[Floats, Floats]:
    """Pixels (V, 2) and depths (V,) of a mesh's vertices."""
    turn = camera.axes @ place.rotation()
    offset = camera.axes @ (np.array([place.x, place.y, 0.0]) - camera.position)
    local = mesh.vertices @ turn.T + offset
    depth = local[:, 2]
    return local[:, :2] * (camera.focal / np.maximum(depth, NEAR_M))[:, None] + camera.centre, depth


def draw_mesh(mesh: Mesh, place: Place, camera: Camera, lighting: Lighting) -> Drawn | None:
    """Project and shade a mesh; None where it is behind the camera."""
    turn = place.rotation()
    eye = (camera.position - (place.x, place.y, 0.0)) @ turn
    to_camera = eye - mesh.centres
    facing = np.einsum("ij,ij->i", mesh.normals, to_camera)
    seen = facing > 0
    if mesh.foliage_centre is not None:
        seen |= mesh.layers == 1
    pixels, depth = project(mesh, place, camera)
    if depth.min() < NEAR_M:
        seen &= depth[mesh.faces].min(1) > NEAR_M
    rows = np.flatnonzero(seen)
    if len(rows) == 0:
        return None
    distance = np.sqrt(np.einsum("ij,ij->i", to_camera, to_camera))
    order = mesh.drawing_order(distance[rows], rows, eye)
    colours = shade(
        mesh.normals[order],
        to_camera[order] / distance[order, None],
        mesh.grounded_colours[order],
        mesh.materials[order] if mesh.shiny else None,
        lighting.light.sun_direction @ turn,
        lighting,
    )
    corners = pixels[mesh.faces[order]]
    flat = corners.reshape(-1, 2)
    (x0, y0), (x1, y1) = flat.min(0).tolist(), flat.max(0).tolist()
    return Drawn(corners, colours, distance[order] - 0.02 * mesh.layers[order], (x0, y0, x1, y1))


def share_inside(drawn: Drawn, size: tuple[int, int]) -> float:
    """Fraction of a thing's silhouette that lies within the picture."""
    x0, y0, x1, y1 = drawn.box
    if x0 >= 0 and y0 >= 0 and x1 <= size[0] and y1 <= size[1]:
        return 1.0
    scale = 96 / max(x1 - x0, y1 - y0)
    shape = (int((y1 - y0) * scale) + 3, int((x1 - x0) * scale) + 3)
    mask: Image = np.zeros(shape, np.uint8)
    for polygon in np.rint((drawn.corners - (x0, y0)) * scale * 8).astype(np.int32):
        cv2.fillConvexPoly(mask, polygon, (1,), cv2.LINE_8, 3)
    left, top = round(max(-x0 * scale, 0)), round(max(-y0 * scale, 0))
    right, bottom = round(max((size[0] - x0) * scale, 0)), round(max((size[1] - y0) * scale, 0))
    total = int(mask.sum())
    return float(mask[top:bottom, left:right].sum() / total) if total else 0.0


def sun_shadow(
    mesh: Mesh, place: Place, camera: Camera, sun: Floats, window_limit: Window
) -> tuple[Image, int, int] | None:
    """A thing's shadow in the sun: mask (h, w) uint8 and the place of its first pixel; None where none is in view."""
    vertices = mesh.vertices @ place.rotation().T
    ground = np.zeros_like(vertices)
    ground[:, :2] = vertices[:, :2] - vertices[:, 2:] * (sun[:2] / max(float(sun[2]), 0.15)) + (place.x, place.y)
    pixels, depth = camera.project(ground)
    if depth.min() < NEAR_M:
        return None
    (x0, y0), (x1, y1) = pixels.min(0).tolist(), pixels.max(0).tolist()
    window = window_of((x0, y0, x1, y1), window_limit, 3)
    if window is None:
        return None
    x, y = window[:2]
    mask: Image = np.zeros((window[3] - y, window[2] - x), np.uint8)
    points = np.rint((pixels - (x, y)) * 8 - 4).astype(np.int32)
    if mesh.shiny or len(mesh.faces) < _FEW_FACES:
        cv2.fillConvexPoly(mask, cv2.convexHull(points), (255,), cv2.LINE_AA, 3)
    else:
        for polygon in points[mesh.faces]:
            cv2.fillConvexPoly(mask, polygon, (255,), cv2.LINE_8, 3)
    if max(mask.shape) > 60:
        mask = np.asarray(cv2.GaussianBlur(mask, (5, 5), 1.0), np.uint8)
    return mask, x, y


def contact_shadow(
    half: tuple[float, float], place: Place, camera: Camera, window_limit: Window
) -> tuple[Image, int, int] | None:
    """The dark ground right under a thing of half the width and length, as sun_shadow."""
    ring = (_CONTACT * (half[0], half[1], 0)) @ place.rotation().T + (place.x, place.y, 0)
    pixels, depth = camera.project(ring)
    if depth.min() < NEAR_M:
        return None
    (x0, y0), (x1, y1) = pixels.min(0).tolist(), pixels.max(0).tolist()
    soft = max(1.0, (y1 - y0) * 0.12)
    window = window_of((x0, y0, x1, y1), window_limit, int(2 * soft) + 1)
    if window is None:
        return None
    x, y = window[:2]
    width, height = window[2] - x, window[3] - y
    # a wide blur is cheap where the mask is small
    scale = min(1.0, 2.0 / soft)
    small: Image = np.zeros((max(1, int(height * scale)), max(1, int(width * scale))), np.uint8)
    shrink = np.array([small.shape[1] / width, small.shape[0] / height])
    cv2.fillConvexPoly(small, np.rint(((pixels - (x, y)) * shrink - 0.5) * 8).astype(np.int32), (200,), cv2.LINE_AA, 3)
    mask = cv2.GaussianBlur(small, (0, 0), soft * scale) if soft > 1 else small
    if scale < 1:
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(mask, np.uint8), x, y
