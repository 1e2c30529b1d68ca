"""Puts backdrop, things and people together into one picture, back to front."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.backdrop import Backdrop
from streamdet.scenes.camera import Camera, Floats
from streamdet.scenes.drawing import (
    Drawn,
    Lighting,
    Place,
    contact_mask,
    draw_mesh,
    fill,
    shadow_mask,
    share_inside,
    sprite_window,
)
from streamdet.scenes.light import Light
from streamdet.scenes.mesh import Mesh
from streamdet.scenes.motorcycles import RIDING
from streamdet.scenes.order import back_to_front
from streamdet.scenes.props import Prop
from streamdet.scenes.raster import Sprite, add_glow, blur_along, composite, darken
from streamdet.scenes.street import Street
from streamdet.scenes.traffic import Driver, Traffic
from streamdet.scenes.walkers import Walker, Walkers

_FINE_PX = 55.0


@dataclass(frozen=True)
class Seen:
    """One labelled object in the picture; boxes are x0 y0 x1 y1 pixels."""

    kind: str
    identity: int
    box: tuple[float, float, float, float]
    visible_box: tuple[float, float, float, float]
    visible_fraction: float


@dataclass(frozen=True, eq=False)
class _Actor:
    """One thing to draw this frame."""

    kind: str
    identity: int
    mesh: Mesh
    place: Place
    velocity: Floats
    half: tuple[float, float]  # of the footprint, across and along
    height: float
    lamps_on: tuple[float, float] = (0.0, 0.0)
    headlamps: Floats | None = None


@dataclass(eq=False)
class _Cut:
    """An actor's own pixels, not yet hidden."""

    actor: _Actor
    drawn: Drawn
    mask: NDArray[np.bool_]
    sprite: Sprite


