"""Puts backdrop, things and people together into one picture, back to front."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.render.actors import Actor, Part, vehicle_actor, walker_actor
from streamdet.scenes.render.backdrop import Backdrop
from streamdet.scenes.render.drawing import Drawn, Place, contact_shadow, draw_mesh, share_inside, sun_shadow
from streamdet.scenes.render.order import back_to_front
from streamdet.scenes.render.raster import Box, Sprite, add_glow, blur_along, composite, darken, fill_faces, window_of
from streamdet.scenes.render.shading import Lighting
from streamdet.scenes.world.camera import Camera, Floats
from streamdet.scenes.world.detail import detail_for
from streamdet.scenes.world.light import Light
from streamdet.scenes.world.props import Prop
from streamdet.scenes.world.street import Street
from streamdet.scenes.world.traffic import Traffic
from streamdet.scenes.world.walkers import Walkers

_SMALLEST_PX = 5.0


@dataclass(frozen=True)
class Seen:
    """One labelled object in the picture; boxes are x0 y0 x1 y1 pixels."""

    kind: str
    identity: int
    box: Box
    visible_box: Box
    visible_fraction: float


@dataclass(frozen=True, eq=False)
class _Cut:
    """A part's own pixels in the picture, not yet hidden; number is its value in the map of what is seen."""

    part: Part
    drawn: Drawn
    mask: NDArray[np.bool_]
    window: tuple[slice, slice]
    number: int


