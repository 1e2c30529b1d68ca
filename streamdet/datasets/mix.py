"""Several sets as one: a common list of classes, and how often each is drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledSet, LabelledVideo, Labels
from streamdet.datasets.marks import IGNORE
from streamdet.errors import ConfigError

# What the public sets call the classes of street scenes. A cyclist's box holds the bicycle, too, so that it is
# neither a person nor none: nothing counts there.
COMMON_NAMES: Mapping[str, str] = {
    "pedestrian": "person",
    "people": "person",
    "rider": "person",
    "sitting person": "person",
    "cyclist": IGNORE,
    "van": "car",
    "motor": "motorcycle",
    "motorbike": "motorcycle",
    "tricycle": IGNORE,
    "awning-tricycle": IGNORE,
}

_GONE, _IGNORED = -1, -2


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """Videos of several sets that share a list of classes.

    Attributes:
        classes: the common list.
        videos: of all sets, in their order.
        probabilities: (V,) float64, how often each video is drawn, sum 1: the weight of its set, shared among the
            set's videos by their annotated frames.
    """

    classes: tuple[str, ...]
    videos: tuple[LabelledVideo, ...]
    probabilities: NDArray[np.float64]


def mix(sets: Sequence[LabelledSet], weights: Sequence[float]) -> Mix:
    """Mix sets whose classes were mapped to one list.

    Args:
        sets: at least one, all with the same classes.
        weights: one a set, above 0; relative to each other.

    Raises:
        ConfigError: if a weight is not above 0, or a set has no annotated frame.
        ValueError: if the classes differ, or there are not as many weights as sets.
    """
    if len({labelled.classes for labelled in sets}) != 1 or len(weights) != len(sets):
        raise ValueError("a mix needs sets of equal classes, and a weight for each")
    shares = []
    for labelled, weight in zip(sets, weights, strict=True):
        frames = np.array([sum(entry is not None for entry in video.labels) for video in labelled.videos], np.float64)
        if not 0 < weight < math.inf:
            raise ConfigError(f"{labelled.name}: weight {weight}, expected a number above 0")
        if not frames.sum():
            raise ConfigError(f"{labelled.name}: has no labelled frame for training or evaluation")
        shares.append(weight / sum(weights) * frames / frames.sum())
    return Mix(
        classes=sets[0].classes,
        videos=tuple(video for labelled in sets for video in labelled.videos),
        probabilities=np.concatenate(shares),
    )


def map_classes(labelled: LabelledSet, classes: Sequence[str], names: Mapping[str, str] | None = None) -> LabelledSet:
    """The set with another list of classes.

    A class that is not in the list goes, unless `names` says which class it is, or `ignore`: then its boxes become
    regions in which nothing counts. A class of the list is labelled where all classes that it came from are.

    Args:
        labelled: the set.
        classes: the new list.
        names: the set's name to the new one; None for COMMON_NAMES as far as they fit, whatever the case.

    Raises:
        ConfigError: if names has a class that the set has not, or leads to one that the list has not.
    """
    if names is None:
        names = _common_names(labelled.classes, classes)
    for old, new in names.items():
        if old not in labelled.classes or new not in (*classes, IGNORE):
            raise ConfigError(
                f"{labelled.name}: cannot map {old!r} to {new!r}: it has {', '.join(labelled.classes)}; "
                f"they can become {', '.join(classes)} or {IGNORE}"
            )
    targets = [names.get(name, name) for name in labelled.classes]
    indices = {name: index for index, name in enumerate(classes)} | {IGNORE: _IGNORED}
    lookup = np.array([indices.get(target, _GONE) for target in targets], np.int64)
    videos = tuple(_map_video(video, lookup, len(classes)) for video in labelled.videos)
    return replace(labelled, classes=tuple(classes), videos=videos)


def _common_names(old_classes: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    names = {}
    for old in old_classes:
        new = COMMON_NAMES.get(old.lower(), old.lower())
        if old not in classes and new in (*classes, IGNORE):
            names[old] = new
    return names


def _map_video(video: LabelledVideo, lookup: NDArray[np.int64], classes: int) -> LabelledVideo:
    origins = [np.flatnonzero(lookup == index).tolist() for index in range(classes)]
    return replace(
        video,
        labels=tuple(None if labels is None else _map_labels(labels, lookup) for labels in video.labels),
        labelled=frozenset(i for i, old in enumerate(origins) if old and video.labelled.issuperset(old)),
    )


def _map_labels(labels: Labels, lookup: NDArray[np.int64]) -> Labels:
    new = lookup[labels.class_ids]
    kept = new >= 0
    return replace(labels.kept(kept, new == _IGNORED), class_ids=new[kept])
