"""The synthetic street: pictures with the exact box and identity of all that moves in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.render.backdrop import Backdrop
from streamdet.scenes.render.compose import Composer
from streamdet.scenes.render.lens import Sensor, Shake
from streamdet.scenes.world.camera import Camera, choose_camera
from streamdet.scenes.world.light import LightSchedule
from streamdet.scenes.world.props import make_props
from streamdet.scenes.world.street import Street, make_street
from streamdet.scenes.world.traffic import Signal, Traffic
from streamdet.scenes.world.walkers import Walkers

CLASSES = ("person", "car", "motorcycle", "bus", "truck")
View = Literal["pole", "eye", "across", "pavement", "bridge"]
_VIEWS: dict[View, float] = {"pole": 0.34, "eye": 0.18, "across": 0.20, "pavement": 0.18, "bridge": 0.10}


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """What to render; the same spec gives the same bytes.

    Attributes:
        seed: draws street, camera, weather, everyone in it.
        width, height: pixels.
        fps: frames a second, exact.
        frames: how many.
        view: where the camera is; None draws one.
        hour: 0 full day to 1 night; None draws one.
        drift: how far the hour moves in a minute.
        traffic, people, occluders: densities, 1 usual, 0 none.
        shake, blur, noise, softness: strengths, 1 usual, 0 none.
        jpeg_quality: 1 to 100 compresses every frame; None does not.
    """

    seed: int = 0
    width: int = 1280
    height: int = 720
    fps: Fraction = Fraction(25)
    frames: int = 250
    view: View | None = None
    hour: float | None = None
    drift: float = 0.5
    traffic: float = 1.0
    people: float = 1.0
    occluders: float = 1.0
    shake: float = 1.0
    blur: float = 1.0
    noise: float = 1.0
    softness: float = 1.0
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        if self.width < 32 or self.height < 32:
            raise ValueError(f"a scene needs at least 32 x 32 pixels, not {self.width} x {self.height}")
        if self.fps <= 0 or self.frames < 0:
            raise ValueError(f"fps must be above 0 and frames at least 0, not {self.fps} and {self.frames}")
        strengths = (self.traffic, self.people, self.occluders, self.shake, self.blur, self.noise, self.softness)
        if min(strengths) < 0:
            raise ValueError("densities and strengths of a scene must be at least 0")


@dataclass(frozen=True, slots=True, eq=False)
class SceneFrame:
    """One picture and what is in it, hidden or not; rows of all columns belong together.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32, xyxy pixels, of the whole object, clipped to the picture.
        visible_boxes: (N, 4) float32, xyxy pixels, of what is seen of it; zeros where nothing is.
        visible_fraction: (N,) float32, 0 to 1: fraction of its silhouette that is in the picture and not hidden.
        class_ids: (N,) int64, index into CLASSES.
        track_ids: (N,) int64, identity over frames.
        time_s: seconds since the first frame.
    """

    image: Image
    boxes: NDArray[np.float32]
    visible_boxes: NDArray[np.float32]
    visible_fraction: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    time_s: float


class Cast(Protocol):
    """Who is on the street."""

    traffic: Traffic
    walkers: Walkers

    def advance(self, time_s: float) -> None:
        """Move everyone on to a time, in seconds since the first frame."""
        ...


class _Everyday:
    """Traffic and people as streets have them."""

    def __init__(self, spec: SceneSpec, rng: np.random.Generator, street: Street, camera: Camera) -> None:
        signal, identities = Signal(rng), count(1)
        self.traffic = Traffic(rng, street, signal, spec.traffic, identities)
        self.walkers = Walkers(rng, street, signal, camera, spec.people, identities)

    def advance(self, time_s: float) -> None:
        """See Cast."""
        self.traffic.advance(time_s)
        self.walkers.advance(time_s)


def render(spec: SceneSpec) -> Iterator[SceneFrame]:
    """Render the frames of a scene in order."""
    return film(spec, lambda rng, street, camera: _Everyday(spec, rng, street, camera))


def film(spec: SceneSpec, hire: Callable[[np.random.Generator, Street, Camera], Cast]) -> Iterator[SceneFrame]:
    """Render the frames of a street on which a cast acts.

    Args:
        spec: the street, camera and light; its densities are for the cast.
        hire: gives the cast, from a generator of its own, the street and the camera.
    """
    rngs = [np.random.default_rng([spec.seed, k]) for k in range(8)]
    size = (spec.width, spec.height)
    street = make_street(rngs[0], spec.occluders)
    drawn = list(_VIEWS)[int(rngs[1].choice(len(_VIEWS), p=list(_VIEWS.values())))]
    camera = choose_camera(rngs[1], size, street.road_half, street.pavement, spec.view or drawn)
    schedule = LightSchedule(rngs[2], spec.hour, spec.drift)
    sun = schedule.sun_direction
    props = make_props(rngs[3], street, camera.position, sun, spec.occluders)
    shake = Shake(rngs[4], spec.width, spec.height, spec.shake)
    shadows = [shadow for prop in props for shadow in prop.shadows]
    backdrop = Backdrop(rngs[5], camera, street, sun, shake.margin, shadows)
    sensor = Sensor(rngs[6], spec.width, spec.height, spec.noise, spec.softness, spec.jpeg_quality)
    cast = hire(rngs[7], street, camera)
    shutter_s = spec.blur * float(rngs[4].uniform(0.25, 0.6)) / max(float(spec.fps), 20.0)
    composer = Composer(camera, street, backdrop, props, shake.margin, shutter_s)
    for index in range(spec.frames):
        time_s = float(index / spec.fps)
        cast.advance(time_s)
        light = schedule.at(time_s)
        picture, seen = composer.frame(light, shake.matrix(time_s), cast.traffic, cast.walkers)
        image = sensor.expose(picture, light.exposure, light.dark)
        yield SceneFrame(
            image=image,
            boxes=np.array([s.box for s in seen], np.float32).reshape(-1, 4),
            visible_boxes=np.array([s.visible_box for s in seen], np.float32).reshape(-1, 4),
            visible_fraction=np.array([s.visible_fraction for s in seen], np.float32),
            class_ids=np.array([CLASSES.index(s.kind) for s in seen], np.int64),
            track_ids=np.array([s.identity for s in seen], np.int64),
            time_s=time_s,
        )
