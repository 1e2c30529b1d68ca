"""Run several detectors over a video, and follow its camera: one pass, kept on disk piece by piece.

Every frame is looked at by itself, without recurrent state: time is what hindsight adds, in both directions.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.frames import VideoFile
from streamdet.detections import Detections
from streamdet.errors import SinkError
from streamdet.frames import Image, RgbPicture
from streamdet.hindsight.found import Found
from streamdet.hindsight.names import Names
from streamdet.models.contract import Detector
from streamdet.models.options import DetectOptions
from streamdet.runtimes.letterbox import shrink
from streamdet.tracking.camera_motion import CameraMotion

Floats = NDArray[np.float64]

PIECE_FRAMES = 256
LOWEST_SCORE = 0.02
_BATCH_FRAMES = 8
_MAX_DETECTIONS = 100


@dataclass(frozen=True, slots=True)
class Teacher:
    """One of the detectors that look.

    Attributes:
        detector: it.
        weight: of its boxes and scores among those of the others; 0 for one that only names what others find.
        image_size: longer side of the model image, or its (height, width), pixels; the detector's own when None.
    """

    detector: Detector
    weight: float = 1.0
    image_size: int | tuple[int, int] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what it finds."""
        return self.detector.spec.classes


def names_of(teachers: Sequence[Teacher]) -> Names:
    """The classes of all teachers; one of weight 0 only names what others find."""
    finders, voters = ([each.classes for each in teachers if bool(each.weight) == finds] for finds in (True, False))
    return Names.of(finders, voters)


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """What is known of a clip of F frames before it is labelled.

    Attributes:
        size: width and height of the frames, pixels.
        times_s: (F,) float64, seconds, ascending.
        camera: (F, 2, 3) float64, affine maps of places, pixels, from the frame before to each frame.
        found: what each teacher found.
    """

    size: tuple[int, int]
    times_s: Floats
    camera: Floats
    found: tuple[Found, ...]


class Pieces:
    """What was found in a video so far, in a folder: a run that was stopped continues after the last whole piece.

    Attributes:
        frames: how many frames the pieces hold.
    """

    def __init__(self, folder: Path, teachers: int) -> None:
        """Count the pieces that are in a folder without a gap; it need not be there."""
        self._folder, self._teachers, self._count, self.frames = folder, teachers, 0, 0
        while piece := self._load(self._count):
            self._count += 1
            self.frames += len(piece[0])

    @classmethod
    def of(cls, folder: Path, video: Path, teachers: Sequence[Teacher]) -> "Pieces":
        """Those of this content of the video and these teachers, below a folder: others have a folder of their own."""
        state = video.stat()
        looks = [[*map(str, (each.detector.spec, each.image_size))] for each in teachers]
        facts = json.dumps([str(video.resolve()), state.st_size, state.st_mtime_ns, looks])
        return cls(folder / f"{video.stem}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}", len(teachers))

    def add(self, camera: Floats, found: Sequence[Found]) -> None:
        """Add a piece; it is there whole or not at all.

        Raises:
            SinkError: if it cannot be written.
        """
        arrays: dict[str, Any] = {}
        for index, each in enumerate(found):
            arrays |= each.to_arrays(str(index))
        part = self._folder / "part.npz"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            np.savez(part, camera=camera, **arrays)
            part.replace(self._path(self._count))
        except OSError as error:
            raise SinkError(f"{self._folder}: cannot be written: {error.strerror}") from None
        self._count += 1
        self.frames += len(camera)

    def footage(self, video: VideoFile) -> Footage:
        """All of it."""
        pieces = [piece for index in range(self._count) if (piece := self._load(index))]
        camera = np.concatenate([np.zeros((0, 2, 3)), *(camera for camera, _ in pieces)])
        found = (Found.join(found[index] for _, found in pieces) for index in range(self._teachers))
        return Footage(video.size, video.times_s, camera, tuple(found))

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.npz"

    def _load(self, index: int) -> tuple[Floats, list[Found]] | None:
        """A piece; None where there is none, or a power cut damaged it."""
        try:
            with self._path(index).open("rb") as file, np.load(file) as arrays:
                return arrays["camera"], [Found.from_arrays(arrays, str(each)) for each in range(self._teachers)]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None


def look(
    video: VideoFile, teachers: Sequence[Teacher], exclusive: tuple[tuple[str, ...], ...], pieces: Pieces
) -> Iterator[int]:
    """Run the teachers over the frames of a video that the pieces do not hold, and add them.

    Args:
        video: it.
        teachers: one at least.
        exclusive: groups of class names of which an object has one.
        pieces: of this video and these teachers.

    Yields:
        the number of each frame when it is done.

    Raises:
        ConfigError: if a frame cannot be decoded.
        SourceError: if the video cannot be read.
        ModelError: if a detector fails.
        SinkError: if a piece cannot be written.
    """
    options = DetectOptions(conf=LOWEST_SCORE, iou=0.6, exclusive=exclusive, max_detections=_MAX_DETECTIONS)
    frames, motion = len(video.times_s), CameraMotion()
    images = video.read(max(pieces.frames - 1, 0), frames)
    if 0 < pieces.frames < frames:
        motion.step(next(images))
    while pieces.frames < frames:
        camera: list[Floats] = []
        lists: list[list[Detections]] = [[] for _ in teachers]
        for batch in _batches(islice(images, PIECE_FRAMES)):
            for teacher, found in zip(teachers, lists, strict=True):
                found.extend(_find(teacher, batch, video.size, options))
            for image in batch:
                camera.append(motion.step(image))
                yield pieces.frames + len(camera) - 1
        pieces.add(np.stack(camera), [Found.of(each) for each in lists])


def _batches(images: Iterable[Image]) -> Iterator[list[Image]]:
    images = iter(images)
    while batch := list(islice(images, _BATCH_FRAMES)):
        yield batch


def _find(teacher: Teacher, images: Sequence[Image], size: tuple[int, int], options: DetectOptions) -> list[Detections]:
    spec = teacher.detector.spec.input
    letterbox = spec.letterbox(*size, teacher.image_size)
    shrunk = np.empty((len(images), letterbox.model_height, letterbox.model_width, 3), np.uint8)
    for image, out in zip(images, shrunk, strict=True):
        shrink(RgbPicture(image), letterbox, spec.padding, out)
    outputs, _ = teacher.detector.step(np.ascontiguousarray(shrunk.transpose(0, 3, 1, 2))[:, None])
    return [each.with_boxes(letterbox.restore(each.boxes)) for (each,) in outputs.detections(options)]
