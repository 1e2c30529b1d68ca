"""How light falls on faces, and what of it the camera sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.light import Light
from streamdet.scenes.world.mesh import Integers, Material

_REFLECTANCE = np.array([0.0, 0.10, 0.24, 0.25, 0.12])
_HEADLAMP = np.array([1.25, 1.2, 1.05])
_TAILLAMP = np.array([1.1, 0.12, 0.08])


@dataclass(frozen=True, eq=False)
class Lighting:
    """Light where one thing stands.

    Attributes:
        light: what falls on the scene.
        sunlit: 0 in a house's shadow, 1 in the sun.
        lamp: street lamp light at the place, 0 to about 1.
        lamps_on: brightness of its own head lamps and tail lamps, 0 to 1.
    """

    light: Light
    sunlit: float
    lamp: float
    lamps_on: tuple[float, float] = (0.0, 0.0)


def shade(
    normals: Floats, to_camera: Floats, colours: Floats, materials: Integers | None, sun: Floats, lighting: Lighting
) -> Floats:
    """Colours (F, 3) 0 to 1 of faces as seen.

    Args:
        normals: (F, 3) unit, in the object's frame, whose z is up.
        to_camera: (F, 3) unit, in the same frame.
        colours: (F, 3) albedo.
        materials: (F,) Material; None where all are matte.
        sun: (3,) unit, towards the sun, in the same frame.
        lighting: what falls there.
    """
    light = lighting.light
    direct = lighting.sunlit * light.sun
    up = 0.675 + 0.325 * normals[:, 2:3]  # fraction of the sky over a face, 0.35 from below
    # the rest of what surrounds it is lit ground: (1 - up) / 0.65
    received = up * (light.sky + lighting.lamp * light.lamp - light.bounce / 0.65) + light.bounce / 0.65
    received += np.maximum(normals @ sun, 0.0)[:, None] * direct
    seen = colours * received
    if materials is not None:
        seen = _reflect(seen, normals, to_camera, materials, sun, direct, light)
        head, tail = lighting.lamps_on
        if head:
            seen = np.where((materials == Material.HEADLAMP)[:, None], np.maximum(seen, head * _HEADLAMP), seen)
        if tail:
            seen = np.where((materials == Material.TAILLAMP)[:, None], np.maximum(seen, tail * _TAILLAMP), seen)
    return np.clip(seen, 0, 1)


def _reflect(
    seen: Floats, normals: Floats, to_camera: Floats, materials: Integers, sun: Floats, direct: Floats, light: Light
) -> Floats:
    """Add what paint and glass mirror: sky above, houses about the horizon, road below, the sun's glint."""
    cosine = np.einsum("ij,ij->i", normals, to_camera)[:, None]
    mirror_z = 2 * cosine * normals[:, 2:3] - to_camera[:, 2:3]
    sky = light.horizon + (light.zenith - light.horizon) * np.sqrt(np.clip(mirror_z, 0, 1))
    mirror = np.where(mirror_z > 0, sky, light.bounce * 0.55)
    mirror = mirror * np.clip(0.35 + 2.2 * np.abs(mirror_z - 0.08), 0, 1)
    fresnel = (1 - np.clip(cosine, 0, 1)) ** 5
    strength = _REFLECTANCE[materials][:, None]
    seen = seen + mirror * (strength + (1 - strength) * fresnel * np.minimum(1, strength * 8))
    if direct.any():
        half = to_camera + sun
        half /= np.sqrt(np.einsum("ij,ij->i", half, half))[:, None]
        glint = np.clip(np.einsum("ij,ij->i", normals, half), 0, 1) ** 50
        seen = seen + glint[:, None] * direct * np.minimum(strength * 4, 0.5)
    return seen
