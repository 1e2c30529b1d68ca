"""Clips in folders named by their class, as arrays at the size and rate that a classifier looks at."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.errors import ConfigError, SourceError
from streamdet.frames import Frame
from streamdet.media.locations import SourceSpec, expand_sources, list_images, natural_key
from streamdet.media.read.images import read_image
from streamdet.media.read.source import open_source
from streamdet.models.classify.spec import ClassifierSpec
from streamdet.training.classify.config import ClassifyConfig

Frames = NDArray[np.uint8]
_PARTS = ("train", "val")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClip:
    """One clip.

    Attributes:
        path: where it is.
        class_id: of its class.
        frames: (N, H, W, 3) uint8 RGB, at the classifier's size and rate.
    """

    path: Path
    class_id: int
    frames: Frames

    def window(self, start: int, length: int) -> Frames:
        """(length, H, W, 3) from a frame on; where there are fewer, the first one is repeated before them."""
        frames = self.frames[start : start + length]
        return np.concatenate([np.repeat(frames[:1], length - len(frames), 0), frames])


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    class_id: int


@dataclass(frozen=True, slots=True, eq=False)
class ClipSet:
    """All clips of a data set.

    Attributes:
        classes: their names, sorted.
        train, val: to train on, and to validate on.
    """

    classes: tuple[str, ...]
    train: Sequence[LabelledClip]
    val: Sequence[LabelledClip]


def read_clips(config: ClassifyConfig, cache: Path, say: Callable[[str], None]) -> ClipSet:
    """Find and decode all clips; decoded ones are kept in a folder for the next time.

    Args:
        config: says where they are, and which are held out.
        cache: the folder.
        say: is told what there is.

    Raises:
        ConfigError: there are fewer than two classes, or a class without clips to train on.
        SourceError: a clip cannot be read.
    """
    classes, train, val = _find(config)
    spec = config.spec(classes)
    cache.mkdir(parents=True, exist_ok=True)
    read = [[LabelledClip(f.path, f.class_id, _decoded(f.path, spec, cache)) for f in part] for part in (train, val)]
    say(f"{len(classes)} classes ({', '.join(classes)}): {len(train)} clips to train on, {len(val)} to validate on")
    return ClipSet(classes, *read)


def _find(config: ClassifyConfig) -> tuple[tuple[str, ...], list[_Found], list[_Found]]:
    data = config.data
    split = (data / "train").is_dir()
    root = data / "train" if split else data
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder; expected train/CLASS/... and val/CLASS/..., or CLASS/...")
    classes = tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if len(classes) < 2:
        raise ConfigError(
            f"{root}: holds {len(classes)} folders of classes; expected two at least, each named by its class"
        )
    train, val = _clips(root, classes), _clips(data / "val", classes) if split and (data / "val").is_dir() else []
    if not val and config.hold_out:
        train, val = _split(train, len(classes), config)
    empty = [name for number, name in enumerate(classes) if all(found.class_id != number for found in train)]
    if empty:
        raise ConfigError(
            f"{root / empty[0]}: holds no clip to train on; expected videos, folders of pictures or pictures"
        )
    return classes, train, val


def _clips(root: Path, classes: tuple[str, ...]) -> list[_Found]:
    strange = [path.name for path in sorted(root.iterdir()) if path.is_dir() and path.name not in classes]
    if strange:
        raise ConfigError(f"{root / strange[0]}: is no class to train on; expected {', '.join(classes)}")
    return [
        _Found(path, number)
        for number, name in enumerate(classes)
        if (root / name).is_dir()
        for path in _members(root / name)
    ]


def _members(folder: Path) -> Iterator[Path]:
    """Its videos, folders of pictures, and pictures."""
    for path in sorted(folder.iterdir(), key=natural_key):
        if path.is_dir() and list_images(str(path)):
            yield path
    try:
        sources = expand_sources([str(folder)]) if any(path.is_file() for path in folder.iterdir()) else []
    except ConfigError:  # nothing to read
        return
    for source in sources:
        yield from list_images(source.location) if source.kind == "images" else [Path(source.location)]


def _split(found: Sequence[_Found], classes: int, config: ClassifyConfig) -> tuple[list[_Found], list[_Found]]:
    """Hold out some of each class, one at least where there are two."""
    train: list[_Found] = []
    val: list[_Found] = []
    for number in range(classes):
        own = [each for each in found if each.class_id == number]
        order = np.random.default_rng([config.seed, number]).permutation(len(own))
        held = min(max(1, round(config.hold_out * len(own))), len(own) - 1) if own else 0
        val += [own[place] for place in sorted(order[:held].tolist())]
        train += [own[place] for place in sorted(order[held:].tolist())]
    return train, val


def _decoded(path: Path, spec: ClassifierSpec, cache: Path) -> Frames:
    """The frames of a clip, from the cache where they are."""
    members = list_images(str(path)) if path.is_dir() else [path]
    stamps = [[str(each.resolve()), each.stat().st_size, each.stat().st_mtime_ns] for each in members]
    key = hashlib.sha256(json.dumps([stamps, spec.size, spec.fps]).encode()).hexdigest()[:32]
    kept = cache / f"{key}.npy"
    if not kept.is_file():
        frames = np.stack(list(_sampled(path, spec)))
        part = kept.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, frames)
        part.replace(kept)
    loaded: Frames = np.load(kept, mmap_mode="r")
    return loaded


def _sampled(path: Path, spec: ClassifierSpec) -> Iterator[Frames]:
    """Of a video the first frame of every step of 1/fps, as the stage looks at it; of pictures every one."""
    height, width = spec.size
    if path.is_dir() or (list_images(str(path)) == [path] and read_image(path) is not None):
        for each in list_images(str(path)) if path.is_dir() else [path]:
            image = read_image(each)
            if image is None:
                raise SourceError(f"{each}: is no picture that can be read; remove it, or replace it")
            yield np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        return
    moment = -1
    with open_source(SourceSpec(str(path), path.stem, "file")) as source:
        for item in source:
            if isinstance(item, Frame) and floor(item.pts_s * spec.fps + 1e-6) != moment:
                moment = floor(item.pts_s * spec.fps + 1e-6)
                yield item.picture.scaled(width, height)
