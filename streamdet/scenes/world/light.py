"""The light on the street, and how it changes while the camera looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.world.camera import Floats


@dataclass(frozen=True, eq=False)
class Light:
    """What falls on the scene at one moment; colours are RGB factors, about 0 to 1.

    Attributes:
        sun_direction: (3,) unit, towards the sun.
        sun: direct sunlight on a face square to it.
        sky: skylight on a face that looks up.
        bounce: light thrown back by the ground.
        zenith, horizon: colours of the sky.
        lamp: street lamp and window light; 0 by day.
        dark: 0 by day to 1 at night: lamps of vehicles.
        exposure: the camera's gain.
    """

    sun_direction: Floats
    sun: Floats
    sky: Floats
    bounce: Floats
    zenith: Floats
    horizon: Floats
    lamp: Floats
    dark: float
    exposure: float

    def differs(self, other: Light) -> bool:
        """Whether a still picture would look different, by about one grey level in sixty."""
        mine, theirs = self._levels(), other._levels()
        return bool(np.any(np.abs(mine - theirs) > 0.016 * np.maximum(mine, theirs) + 0.001))

    def _levels(self) -> Floats:
        return np.concatenate([self.sun, self.sky, self.horizon, self.lamp])


# hour of the evening 0 (full day) .. 1 (night): key colours
_HOURS = np.array([0.0, 0.45, 0.7, 0.85, 1.0])
_SUN = np.array([[0.86, 0.80, 0.68], [0.82, 0.66, 0.44], [0.42, 0.24, 0.10], [0.02, 0.01, 0.0], [0.0, 0.0, 0.0]])
_SKY = np.array([[0.44, 0.49, 0.56], [0.42, 0.44, 0.50], [0.34, 0.35, 0.42], [0.20, 0.22, 0.30], [0.07, 0.08, 0.12]])
_ZENITH = np.array([[0.27, 0.47, 0.78], [0.30, 0.46, 0.72], [0.25, 0.33, 0.55], [0.12, 0.16, 0.32], [0.02, 0.03, 0.07]])
_HORIZON = np.array(
    [[0.75, 0.84, 0.92], [0.86, 0.82, 0.76], [0.92, 0.66, 0.46], [0.45, 0.34, 0.40], [0.08, 0.08, 0.12]]
)
_DARK = np.array([0.0, 0.0, 0.35, 0.9, 1.0])


def _key(table: Floats, hour: float) -> Floats:
    return np.array([np.interp(hour, _HOURS, table[:, k]) for k in range(3)])


class LightSchedule:
    """Daylight that drifts, clouds that pass, exposure that steps."""

    def __init__(self, rng: np.random.Generator, hour: float | None, drift: float) -> None:
        """Start at hour (0 full day, 1 night; None draws one) and drift by that much of it a minute."""
        self._hour = (
            float(rng.choice([rng.uniform(0, 0.5), rng.uniform(0, 0.75), rng.uniform(0.6, 1)]))
            if hour is None
            else hour
        )
        self._drift = drift
        self._overcast = float(rng.choice([0.0, rng.uniform(0, 0.5), 1.0], p=[0.5, 0.25, 0.25]))
        azimuth, self._cloud_phase = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi, 3)
        elevation = np.interp(self._hour, [0, 0.5, 0.75], [rng.uniform(0.6, 1.05), 0.42, 0.2])
        self.sun_direction = np.array(
            [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        self._step_times = np.cumsum(rng.uniform(3.0, 9.0, 64))
        self._steps = np.concatenate([[1.0], rng.uniform(0.9, 1.12, 64)])

    def at(self, time_s: float) -> Light:
        """The light at a time."""
        hour = float(np.clip(self._hour + self._drift * time_s / 60, 0, 1))
        waves = np.sin(time_s * np.array([0.23, 0.61, 1.07]) + self._cloud_phase) @ np.array([0.6, 0.3, 0.15])
        cloud = float(np.clip(self._overcast + 0.9 * np.clip(waves - 0.35, 0, 1), 0, 1))
        sun, sky = _key(_SUN, hour), _key(_SKY, hour)
        zenith, horizon = _key(_ZENITH, hour), _key(_HORIZON, hour)
        grey = 0.8 * horizon.mean() * np.array([0.97, 1.0, 1.03])
        zenith, horizon = (
            zenith + (grey - zenith) * 0.85 * self._overcast,
            horizon + (grey * 1.1 - horizon) * 0.8 * self._overcast,
        )
        dark = float(np.interp(hour, _HOURS, _DARK))
        sky = sky * (1 + 0.22 * cloud)
        sun = sun * (1 - 0.92 * cloud)
        return Light(
            sun_direction=self.sun_direction,
            sun=sun,
            sky=sky,
            bounce=0.45 * sky + 0.10 * sun,
            zenith=zenith,
            horizon=horizon,
            lamp=dark * np.array([0.62, 0.50, 0.34]),
            dark=dark,
            exposure=self._exposure(time_s) * float(np.interp(hour, _HOURS, [1.0, 1.0, 1.1, 1.3, 1.45])),
        )

    def _exposure(self, time_s: float) -> float:
        k = int(np.searchsorted(self._step_times, time_s % self._step_times[-1]))
        since = time_s % self._step_times[-1] - (self._step_times[k - 1] if k else 0.0)
        before = self._steps[k - 1] if k else self._steps[0]
        return float(self._steps[k] + (before - self._steps[k]) * np.exp(-since / 0.35))
