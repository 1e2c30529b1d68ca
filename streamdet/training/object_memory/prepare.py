"""From a recipe to what the object memory is trained on."""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamdet.datasets.labels import LabelledVideo
from streamdet.datasets.link import link_boxes
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.evaluation.predict import OBJECTS, predict
from streamdet.models.contract import Detector
from streamdet.tracking.memory.network import Looks
from streamdet.training.object_memory.clips import Found, TrackedClip, classes_alike, embeddings_of_objects
from streamdet.training.object_memory.config import MemoryConfig
from streamdet.training.object_memory.degrade import Degrading
from streamdet.training.object_memory.looks import LookFit, fit_looks
from streamdet.training.object_memory.sequences import UNKNOWN, Columns, sequences
from streamdet.training.prepare import open_part, outside


def open_clips(config: MemoryConfig, detector: Detector, cache: Path, say: Callable[[str], None]) -> list[TrackedClip]:
    """The videos of a recipe without what is held out, and what the detector finds in them.

    Args:
        config: the recipe.
        detector: runs over every video once; what it finds is kept in the cache.
        cache: a folder.
        say: called with a line for each step of the work.

    Raises:
        ConfigError: there is nothing to train on, or a set labels none of the detector's classes.
    """
    clips = []
    alike = classes_alike(detector.spec.classes, OBJECTS.exclusive)
    for part in config.sets:
        if part.role == "validate":
            continue
        labelled = open_part(part, config.data, detector.spec.classes)
        for video in labelled.videos:
            for kept in outside(video, part.hold_out.get(video.name)):
                if len(kept) > 1 and any(labels is not None for labels in kept.labels):
                    found = found_in(detector, kept, cache, say)
                    clips.append(TrackedClip(link_boxes(kept), [Found.of(each) for each in found], alike))
    if not clips:
        raise ConfigError("the sets have no labelled video to train on; stills teach a memory nothing")
    return clips


def fit_look(clips: Sequence[TrackedClip]) -> LookFit | None:
    """How the objects of clips are told apart; None where the detector gives no embeddings, or sees too few."""
    embeddings, objects = embeddings_of_objects(clips)
    if embeddings.shape[1] == 0 or len(np.unique(objects)) < 2 * embeddings.shape[1]:
        return None
    return fit_looks(embeddings, objects)


def columns_of(clips: Sequence[TrackedClip], config: MemoryConfig, looks: Looks | None) -> Columns:
    """All tracks: of each video as it is, at lower rates, and made worse."""
    parts: list[Columns] = []
    for clip in clips:
        slower = (sequences(clip, stride=stride, min_px=config.min_px, looks=looks) for stride in config.strides)
        parts.extend(_limited(columns, config.max_steps) for columns in slower)
        for copy in range(config.copies):
            rng = np.random.default_rng([config.fit.seed, zlib.crc32(clip.video.name.encode()), copy])
            worse = sequences(clip, how=Degrading.drawn(rng), rng=rng, min_px=config.min_px, looks=looks)
            parts.append(_limited(worse, config.max_steps))
    columns = Columns.joined(parts)
    if looks is None:  # too few objects to learn from how they look
        columns = replace(columns, embeddings=columns.embeddings[:, :0])
    if not (columns.state != UNKNOWN).any():
        raise ConfigError("the detector finds nothing that the sets label: there is nothing to learn")
    return columns


def _limited(columns: Columns, max_steps: int) -> Columns:
    """Tracks of which something is known, as many as make up max_steps at most."""
    starts = np.flatnonzero(columns.starts)
    track = np.cumsum(columns.starts) - 1
    known = np.bincount(track, columns.state != UNKNOWN, len(starts)) >= 2
    order = np.random.default_rng(len(columns)).permutation(len(starts))
    lengths = np.bincount(track, minlength=len(starts))[order] * known[order]
    known[order[np.cumsum(lengths) > max_steps]] = False
    return columns.rows(known[track])


def found_in(detector: Detector, video: LabelledVideo, cache: Path, say: Callable[[str], None]) -> list[Detections]:
    """What the detector finds in a video, each frame for itself; from the cache where it is there."""
    key = hashlib.sha256(f"{detector.spec.name} {detector.spec.sha256} {video.name} {len(video)}".encode()).hexdigest()
    path = cache / f"{key[:16]}.npz"
    if not path.is_file():
        say(f"{video.name}: finding objects in {len(video)} frames")
        _save(path, predict(detector, video, memory="reset", options=OBJECTS).detections)
    return _load(path, detector.spec.classes)


_COLUMNS = ("boxes", "scores", "class_ids", "class_scores", "embeddings")


def _save(path: Path, found: Sequence[Detections]) -> None:
    whole = Detections.concatenate(found)
    columns = {name: column for name, column in whole.columns().items() if name in _COLUMNS}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    columns["counts"] = np.array([len(each) for each in found])
    np.savez_compressed(partial, **columns)  # type: ignore[arg-type]
    partial.replace(path)


def _load(path: Path, classes: Sequence[str]) -> list[Detections]:
    with np.load(path) as file:
        columns = {name: file[name] for name in file.files}
    ends = np.cumsum(columns.pop("counts"))
    whole = Detections.of(classes=classes, **columns)
    return [whole[start:stop] for start, stop in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)]