class StageSet:
    """Renders frames of one street from one camera."""

    def __init__(
        self, camera: Camera, street: Street, backdrop: Backdrop, props: list[Prop], margin: int, shutter_s: float
    ) -> None:
        self._camera, self._street, self._backdrop = camera, street, backdrop
        self._props, self._margin, self._shutter_s = props, margin, shutter_s
        self._size = (camera.width, camera.height)
        self._lit_for: Light | None = None
        self._canvas: Image = np.zeros((0, 0, 3), np.uint8)
        self._prop_sprites: list[Sprite | None] = []

    def frame(self, light: Light, shake: Floats, traffic: Traffic, walkers: Walkers) -> tuple[Image, list[Seen]]:
        """The picture before the sensor, and all labelled objects in it."""
        if self._lit_for is None or self._lit_for.differs(light):
            self._relight(light)
        picture = self._warp(self._canvas, shake, (0, 0))
        camera = _shaken(self._camera, shake)
        actors = self._actors(traffic, walkers, light)
        footprints = [_footprint(actor) for actor in actors] + [prop.footprint for prop in self._props]
        order = back_to_front(np.array(footprints).reshape(-1, 4), self._camera.position)
        for actor in actors:
            self._shadow(picture, actor, camera, light)
        labels = np.zeros(picture.shape[:2], np.int32)
        cuts: dict[int, _Cut] = {}
        for index in order:
            if index < len(actors):
                cut = self._draw(picture, actors[index], camera, light)
                if cut is not None:
                    cuts[index] = cut
                    labels[cut.sprite.window][cut.mask] = index + 1
            else:
                self._draw_prop(picture, labels, index - len(actors), shake)
        return picture, self._labelled(cuts, labels)

    def _relight(self, light: Light) -> None:
        self._lit_for = light
        self._canvas = self._backdrop.lit(light)
        big = (self._size[0] + 2 * self._margin, self._size[1] + 2 * self._margin)
        wide = Camera(
            self._camera.position, self._camera.axes, self._camera.focal, *big, self._camera.centre + self._margin
        )
        self._prop_sprites = []
        for prop in self._props:
            x0, y0, x1, y1 = prop.footprint
            place = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 2.5])
            lighting = Lighting(
                light,
                float(self._street.sunlit(place, light.sun_direction)),
                self._lamp(place[0], place[1]),
                (light.dark, 0),
            )
            drawn = draw_mesh(prop.mesh, Place(0, 0, 0), wide, lighting, prop.centre)
            window = sprite_window(drawn, big, 1) if drawn is not None else None
            self._prop_sprites.append(
                Sprite(fill(drawn, window), window[0], window[1]) if drawn is not None and window is not None else None
            )

    def _warp(self, canvas: Image, shake: Floats, origin: tuple[int, int]) -> Image:
        """The picture's part of the canvas, shaken."""
        if self._margin == 0:
            return canvas.copy()
        matrix = shake.copy()
        matrix[:, 2] -= shake[:, :2] @ np.array([self._margin, self._margin])
        return cv2.warpAffine(canvas, matrix, self._size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _draw_prop(self, picture: Image, labels: NDArray[np.int32], index: int, shake: Floats) -> None:
        sprite = self._prop_sprites[index]
        if sprite is None:
            return
        h, w = sprite.rgba.shape[:2]
        corner = np.array([sprite.x - self._margin, sprite.y - self._margin], np.float64)
        edges = np.array([[0, 0], [w, 0], [0, h], [w, h]]) + corner
        moved = edges @ shake[:, :2].T + shake[:, 2]
        x0, y0 = np.maximum(np.floor(moved.min(0)).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(moved.max(0)).astype(int) + 1, self._size)
        if x1 <= x0 or y1 <= y0:
            return
        matrix = shake.copy()
        matrix[:, 2] += shake[:, :2] @ corner - (x0, y0)
        rgba = cv2.warpAffine(sprite.rgba, matrix, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
        here = Sprite(rgba, int(x0), int(y0))
        composite(picture, here)
        labels[here.window][rgba[..., 3] > 127] = 0

    def _actors(self, traffic: Traffic, walkers: Walkers, light: Light) -> list[_Actor]:
        actors: list[_Actor] = []
        for driver in [*traffic.drivers, *traffic.parked]:
            vehicle = driver.shapes[0]
            fine = self._apparent(driver.x, driver.y, vehicle.height, vehicle.length)
            if fine is not None:
                actors += _vehicle_actors(driver, fine, light)
        for walker in walkers.people:
            fine = self._apparent(walker.x, walker.y, 1.8, 1.0)
            if fine is not None:
                actors.append(_walker_actor(walker, fine))
        return actors

    def _apparent(self, x: float, y: float, height: float, length: float) -> bool | None:
        """Whether a thing needs its fine shape; None where it is out of the picture or smaller than 3 pixels."""
        centre = np.array([x, y, height / 2])
        _, depth = self._camera.project(centre)
        reach = max(height, length) / 2 + 0.3
        if depth + reach < 0.5:
            return None
        near = max(float(depth), 0.5)
        local = (centre - self._camera.position) @ self._camera.axes.T
        # outside the pyramid of view by more than its reach
        for axis, span in ((0, self._size[0]), (1, self._size[1])):
            slope = span / 2 / self._camera.focal
            if abs(local[axis]) - float(depth) * slope > reach * np.hypot(1, slope) + 0.02 * near:
                return None
        pixels = self._camera.focal * height / near
        return None if pixels < 3 else bool(pixels > _FINE_PX)

    def _lamp(self, x: float, y: float) -> float:
        lamps = self._street.lamps
        return float(
            np.minimum(
                1.2, 0.12 + np.sum(1 / (1 + ((lamps[:, 0] * 0.8 - x) ** 2 + (lamps[:, 1] - y) ** 2 + 6) / 20) ** 1.5)
            )
        )

    def _lighting(self, actor: _Actor, light: Light) -> Lighting:
        step = np.array([0.0, actor.half[1] * 0.7 + 0.2, 0.0])
        at = np.array([actor.place.x, actor.place.y, actor.height * 0.6])
        sunlit = float(self._street.sunlit(np.stack([at - step, at, at + step]), light.sun_direction).mean())
        return Lighting(light, sunlit, self._lamp(actor.place.x, actor.place.y), actor.lamps_on)

    def _shadow(self, picture: Image, actor: _Actor, camera: Camera, light: Light) -> None:
        contact = contact_mask(actor.half[0] * 1.08, actor.half[1] * 1.03, actor.place, camera, self._size)
        if contact is not None:
            darken(picture, *contact)
        strength = float(light.sun.mean() / max(1e-3, light.sun.mean() + light.sky.mean()))
        at = np.array([actor.place.x, actor.place.y, 0.1])
        if strength < 0.15 or self._street.sunlit(at, light.sun_direction) == 0:
            return
        cast = shadow_mask(actor.mesh, actor.place, camera, light.sun_direction, self._size)
        if cast is not None:
            mask, x, y = cast
            darken(picture, cv2.convertScaleAbs(mask, alpha=0.85 * strength), x, y)

    def _draw(self, picture: Image, actor: _Actor, camera: Camera, light: Light) -> _Cut | None:
        drawn = draw_mesh(actor.mesh, actor.place, camera, self._lighting(actor, light))
        if drawn is None:
            return None
        ends = (
            np.array([actor.place.x, actor.place.y, actor.height / 2])
            + np.array([[-0.5], [0.5]]) * actor.velocity * self._shutter_s
        )
        pixels, _ = camera.project(ends)
        dx, dy = pixels[1] - pixels[0]
        reach = float(np.hypot(dx, dy))
        window = sprite_window(drawn, self._size, 1 + int(reach / 2 + 0.5))
        if window is None:
            return None
        rgba = fill(drawn, window)
        mask = rgba[..., 3] > 127
        if reach > 1.0:
            rgba = blur_along(rgba, float(dx), float(dy))
        sprite = Sprite(rgba, window[0], window[1])
        composite(picture, sprite)
        self._glows(picture, actor, camera, light)
        return _Cut(actor, drawn, mask, sprite)

    def _glows(self, picture: Image, actor: _Actor, camera: Camera, light: Light) -> None:
        if light.dark < 0.2 or actor.headlamps is None:
            return
        turn = actor.place.rotation()
        forward = turn[:, 1]
        for lamp in actor.headlamps @ turn.T + (actor.place.x, actor.place.y, 0):
            to_camera = camera.position - lamp
            distance = float(np.linalg.norm(to_camera))
            facing = float(forward @ to_camera) / distance
            pixel, depth = camera.project(lamp)
            if facing > 0.2 and depth > 1:
                radius = camera.focal * (0.25 + 0.012 * distance) / distance * 2.2
                add_glow(picture, pixel[0], pixel[1], radius, np.array([1.0, 0.95, 0.8]) * light.dark * facing * 0.9)

    def _labelled(self, cuts: dict[int, _Cut], labels: NDArray[np.int32]) -> list[Seen]:
        width, height = self._size
        found = []
        for index, cut in cuts.items():
            x0, y0, x1, y1 = cut.drawn.box
            box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
            if box[2] - box[0] < 1 or box[3] - box[1] < 1:
                continue
            own = int(cut.mask.sum())
            visible = labels[cut.sprite.window] == index + 1
            count = int(visible.sum())
            fraction = count / own * share_inside(cut.drawn, self._size) if own else 0.0
            found.append(Seen(cut.actor.kind, cut.actor.identity, box, _extent(visible, cut.sprite, box), fraction))
        return sorted(found, key=lambda s: s.identity)


def _extent(
    visible: NDArray[np.bool_], sprite: Sprite, box: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Box around visible pixels, within the whole box; zeros for none."""
    columns, rows = np.flatnonzero(visible.any(0)), np.flatnonzero(visible.any(1))
    if len(columns) == 0:
        return (0.0, 0.0, 0.0, 0.0)
    x0, x1 = sprite.x + float(columns[0]), sprite.x + float(columns[-1]) + 1
    y0, y1 = sprite.y + float(rows[0]), sprite.y + float(rows[-1]) + 1
    return (max(x0, box[0]), max(y0, box[1]), min(x1, box[2]), min(y1, box[3]))


def _shaken(camera: Camera, shake: Floats) -> Camera:
    """The camera whose pictures are shaken: a small turn of the picture is a turn about the view."""
    turn = shake[:, :2]
    axes = np.concatenate([turn @ camera.axes[:2], camera.axes[2:]])
    return Camera(camera.position, axes, camera.focal, camera.width, camera.height, turn @ camera.centre + shake[:, 2])


def _footprint(actor: _Actor) -> tuple[float, float, float, float]:
    c, s = abs(np.cos(actor.place.heading)), abs(np.sin(actor.place.heading))
    half_x, half_y = actor.half[0] * c + actor.half[1] * s, actor.half[0] * s + actor.half[1] * c
    x, y = actor.place.x, actor.place.y
    return (x - half_x, y - half_y, x + half_x, y + half_y)


def _vehicle_actors(driver: Driver, fine: bool, light: Light) -> list[_Actor]:
    vehicle = driver.shapes[int(fine)]
    place = Place(driver.x, driver.y, driver.heading)
    moving = driver.lane is not None
    lamps = (light.dark if moving else 0.0, (1.0 if driver.braking else 0.55 * light.dark) if moving else 0.0)
    half = (vehicle.width / 2, vehicle.length / 2)
    velocity = driver.velocity
    actors = [
        _Actor(
            vehicle.kind,
            driver.identity,
            vehicle.mesh,
            place,
            velocity,
            half,
            vehicle.height,
            lamps,
            vehicle.headlamps if moving else None,
        )
    ]
    if driver.rider is not None:
        mesh = driver.rider[int(fine)].mesh(RIDING)
        behind = Place(driver.x, driver.y - 0.18 * np.cos(driver.heading), driver.heading)
        actors.append(_Actor("person", driver.rider_identity, mesh, behind, velocity, (0.25, 0.35), 1.7))
    return actors


def _walker_actor(walker: Walker, fine: bool) -> _Actor:
    person = walker.shapes[int(fine)]
    place = Place(walker.x, walker.y, walker.heading)
    return _Actor(
        "person", walker.identity, person.mesh(walker.posture), place, walker.velocity, (0.24, 0.24), person.height
    )
