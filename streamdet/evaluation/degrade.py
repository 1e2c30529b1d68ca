"""Disturbed copies of labelled videos: bad moments as cameras have them, in spells, the same for every detector.

A spell is some seconds in which the picture is bad, with good ones in between; nothing changes outside of spells. All
of it follows from the seed, the video's name and the kind, so any frame can be read on its own and two detectors see
the same.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import covered_fraction
from streamdet.datasets.labels import FrameReader, LabelledSet, LabelledVideo, Labels, aspect_of
from streamdet.frames import Image

Kind = Literal["occlusion", "blur", "noise", "dark", "drop"]
KINDS: tuple[Kind, ...] = get_args(Kind)

DESCRIPTIONS: Mapping[Kind, str] = {
    "occlusion": "an opaque block, 12 to 30 % of the picture wide and half to all of it high, passes in 3 to 6 s, "
    "every 1 to 3 s; objects keep their whole boxes, and one that is hidden by more than 80 % counts neither way",
    "blur": "the camera moves during exposure for 0.6 to 2 s, every 1 to 3 s: streaks of 1.5 to 5 % of the longer side",
    "noise": "sensor noise for 0.6 to 2 s, every 1 to 3 s: deviation 25 to 45 of 255, in grains of 1/480 of the longer "
    "side",
    "dark": "the exposure steps for 0.6 to 2 s, every 1 to 3 s: to 12 to 30 % of the light with some noise, or (one "
    "spell in three) to 1.8 to 3 times of it, clipped",
    "drop": "all frames of 0.3 to 1.2 s are lost, every 1 to 3 s; the others keep their times",
}
"""What each kind does, for reports."""

HIDDEN_IGNORED = 0.8
"""A box that is hidden by more than this fraction does not count."""

PARTLY_HIDDEN = 0.3
"""A box that is hidden by at least this fraction counts as affected."""

AFFECTED_AFTER_DROP = 2
"""Frames after lost ones that are affected."""

_PAUSE_S = (1.0, 3.0)
_LENGTH_S: Mapping[Kind, tuple[float, float]] = {
    "occlusion": (3.0, 6.0),
    "blur": (0.6, 2.0),
    "noise": (0.6, 2.0),
    "dark": (0.6, 2.0),
    "drop": (0.3, 1.2),
}
# A break in time, or a very slow camera, does not use up spells.
_LONGEST_STEP_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Degraded:
    """A degraded copy.

    Attributes:
        video: the frames as a detector gets them, and their labels.
        affected: the same frames, labelled only in bad moments, to judge these alone: the frames of spells; for
            occlusion the objects that are hidden by 30 to 80 %; for drop the first two frames after lost ones.
    """

    video: LabelledVideo
    affected: LabelledVideo


@dataclass(frozen=True, slots=True)
class _Moment:
    """One frame of a spell.

    Attributes:
        spell: the spell's own seed.
        frame: index of the frame.
        progress: 0 at the spell's start, 1 at its end.
    """

    spell: int
    frame: int
    progress: float


Moments = Mapping[int, _Moment]
_Effect = Callable[[Image, _Moment], Image]


def degrade(video: LabelledVideo, kind: Kind, seed: int = 0) -> Degraded:
    """Make a degraded copy of a video; frames are changed when they are read.

    Args:
        video: the original; a still gets a bad moment or none.
        kind: see DESCRIPTIONS.
        seed: draws where the spells are and what they are like.
    """
    rng = np.random.default_rng([seed, zlib.crc32(video.name.encode()), KINDS.index(kind)])
    moments = _draw_moments(video, rng, _LENGTH_S[kind])
    if kind == "drop":
        return _without(video, moments)
    if kind == "occlusion":
        return _behind(video, moments)
    frames = _DegradedFrames(video.frames, moments, {"blur": _blur, "noise": _add_noise, "dark": _expose}[kind])
    labels = tuple(entry if index in moments else None for index, entry in enumerate(video.labels))
    return Degraded(replace(video, frames=frames), replace(video, frames=frames, labels=labels))


def degrade_set(labelled: LabelledSet, kind: Kind, seed: int = 0) -> tuple[LabelledSet, LabelledSet]:
    """Degraded copies of all videos of a set: as a detector gets them, and labelled only in bad moments."""
    copies = [degrade(video, kind, seed) for video in labelled.videos]
    return (
        replace(labelled, videos=tuple(copy.video for copy in copies)),
        replace(labelled, videos=tuple(copy.affected for copy in copies)),
    )


def _draw_moments(video: LabelledVideo, rng: np.random.Generator, length_s: tuple[float, float]) -> dict[int, _Moment]:
    """The frames that lie in spells."""
    clock_s = np.minimum(np.diff(video.times_s, prepend=video.times_s[:1]), _LONGEST_STEP_S).cumsum()
    # Somewhere within a first round of pause and spell, so that stills get some, too.
    time_s = -float(rng.uniform(0, sum(_PAUSE_S) / 2 + sum(length_s) / 2))
    moments = {}
    while time_s <= clock_s[-1]:
        begin_s = time_s + float(rng.uniform(*_PAUSE_S))
        end_s = begin_s + float(rng.uniform(*length_s))
        spell = int(rng.integers(1 << 32))
        for frame in range(*np.searchsorted(clock_s, [begin_s, end_s]).tolist()):
            moments[frame] = _Moment(spell, frame, (float(clock_s[frame]) - begin_s) / (end_s - begin_s))
        time_s = end_s
    return moments


@dataclass(frozen=True, slots=True)
class _DegradedFrames:
    frames: FrameReader
    moments: Moments
    effect: _Effect

    @property
    def pixel_aspect(self) -> Fraction:
        """As of the frames themselves."""
        return aspect_of(self.frames)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        for index, image in enumerate(self.frames.read(start, stop), start=start):
            moment = self.moments.get(index)
            yield image if moment is None else self.effect(image, moment)


# --- what a spell does to a picture: (H, W, 3) uint8 RGB to the same ---


def _blur(image: Image, moment: _Moment) -> Image:
    rng = np.random.default_rng(moment.spell)
    share, angle = rng.uniform(0.015, 0.05), rng.uniform(0, np.pi)
    # A shaken camera does not stop at once: weakest at both ends of the spell.
    reach = max(image.shape[:2]) * share * (0.4 + 0.6 * np.sin(np.pi * moment.progress)) / 2
    size = 2 * int(np.ceil(reach)) + 1
    ends = size // 2 + np.outer([-1, 1], [np.cos(angle), np.sin(angle)]) * reach
    kernel = np.zeros((size, size), np.uint8)
    bits = 4  # OpenCV takes places in parts of 1/16 pixel
    start, end = (np.rint(ends * (1 << bits)).astype(int)).tolist()
    cv2.line(kernel, start, end, 255, 1, cv2.LINE_AA, bits)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(dtype=np.float64)), np.uint8)


def _add_noise(image: Image, moment: _Moment) -> Image:
    deviation = np.random.default_rng(moment.spell).uniform(25, 45)
    return _with_grain(image, moment, deviation)


def _expose(image: Image, moment: _Moment) -> Image:
    rng = np.random.default_rng(moment.spell)
    if rng.random() < 1 / 3:
        return np.asarray(cv2.convertScaleAbs(image, alpha=rng.uniform(1.8, 3.0)), np.uint8)
    dark = np.asarray(cv2.convertScaleAbs(image, alpha=rng.uniform(0.12, 0.3)), np.uint8)
    return _with_grain(dark, moment, rng.uniform(3, 6))


def _with_grain(image: Image, moment: _Moment, deviation: float) -> Image:
    """Brightness alone two thirds, colour one third; another draw for every frame."""
    height, width = image.shape[:2]
    grain_px = max(1, round(max(height, width) / 480))
    rng = np.random.default_rng([moment.spell, moment.frame])
    drawn = rng.standard_normal((-(-height // grain_px), -(-width // grain_px), 4), np.float32)
    noise = (np.sqrt(2 / 3) * drawn[..., :1] + np.sqrt(1 / 3) * drawn[..., 1:]) * np.float32(deviation)
    noise = noise.astype(np.int16).repeat(grain_px, 0)[:height].repeat(grain_px, 1)[:, :width]
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def _pass_in_front(image: Image, moment: _Moment) -> Image:
    height, width = image.shape[:2]
    block = occluder(moment, width, height)
    x1, y1, x2, y2 = np.rint(block).astype(int).clip(0, [width, height] * 2).tolist()
    covered = image.copy()
    if x1 < x2 and y1 < y2:
        rng = np.random.default_rng(moment.spell)
        colour = rng.uniform(30, 170) * rng.uniform(0.8, 1.2, 3)
        shades = (rng.uniform(0.7, 1.3, (9, 5, 1)) * colour).clip(0, 255).astype(np.uint8)
        # The whole block is drawn and moved, so that its pattern moves with it.
        full = (round(float(block[2] - block[0])), round(float(block[3] - block[1])))
        pattern = np.asarray(cv2.resize(shades, full, interpolation=cv2.INTER_CUBIC), np.uint8)
        left = x1 - round(float(block[0]))
        columns = np.arange(left, left + x2 - x1).clip(0, full[0] - 1)
        covered[y1:y2, x1:x2] = pattern[np.arange(y2 - y1).clip(0, full[1] - 1)][:, columns]
    return covered


def occluder(moment: _Moment, width: int, height: int) -> NDArray[np.float64]:
    """(4,) float64, xyxy, pixels, whole ones: where the block is; it may reach out of the picture at both sides."""
    rng = np.random.default_rng([moment.spell, 1])
    share, tall = rng.uniform(0.12, 0.3), rng.uniform(0.5, 1.0)
    top = rng.uniform(0, 1 - tall) * height
    progress = moment.progress if rng.random() < 0.5 else 1 - moment.progress
    left = -share * width + progress * (1 + share) * width
    return np.rint([left, top, left + share * width, top + tall * height])


# --- what becomes of the labels ---


def _behind(video: LabelledVideo, moments: Moments) -> Degraded:
    """Boxes stay whole; one that is nearly hidden turns into an ignore region."""
    labels = list(video.labels)
    affected: list[Labels | None] = [None] * len(video)
    for index, moment in moments.items():
        entry = video.labels[index]
        if entry is None:
            continue
        hidden = covered_fraction(entry.boxes, occluder(moment, video.width, video.height)[None])
        labels[index] = _keep(entry, hidden <= HIDDEN_IGNORED)
        partly = (hidden >= PARTLY_HIDDEN) & (hidden <= HIDDEN_IGNORED)
        if partly.any():
            affected[index] = _keep(entry, partly)
    frames = _DegradedFrames(video.frames, moments, _pass_in_front)
    return Degraded(
        replace(video, frames=frames, labels=tuple(labels)),
        replace(video, frames=frames, labels=tuple(affected)),
    )


def _keep(labels: Labels, kept: NDArray[np.bool_]) -> Labels:
    """The other boxes become ignore regions."""
    return labels.kept(kept, ~kept)


@dataclass(frozen=True, slots=True, eq=False)
class _FramesLeft:
    frames: FrameReader
    kept: NDArray[np.int64]

    @property
    def pixel_aspect(self) -> Fraction:
        """As of the frames themselves."""
        return aspect_of(self.frames)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        wanted = self.kept[start:stop].tolist()
        if not wanted:
            return
        left = set(wanted)
        for index, image in enumerate(self.frames.read(wanted[0], wanted[-1] + 1), start=wanted[0]):
            if index in left:
                yield image


def _without(video: LabelledVideo, moments: Moments) -> Degraded:
    """The frames of spells are lost, but the first one of a video stays."""
    kept = np.array([index for index in range(len(video)) if index == 0 or index not in moments])
    starts = [start for start, _ in video.segments]
    segment = np.searchsorted(starts, kept, side="right")
    lost_before = (np.diff(kept, prepend=-1) > 1) & (np.diff(segment, prepend=0) == 0)
    after = lost_before.copy()
    for step in range(1, AFFECTED_AFTER_DROP):
        after[step:] |= lost_before[:-step] & (segment[step:] == segment[:-step])
    edges = [np.searchsorted(kept, [start, stop]).tolist() for start, stop in video.segments]
    rest = replace(
        video,
        times_s=video.times_s[kept],
        labels=tuple(video.labels[index] for index in kept),
        segments=tuple((start, stop) for start, stop in edges if start < stop),
        frames=_FramesLeft(video.frames, kept),
    )
    labels = tuple(entry if bad else None for entry, bad in zip(rest.labels, after.tolist(), strict=True))
    return Degraded(rest, replace(rest, labels=labels))
