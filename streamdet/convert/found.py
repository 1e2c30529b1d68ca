"""What is converted: results of a file of JSON Lines, or the labels of a set, one frame at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from streamdet.convert.shapes import columns_of
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.open_set import holds_labels, open_set
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.frames import Frame
from streamdet.result import Result
from streamdet.sinks.read_jsonl import NoPicture, read_frames, read_lines, skeleton_in
from streamdet.skeleton import Skeleton

_MICROSECOND = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Found:
    """Frames with their boxes, without pictures.

    Attributes:
        model: what has found them, as JSON Lines say it.
        model_sha256: of its file; None where it is not known.
        classes: names of the classes.
        sources: names of the sources.
        results: gives them, again at every call; memory does not grow with their number.
        skeleton: of keypoints, where there are some.
    """

    model: str
    model_sha256: str | None
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    results: Callable[[], Iterator[Result]]
    skeleton: Skeleton | None = None

    def of(self, source: str | None) -> "Found":
        """What belongs to one source; all where it is None.

        Raises:
            ConfigError: there is no such source.
        """
        if source is None:
            return self
        if source not in self.sources:
            raise ConfigError(f"--source {source}: expected one of {', '.join(self.sources)}")

        def results() -> Iterator[Result]:
            return (result for result in self.results() if result.source == source)

        return replace(self, sources=(source,), results=results)

    def single(self, kind: str) -> str:
        """The name of the only source.

        Raises:
            ConfigError: there are several.
        """
        if len(self.sources) != 1:
            names = ", ".join(self.sources)
            raise ConfigError(
                f"{kind} holds one video, got {len(self.sources)} sources; choose one by --source: {names}"
            )
        return self.sources[0]


def open_found(path: Path, split: str | None = None) -> Found:
    """Look into a file of JSON Lines, or a labelled set.

    Args:
        path: of it.
        split: of a labelled set.

    Raises:
        ConfigError: it is neither, or cannot be read.
    """
    if path.suffix.lower() == ".jsonl":
        return _of_lines(path)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder; expected JSON Lines (.jsonl) or a labelled set")
    if not holds_labels(path):
        raise ConfigError(f"{path}: holds no labels; expected JSON Lines (.jsonl), or a labelled set as eval reads it")
    return _of_set(open_set(path, split))


def _of_lines(path: Path) -> Found:
    for number, line in read_lines(path):
        if line["type"] != "run" or not isinstance(line.get("classes"), list) or not line.get("sources"):
            raise ConfigError(f"{path}:{number}: expected the line of the run, with classes and sources")
        return Found(
            str(line.get("model")),
            line.get("model_sha256"),
            tuple(map(str, line["classes"])),
            tuple(map(str, line["sources"])),
            lambda: read_frames(path),
            skeleton_in(line),
        )
    raise ConfigError(f"{path}: is empty")


def _of_set(labelled: LabelledSet) -> Found:
    names = tuple(video.name for video in labelled.videos)

    def results() -> Iterator[Result]:
        for video in labelled.videos:
            yield from _results_of(video, labelled.classes)

    return Found("labels", None, labelled.classes, names, results)


def _results_of(video: LabelledVideo, classes: tuple[str, ...]) -> Iterator[Result]:
    picture = NoPicture(video.width, video.height, Path(video.name))
    for number, (time_s, labels) in enumerate(zip(video.times_s.tolist(), video.labels, strict=True)):
        if labels is None:
            continue
        frame = Frame(video.name, 0, number, round(time_s / _MICROSECOND), _MICROSECOND, picture)
        scores = np.ones(len(labels.boxes))
        shapes = columns_of(labels)
        found = Detections.of(labels.boxes, scores, labels.class_ids, classes, labels.track_ids, **shapes)
        yield Result(frame, found)
