"""Clips of the synthetic street as labelled footage."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledSet, LabelledVideo, Labels
from streamdet.frames import Image
from streamdet.scenes.scene import CLASSES, SceneSpec, render

RATES = (Fraction(5), Fraction(10), Fraction(15), Fraction(25))
_SEEN_SHARE = 0.3
"""An object is labelled if at least this fraction of it is visible."""
_REMEMBERED_SHARE = 0.05
"""An object that was clearly visible a moment ago is labelled down to this fraction: memory is for that."""
_REMEMBERED_S = 1.5
_SMALLEST_PX = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    images: NDArray[np.uint8]

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        yield from self.images[start:stop]


def synthetic_set(
    folder: Path, *, clips: int, frames: int, width: int, height: int, seed: int, rates: Sequence[Fraction] = RATES
) -> LabelledSet:
    """Render clips, or take them from an earlier rendering.

    Args:
        folder: keeps what was rendered.
        clips: how many, of different streets, cameras, light and frame rates.
        frames: of each.
        width, height: pixels.
        seed: of the first clip; the others follow.
        rates: frames a second, in turn.
    """
    videos = []
    for number in range(clips):
        spec = SceneSpec(seed=seed + number, width=width, height=height, frames=frames, fps=rates[number % len(rates)])
        path = folder / f"scene-{hashlib.sha256(repr(spec).encode()).hexdigest()[:16]}.npz"
        if not path.is_file():
            _render(spec, path)
        videos.append(_labelled(path, f"scene {spec.seed}", spec))
    return LabelledSet("scenes", CLASSES, tuple(videos))


def _render(spec: SceneSpec, path: Path) -> None:
    columns: dict[str, list[NDArray[Any]]] = {}
    images, counts = [], []
    for frame in render(spec):
        images.append(frame.image)
        counts.append(len(frame.boxes))
        for name in ("boxes", "visible_fraction", "class_ids", "track_ids"):
            columns.setdefault(name, []).append(getattr(frame, name))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        joined: dict[str, Any] = {name: np.concatenate(rows) for name, rows in columns.items()}
        np.savez(file, images=np.stack(images), counts=np.array(counts), **joined)
    part.replace(path)


def _labelled(path: Path, name: str, spec: SceneSpec) -> LabelledVideo:
    with np.load(path, allow_pickle=False) as file:
        data = {key: file[key] for key in file.files}
    ends = np.cumsum(data["counts"])
    seen_at: dict[int, float] = {}
    labels = []
    for index, (start, stop) in enumerate(zip(ends - data["counts"], ends, strict=True)):
        rows = {key: data[key][start:stop] for key in ("boxes", "visible_fraction", "class_ids", "track_ids")}
        labels.append(_labels(rows, index / float(spec.fps), seen_at))
    return LabelledVideo(
        name=name,
        width=spec.width,
        height=spec.height,
        times_s=np.arange(spec.frames) / float(spec.fps),
        labels=tuple(labels),
        labelled=frozenset(range(len(CLASSES))),
        segments=((0, spec.frames),),
        frames=_Pictures(data["images"]),
    )


def _labels(rows: dict[str, NDArray[Any]], time_s: float, seen_at: dict[int, float]) -> Labels:
    boxes, share = np.asarray(rows["boxes"], np.float32), np.asarray(rows["visible_fraction"], np.float32)
    tracks = np.asarray(rows["track_ids"], np.int64)
    recently = np.array([time_s - seen_at.get(int(t), -np.inf) <= _REMEMBERED_S for t in tracks], bool)
    for track in tracks[share >= 2 * _SEEN_SHARE]:
        seen_at[int(track)] = time_s
    large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= _SMALLEST_PX
    marked = large & ((share >= _SEEN_SHARE) | (recently & (share >= _REMEMBERED_SHARE)))
    return Labels(
        boxes=boxes[marked],
        class_ids=np.asarray(rows["class_ids"], np.int64)[marked],
        track_ids=tracks[marked],
        ignore=boxes[~marked & (share > 0)],
    )
