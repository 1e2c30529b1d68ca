"""What a labelled set holds, and what looks wrong in it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from os.path import isfile
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from streamdet.boxes import box_iou
from streamdet.datasets.frames import ImageFiles, VideoFile
from streamdet.datasets.labels import LabelledSet, LabelledVideo, Labels

# COCO's limits: an area below 32 x 32 is small, below 96 x 96 medium.
SIZES = ("small", "medium", "large")
_AREAS = (32.0**2, 96.0**2)
_SAME_IOU = 0.9
_LEAST_SIDE = 3.0


def describe(labelled: LabelledSet) -> dict[str, Any]:
    """Count what is there, and what a person should look at.

    Returns:
        name, videos, frames, annotated_frames, empty_frames (annotated, without a box), gaps (breaks in time within
        videos), seconds, identities, ignore_regions, picture_sizes ("640x360": videos), classes (name: boxes by size
        and videos in which it is labelled), notes (how the files were understood), and wrong: a list of what, how
        often, and where it was first seen.
    """
    entries = [labels for video in labelled.videos for labels in video.labels if labels is not None]
    frames = sum(len(video) for video in labelled.videos)
    return {
        "name": labelled.name,
        "videos": len(labelled.videos),
        "frames": frames,
        "annotated_frames": len(entries),
        "empty_frames": sum(not len(labels.boxes) for labels in entries),
        "gaps": sum(len(video.segments) - 1 for video in labelled.videos),
        "seconds": round(sum(float(video.times_s[-1] - video.times_s[0]) for video in labelled.videos), 3),
        "identities": sum(len(_identities(video)) for video in labelled.videos),
        "ignore_regions": sum(len(labels.ignore) for labels in entries),
        "picture_sizes": dict(Counter(f"{video.width}x{video.height}" for video in labelled.videos)),
        "classes": _count_boxes(labelled, entries),
        "notes": list(labelled.notes),
        "wrong": _find_wrong(labelled),
    }


def description_table(description: dict[str, Any]) -> Group:
    """What `describe` found, for a terminal."""
    facts = Table("", "", title=description["name"], show_header=False)
    for key in (
        "videos",
        "frames",
        "annotated_frames",
        "empty_frames",
        "gaps",
        "seconds",
        "identities",
        "ignore_regions",
    ):
        facts.add_row(key.replace("_", " "), f"{description[key]:,}")
    facts.add_row("picture sizes", ", ".join(f"{size} ({n})" for size, n in description["picture_sizes"].items()))
    classes = Table("class", *SIZES, "boxes", "labelled in videos", title="Boxes by size")
    for name, counts in description["classes"].items():
        classes.add_row(name, *(f"{counts[key]:,}" for key in (*SIZES, "boxes", "labelled_in")))
    wrong = Table("what looks wrong", "times", "first seen")
    for finding in description["wrong"]:
        wrong.add_row(finding["what"], f"{finding['times']:,}", finding["first"])
    notes = [f"note: {note}" for note in description["notes"]]
    return Group(facts, classes, *notes, wrong if description["wrong"] else "Nothing looks wrong.")


def _count_boxes(labelled: LabelledSet, entries: list[Labels]) -> dict[str, dict[str, int]]:
    counts = np.zeros((len(labelled.classes), len(SIZES)), np.int64)
    for labels in entries:
        sides = labels.boxes[:, 2:] - labels.boxes[:, :2]
        np.add.at(counts, (labels.class_ids, np.digitize(sides.prod(axis=1), _AREAS)), 1)
    return {
        name: {
            **dict(zip(SIZES, counts[index].tolist(), strict=True)),
            "boxes": int(counts[index].sum()),
            "labelled_in": sum(index in video.labelled for video in labelled.videos),
        }
        for index, name in enumerate(labelled.classes)
    }


def _identities(video: LabelledVideo) -> dict[int, set[int]]:
    """Classes of every identity."""
    classes: dict[int, set[int]] = defaultdict(set)
    for labels in video.labels:
        if labels is not None:
            for track, class_id in zip(labels.track_ids.tolist(), labels.class_ids.tolist(), strict=True):
                if track >= 0:
                    classes[track].add(class_id)
    return classes


def _find_wrong(labelled: LabelledSet) -> list[dict[str, Any]]:
    findings: dict[str, dict[str, Any]] = {}
    for what, where, times in (*_wrong_classes(labelled), *(f for video in labelled.videos for f in _wrong_in(video))):
        finding = findings.setdefault(what, {"what": what, "times": 0, "first": where})
        finding["times"] += times
    return list(findings.values())


def _wrong_classes(labelled: LabelledSet) -> Iterator[tuple[str, str, int]]:
    used = {i for video in labelled.videos for labels in video.labels if labels for i in labels.class_ids.tolist()}
    seen: dict[str, str] = {}
    for index, name in enumerate(labelled.classes):
        if index not in used:
            yield "classes without a box", name, 1
        if not any(letter.isalpha() for letter in name):
            yield "class names without letters", repr(name), 1
        twin = seen.setdefault("".join(filter(str.isalnum, name.lower())), name)
        if twin != name:
            yield "class names that differ only in case or spacing", f"{twin!r} and {name!r}", 1


def _wrong_in(video: LabelledVideo) -> Iterator[tuple[str, str, int]]:
    for what, times in video.faults.items():
        yield what, video.name, times
    if all(labels is None for labels in video.labels):
        yield "videos without an annotated frame", video.name, 1
    yield from _wrong_pictures(video)
    for frame, labels in enumerate(video.labels):
        if labels is not None and len(labels.boxes):
            for what, times in _wrong_boxes(labels):
                if times:
                    yield what, f"{video.name} frame {frame}", times
    for track, classes in _identities(video).items():
        if len(classes) > 1:
            yield "identities with more than one class", f"{video.name} identity {track}", 1


def _wrong_pictures(video: LabelledVideo) -> Iterator[tuple[str, str, int]]:
    if isinstance(video.frames, ImageFiles):
        missing = [path for path in video.frames.paths if not isfile(path)]
        if missing:
            yield "frames without a picture", str(missing[0]), len(missing)
    if isinstance(video.frames, VideoFile):
        more = len(video.frames.times_s) - len(video)
        if more < 0:
            yield "frames without a picture", f"{video.frames.path} ends after {len(video) + more} frames", -more
        elif more > 0:
            yield "frames of a video that its labels do not reach", str(video.frames.path), more


def _wrong_boxes(labels: Labels) -> Iterator[tuple[str, int]]:
    sides = labels.boxes[:, 2:] - labels.boxes[:, :2]
    yield f"boxes narrower than {_LEAST_SIDE:g} pixels", int((sides.min(axis=1) < _LEAST_SIDE).sum())
    same = (box_iou(labels.boxes, labels.boxes) > _SAME_IOU) & (labels.class_ids[:, None] == labels.class_ids)
    yield "objects with two boxes", int(np.triu(same, k=1).sum())
    tracks = labels.track_ids[labels.track_ids >= 0]
    yield "identities twice in a frame", len(tracks) - len(np.unique(tracks))
