"""One solid thing in the picture: its faces in drawing order, its box, its share outside the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from streamdet.frames import Image
from streamdet.scenes.camera import NEAR_M, Camera, Floats
from streamdet.scenes.light import Light
from streamdet.scenes.mesh import Mesh, face_normals, shade
from streamdet.scenes.raster import fill_faces, window_of


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
        faces: (F,) their indices in the mesh.
        box: x0 y0 x1 y1 pixels, not clipped to the picture.
    """

    corners: Floats
    colours: Floats
    faces: np.ndarray[tuple[int], np.dtype[np.int64]]
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Lighting:
    """Light where one thing stands; see mesh.shade."""

    light: Light
    sunlit: float
    lamp: float
    lamps_on: tuple[float, float] = (0.0, 0.0)


def draw_mesh(
    mesh: Mesh, place: Place, camera: Camera, lighting: Lighting, foliage_centre: Floats | None = None
) -> Drawn | None:
    """Project and shade a mesh; None where it is behind the camera.

    Faces of foliage (layer 1 of a mesh that has a foliage_centre) are seen from both sides and lit as a ball.
    """
    turn = place.rotation()
    vertices = mesh.vertices @ turn.T
    vertices[:, 0] += place.x
    vertices[:, 1] += place.y
    pixels, depth = camera.project(vertices)
    corners = vertices[mesh.faces]
    centres = corners.mean(1)
    normals = face_normals(corners)
    to_camera = camera.position - centres
    distance = np.sqrt(np.einsum("ij,ij->i", to_camera, to_camera))
    to_camera /= distance[:, None]
    seen = (np.einsum("ij,ij->i", normals, to_camera) > 0) & (depth[mesh.faces].min(1) > NEAR_M)
    if foliage_centre is not None:
        leaves = mesh.layers == 1
        seen |= leaves & (depth[mesh.faces].min(1) > NEAR_M)
        ball = centres[leaves] - foliage_centre
        normals[leaves] = ball / np.maximum(np.linalg.norm(ball, axis=1, keepdims=True), 1e-6)
    camera_y = float((camera.position - (place.x, place.y, 0.0)) @ turn[:, 1])
    order = mesh.drawing_order(distance, seen, camera_y)
    if len(order) == 0:
        return None
    colours = shade(
        normals[order],
        to_camera[order],
        mesh.colours[order],
        mesh.materials[order],
        lighting.light,
        lighting.sunlit,
        lighting.lamp,
        lighting.lamps_on,
    )
    drawn = pixels[mesh.faces[order]]
    low, high = drawn.min((0, 1)), drawn.max((0, 1))
    return Drawn(drawn, colours, order, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def share_inside(drawn: Drawn, size: tuple[int, int]) -> float:
    """Share of a thing's silhouette that lies within the picture."""
    x0, y0, x1, y1 = drawn.box
    if x0 >= 0 and y0 >= 0 and x1 <= size[0] and y1 <= size[1]:
        return 1.0
    scale = 96 / max(x1 - x0, y1 - y0)
    origin = np.array([x0, y0])
    shape = (int((x1 - x0) * scale) + 3, int((y1 - y0) * scale) + 3)
    mask: Image = np.zeros((shape[1], shape[0]), np.uint8)
    for polygon in np.rint((drawn.corners - origin) * scale * 8).astype(np.int32):
        cv2.fillConvexPoly(mask, polygon, 1, cv2.LINE_8, 3)
    total = int(mask.sum())
    left, top = (np.clip(-v * scale, 0, n) for v, n in ((x0, shape[0]), (y0, shape[1])))
    right, bottom = ((s - v) * scale for s, v in ((size[0], x0), (size[1], y0)))
    inside = mask[round(top) : max(round(bottom), 0), round(left) : max(round(right), 0)]
    return float(inside.sum() / total) if total else 0.0


def shadow_mask(
    mesh: Mesh, place: Place, camera: Camera, sun: Floats, size: tuple[int, int]
) -> tuple[Image, int, int] | None:
    """A thing's shadow in the sun: mask (h, w) uint8 and the place of its first pixel; None where none is in view."""
    vertices = mesh.vertices @ place.rotation().T
    fall = vertices[:, :2] - vertices[:, 2:] * (sun[:2] / max(float(sun[2]), 0.15))
    ground = np.concatenate([fall + (place.x, place.y), np.zeros((len(fall), 1))], 1)
    pixels, depth = camera.project(ground)
    if (depth < NEAR_M).any():
        return None
    low, high = pixels.min(0), pixels.max(0)
    window = window_of((low[0], low[1], high[0], high[1]), size, 4)
    if window is None:
        return None
    x, y = window[:2]
    mask: Image = np.zeros((window[3] - y, window[2] - x), np.uint8)
    if len(mesh.faces) > 400 or mesh.split_y is not None or mesh.materials.any():
        hull = cv2.convexHull(((pixels - (x, y)) * 8).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 255, cv2.LINE_AA, 3)
    else:
        for polygon in (((pixels[mesh.faces]) - (x, y)) * 8).astype(np.int32):
            cv2.fillConvexPoly(mask, polygon, 255, cv2.LINE_8, 3)
    return cv2.GaussianBlur(mask, (0, 0), 1.0), x, y


def contact_mask(
    half_width: float, half_length: float, place: Place, camera: Camera, size: tuple[int, int]
) -> tuple[Image, int, int] | None:
    """The dark ground right under a thing, as shadow_mask."""
    t = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.6 * half_width
    y = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.6 * half_length
    ring = np.stack([x, y, np.zeros(20)], -1) @ place.rotation().T + (place.x, place.y, 0)
    pixels, depth = camera.project(ring)
    if (depth < NEAR_M).any():
        return None
    low, high = pixels.min(0), pixels.max(0)
    soft = max(1.0, float(high[1] - low[1]) * 0.12)
    window = window_of((low[0], low[1], high[0], high[1]), size, int(2 * soft) + 1)
    if window is None:
        return None
    x0, y0 = window[:2]
    mask: Image = np.zeros((window[3] - y0, window[2] - x0), np.uint8)
    cv2.fillPoly(mask, [((pixels - (x0, y0)) * 8).astype(np.int32)], 200, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(mask, (0, 0), soft), x0, y0


def sprite_window(drawn: Drawn, size: tuple[int, int], pad: int) -> tuple[int, int, int, int] | None:
    """Pixels that the thing covers, with room for blur."""
    return window_of(drawn.box, size, pad)


def fill(drawn: Drawn, window: tuple[int, int, int, int]) -> Image:
    """Its pixels in the window, (h, w, 4) uint8."""
    return fill_faces(drawn.corners, drawn.colours, window)
