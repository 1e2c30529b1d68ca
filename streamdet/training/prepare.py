"""From a recipe to footage: sets opened, cut, linked, completed by the teacher, and kept for evaluation."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamdet.datasets.cut import cut
from streamdet.datasets.labels import LabelledSet, LabelledVideo, Labels
from streamdet.datasets.link import link_boxes
from streamdet.datasets.mix import map_classes
from streamdet.datasets.numbering import Order
from streamdet.datasets.open_set import open_set
from streamdet.errors import ConfigError
from streamdet.runtimes.torch import TorchDetector
from streamdet.training.config import AnyRecipe, SetConfig, TrainingConfig
from streamdet.training.footage import Footage, IgnoreRule
from streamdet.training.initialise import open_teacher
from streamdet.training.opinion import Teacher
from streamdet.training.synthetic import synthetic_set
from streamdet.training.teacher import add_teacher_labels


def open_footage(config: AnyRecipe, cache: Path, say: Callable[[str], None]) -> list[Footage]:
    """Everything to train on, without the held-out frames.

    Args:
        cache: folder for decoded frames and the teacher's opinion.
        say: called with a line for each step of the work.

    Raises:
        ConfigError: if there is nothing to train on, or a set labels none of the classes.
        SinkError: if the cache cannot be written.
    """
    footages = []
    teacher = _open_teacher(config, cache)
    for part in config.sets:
        if part.role == "validate":
            continue
        labelled = open_part(part, config.data, config.model.classes)
        for note in labelled.notes:
            say(f"{part.name}: {note}")
        kept = [kept for video in labelled.videos for kept in outside(video, part.hold_out.get(video.name))]
        if not any(labels is not None for video in kept for labels in video.labels):
            raise ConfigError(f"set {part.name}: has no labelled frame to train on")
        videos = tuple(link_boxes(video) for video in kept)
        if teacher is not None:
            say(f"{part.name}: running the teacher on {sum(len(v) for v in videos)} frames")
            videos = tuple(add_teacher_labels(v, teacher.ask(part.name, v), labelled.classes) for v in videos)
        say(f"{part.name}: caching frames")
        rule = IgnoreRule(part.ignore_below_px, part.ignore_areas)
        named = replace(labelled, name=part.name, videos=videos)
        footages.append(Footage(named, cache, weight=part.weight, rule=rule))
    if config.scenes is not None:
        say(f"scenes: rendering {config.scenes.clips} clips")
        options = config.scenes.model_dump(exclude={"weight"})
        scenes = map_classes(synthetic_set(cache, **options), config.model.classes)
        footages.append(Footage(scenes, cache, weight=config.scenes.weight))
    if not footages:
        raise ConfigError("no set has the role train, and there are no scenes: nothing to train on")
    return footages


def open_validation(config: AnyRecipe) -> Mapping[str, LabelledSet]:
    """What is kept for evaluation, by the set's name; small objects and bad areas are ignore regions there."""
    kept = {}
    for part in config.sets:
        labelled = open_part(part, config.data, config.model.classes)
        if part.role == "validate":
            videos = list(labelled.videos)
        else:
            videos = [cut(v, *part.hold_out[v.name]) for v in labelled.videos if v.name in part.hold_out]
        if videos:
            judged = tuple(_with_ignore(link_boxes(video), part) for video in videos)
            kept[part.name] = replace(labelled, name=part.name, videos=judged)
    return kept


def open_part(part: SetConfig, data: Path, classes: Sequence[str]) -> LabelledSet:
    """A set of a recipe, with these classes.

    Args:
        part: the set.
        data: the folder that its path is relative to.
        classes: the detector's.

    Raises:
        ConfigError: it cannot be read, labels none of the classes, or has no video that hold_out names.
    """
    labelled = open_set(data / part.path, part.split, order=Order(part.stills, part.fps))
    unknown = sorted(set(part.hold_out) - {video.name for video in labelled.videos})
    if unknown:
        there = ", ".join(sorted(video.name for video in labelled.videos)[:5])
        raise ConfigError(f"set {part.name}: hold_out names {', '.join(unknown)}; its videos are {there}")
    mapped = map_classes(labelled, classes, part.class_names)
    if not any(video.labelled for video in mapped.videos):
        raise ConfigError(
            f"set {part.name}: labels {', '.join(labelled.classes)}, none of which is a class of the model; "
            f"class_names says which of {', '.join(classes)} each of them is"
        )
    return mapped


def outside(video: LabelledVideo, held: tuple[int, int] | None) -> list[LabelledVideo]:
    """What is left of a video without the frames (start, stop) that are held out."""
    if held is None:
        return [video]
    start, stop, _ = slice(*held).indices(len(video))
    parts = [(0, start), (stop, len(video))]
    return [replace(cut(video, a, b), name=f"{video.name}[{a}:{b}]") for a, b in parts if a < b]


def _with_ignore(video: LabelledVideo, part: SetConfig) -> LabelledVideo:
    size = np.array([video.width, video.height] * 2, np.float32)
    areas = np.array(part.ignore_areas, np.float32).reshape(-1, 4) * size

    def judged(labels: Labels) -> Labels:
        sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]).min(axis=1, initial=np.inf)
        kept = sides >= part.ignore_below_px
        fewer = labels.kept(kept, ~kept)
        return replace(fewer, ignore=np.concatenate([fewer.ignore, areas]))

    return replace(video, labels=tuple(None if labels is None else judged(labels) for labels in video.labels))


def _open_teacher(config: AnyRecipe, cache: Path) -> Teacher | None:
    if not isinstance(config, TrainingConfig) or config.teacher is None:
        return None
    detector = open_teacher(config.teacher, config.model, data=config.data)
    weights = hashlib.sha256()
    for tensor in detector.state_dict().values():
        weights.update(tensor.numpy().tobytes())
    return Teacher(TorchDetector(detector), weights.hexdigest(), cache)