class Composer:
    """Renders frames of one street from one camera."""

    def __init__(
        self, camera: Camera, street: Street, backdrop: Backdrop, props: list[Prop], margin: int, shutter_s: float
    ) -> None:
        """Take what stands still.

        Args:
            camera: without shake.
            street: for the light on it.
            backdrop: has the same margin.
            props: things that hide others.
            margin: pixels around the picture that shake may bring in.
            shutter_s: how long the shutter is open.
        """
        self._camera, self._street, self._backdrop = camera, street, backdrop
        self._props, self._margin, self._shutter_s = props, margin, shutter_s
        self._size = (camera.width, camera.height)
        self._limit = (0, 0, camera.width, camera.height)
        self._lit_for: Light | None = None
        self._canvas: Image = np.zeros((0, 0, 3), np.uint8)
        self._prop_sprites: list[Sprite | None] = []

    def frame(self, light: Light, shake: Floats, traffic: Traffic, walkers: Walkers) -> tuple[Image, list[Seen]]:
        """The picture before the sensor, and all labelled objects in it."""
        if self._lit_for is None or self._lit_for.differs(light):
            self._relight(light)
        picture = self._warp_backdrop(shake)
        camera = self._camera.shaken(shake)
        actors = self._actors(traffic, walkers, light)
        lighting = self._lighting(actors, light)
        for actor, its_light in zip(actors, lighting, strict=True):
            self._shadow(picture, actor, camera, its_light)
        footprints = [actor.footprint for actor in actors] + [prop.footprint for prop in self._props]
        seen_map = np.zeros(picture.shape[:2], np.int32)
        cuts: list[_Cut] = []
        for index in back_to_front(np.array(footprints).reshape(-1, 4), self._camera.position):
            if index < len(actors):
                cuts += self._draw(picture, seen_map, actors[index], camera, lighting[index], len(cuts) + 1)
            else:
                self._draw_prop(picture, seen_map, index - len(actors), shake)
        return picture, self._labelled(cuts, seen_map)

    def _relight(self, light: Light) -> None:
        """Render what stands still under a new light, with the margin around it."""
        self._lit_for = light
        self._canvas = self._backdrop.lit(light)
        wide = self._camera.widened(self._margin)
        limit = (0, 0, wide.width, wide.height)
        self._prop_sprites = []
        for prop in self._props:
            x0, y0, x1, y1 = prop.footprint
            place = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 2.5])
            sunlit = float(self._street.sunlit(place, light.sun_direction))
            lamp = float(self._street.lamp_light(place[None])[0])
            drawn = draw_mesh(prop.mesh, Place(0, 0, 0), wide, Lighting(light, sunlit, lamp, (light.dark, 0)))
            window = window_of(drawn.box, limit, 1) if drawn is not None else None
            sprite = None
            if drawn is not None and window is not None:
                sprite = Sprite(fill_faces(drawn.corners, drawn.colours, window), window[0], window[1])
            self._prop_sprites.append(sprite)

    def _warp_backdrop(self, shake: Floats) -> Image:
        if self._margin == 0:
            return self._canvas.copy()
        matrix = shake.copy()
        matrix[:, 2] -= shake[:, :2] @ np.full(2, self._margin)
        warped = cv2.warpAffine(
            self._canvas, matrix, self._size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(warped, np.uint8)

    def _draw_prop(self, picture: Image, seen_map: NDArray[np.int32], index: int, shake: Floats) -> None:
        sprite = self._prop_sprites[index]
        if sprite is None:
            return
        h, w = sprite.rgba.shape[:2]
        corner = np.array([sprite.x - self._margin, sprite.y - self._margin], np.float64)
        edges = np.array([[0, 0], [w, 0], [0, h], [w, h]]) + corner
        moved = edges @ shake[:, :2].T + shake[:, 2]
        window = window_of((*moved.min(0).tolist(), *moved.max(0).tolist()), self._limit, 0)
        if window is None:
            return
        x0, y0, x1, y1 = window
        matrix = shake.copy()
        matrix[:, 2] += shake[:, :2] @ corner - (x0, y0)
        rgba = np.asarray(cv2.warpAffine(sprite.rgba, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR), np.uint8)
        here = Sprite(rgba, x0, y0)
        composite(picture, here)
        seen_map[here.window][rgba[..., 3] > 127] = 0

    def _actors(self, traffic: Traffic, walkers: Walkers, light: Light) -> list[Actor]:
        actors = []
        for driver in [*traffic.drivers, *traffic.parked]:
            vehicle = driver.shapes.far
            detail = self._detail(driver.x, driver.y, vehicle.height, vehicle.length)
            if detail is not None:
                actors.append(vehicle_actor(driver, detail, light))
        for walker in walkers.people:
            detail = self._detail(walker.x, walker.y, 1.8, 1.0)
            if detail is not None:
                actors.append(walker_actor(walker, detail))
        return actors

    def _detail(self, x: float, y: float, height: float, length: float) -> int | None:
        """How much detail a thing needs; None where it is out of the picture or too small to see."""
        right, down, depth = (self._camera.axes @ (np.array([x, y, height / 2]) - self._camera.position)).tolist()
        reach = max(height, length) / 2 + 0.3
        if depth + reach < 0.5:
            return None
        # out of the pyramid of view by more than its reach
        for across, span in ((right, self._size[0]), (down, self._size[1])):
            slope = span / 2 / self._camera.focal
            if abs(across) - depth * slope > reach * (1 + slope) + 0.02 * depth:
                return None
        pixels = self._camera.focal * height / max(depth, 0.5)
        return None if pixels < _SMALLEST_PX else detail_for(pixels)

    def _lighting(self, actors: list[Actor], light: Light) -> list[Lighting]:
        if not actors:
            return []
        at = np.array([[actor.place.x, actor.place.y, actor.height * 0.6] for actor in actors])
        reach = np.array([[0.0, actor.half[1] * 0.7 + 0.2, 0.0] for actor in actors])
        points = np.stack([at - reach, at, at + reach], 1)
        sunlit = self._street.sunlit(points, light.sun_direction).mean(1).tolist()
        lamps = self._street.lamp_light(at).tolist()
        return [
            Lighting(light, sun, lamp, actor.lamps_on) for actor, sun, lamp in zip(actors, sunlit, lamps, strict=True)
        ]

    def _shadow(self, picture: Image, actor: Actor, camera: Camera, lighting: Lighting) -> None:
        # feet touch less ground than a body covers, wheels and floor all of it
        spread = 1.05 if actor.half[1] > 0.5 else 0.7
        half = (actor.half[0] * spread, actor.half[1] * spread)
        contact = contact_shadow(half, actor.place, camera, self._limit)
        if contact is not None:
            darken(picture, *contact)
        light = lighting.light
        strength = lighting.sunlit * float(light.sun.mean() / max(1e-3, light.sun.mean() + light.sky.mean()))
        if strength < 0.1:
            return
        for part in actor.parts:
            cast = sun_shadow(part.mesh, part.place, camera, light.sun_direction, self._limit)
            if cast is not None:
                darken(picture, cast[0] // 16 * np.uint8(13.6 * strength), cast[1], cast[2])

    def _draw(
        self,
        picture: Image,
        seen_map: NDArray[np.int32],
        actor: Actor,
        camera: Camera,
        lighting: Lighting,
        number: int,
    ) -> list[_Cut]:
        """Draw one thing; its parts (a motorcycle and its rider) hide one another face by face."""
        parts = [(part, draw_mesh(part.mesh, part.place, camera, lighting)) for part in actor.parts]
        found = [(part, drawn) for part, drawn in parts if drawn is not None]
        if not found:
            return []
        dx, dy = self._smear(actor, camera)
        reach = float(np.hypot(dx, dy))
        boxes = np.array([drawn.box for _, drawn in found])
        box = (*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())
        window = window_of(box, self._limit, 1 + round(reach / 2))
        if window is None:
            return []
        corners, colours, owners = _merge([drawn for _, drawn in found])
        rgba = fill_faces(corners, colours, window)
        where = (slice(window[1], window[3]), slice(window[0], window[2]))
        cuts = []
        for k, (part, drawn) in enumerate(found):
            mask = rgba[..., 3] > 127
            if len(found) > 1:
                own = np.repeat((owners == k).astype(np.float64)[:, None], 3, 1)
                mask = fill_faces(corners, own, window)[..., 0] > 127
                alone = fill_faces(drawn.corners, drawn.colours, window)[..., 3] > 127
            else:
                alone = mask
            seen_map[where][mask] = number + k
            cuts.append(_Cut(part, drawn, alone, where, number + k))
        if reach > 1.5:
            rgba = blur_along(rgba, dx, dy)
        composite(picture, Sprite(rgba, window[0], window[1]))
        self._glow(picture, actor, camera, lighting.light)
        return cuts

    def _smear(self, actor: Actor, camera: Camera) -> tuple[float, float]:
        """Pixels that a thing moves while the shutter is open."""
        middle = np.array([actor.place.x, actor.place.y, actor.height / 2])
        move = actor.velocity * (0.5 * self._shutter_s)
        pixels, _ = camera.project(np.stack([middle - move, middle + move]))
        dx, dy = (pixels[1] - pixels[0]).tolist()
        longest = 0.08 * self._size[0]
        scale = min(1.0, longest / max(float(np.hypot(dx, dy)), 1e-6))
        return dx * scale, dy * scale

    def _glow(self, picture: Image, actor: Actor, camera: Camera, light: Light) -> None:
        """Light of head lamps that shine towards the camera."""
        if light.dark < 0.2 or actor.headlamps is None:
            return
        turn = actor.place.rotation()
        for lamp in actor.headlamps @ turn.T + (actor.place.x, actor.place.y, 0):
            to_camera = camera.position - lamp
            distance = float(np.linalg.norm(to_camera))
            facing = float(turn[:, 1] @ to_camera) / distance
            pixel, depth = camera.project(lamp)
            if facing > 0.2 and depth > 1:
                radius = camera.focal * (0.38 / distance + 0.006)
                strength = light.dark * facing * 0.75
                add_glow(picture, float(pixel[0]), float(pixel[1]), radius, np.array([1.0, 0.95, 0.8]) * strength)

    def _labelled(self, cuts: list[_Cut], seen_map: NDArray[np.int32]) -> list[Seen]:
        width, height = self._size
        found = []
        for cut in cuts:
            x0, y0, x1, y1 = cut.drawn.box
            box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
            if box[2] - box[0] < 1 or box[3] - box[1] < 1:
                continue
            own = int(np.count_nonzero(cut.mask))
            visible = seen_map[cut.window] == cut.number
            seen = int(np.count_nonzero(visible))
            fraction = min(1.0, seen / own) * share_inside(cut.drawn, self._size) if own else 0.0
            visible_box = _extent(visible, cut.window, box)
            found.append(Seen(cut.part.kind, cut.part.identity, box, visible_box, fraction))
        return sorted(found, key=lambda seen: seen.identity)


def _merge(drawns: list[Drawn]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Faces of several things far to near: corners, colours, and whose each is."""
    if len(drawns) == 1:
        return drawns[0].corners, drawns[0].colours, np.zeros(len(drawns[0].corners), np.int64)
    distance = np.concatenate([drawn.distance for drawn in drawns])
    order = np.argsort(-distance, kind="stable")
    owners = np.repeat(np.arange(len(drawns)), [len(drawn.corners) for drawn in drawns])
    corners = np.concatenate([drawn.corners for drawn in drawns])
    colours = np.concatenate([drawn.colours for drawn in drawns])
    return corners[order], colours[order], owners[order]


def _extent(visible: NDArray[np.bool_], window: tuple[slice, slice], box: Box) -> Box:
    """Box around visible pixels, within the whole box; zeros for none."""
    x, y, width, height = cv2.boundingRect(visible.view(np.uint8))
    if width == 0:
        return (0.0, 0.0, 0.0, 0.0)
    x, y = x + window[1].start, y + window[0].start
    return (max(x, box[0]), max(y, box[1]), min(x + width, box[2]), min(y + height, box[3]))
