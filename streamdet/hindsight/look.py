"""Run several detectors over a video, and follow its camera: one pass, kept on disk piece by piece.

Every frame is looked at by itself, without recurrent state: time is what hindsight adds, in both directions.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.frames import VideoFile
from streamdet.detections import Detections
from streamdet.frames import Image, RgbPicture
from streamdet.hindsight.found import Found
from streamdet.models.contract import Detector
from streamdet.models.options import DetectOptions
from streamdet.runtimes.letterbox import shrink
from streamdet.tracking.camera_motion import CameraMotion

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
    times_s: NDArray[np.float64]
    camera: NDArray[np.float64]
    found: tuple[Found, ...]


@dataclass(slots=True)
class Pieces:
    """Finished pieces of a video in a folder, so that a run that was stopped continues; None keeps nothing."""

    folder: Path | None
    count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Count the pieces that are there without a gap."""
        while self.folder is not None and _readable(self.path(self.count)):
            self.count += 1

    @classmethod
    def beside(cls, folder: Path, video: Path, teachers: Sequence[Teacher]) -> "Pieces":
        """Those of this content of the video and these teachers: others have another folder."""
        state = video.stat()
        looks = [(each.detector.spec.name, each.detector.spec.sha256, each.image_size) for each in teachers]
        facts = json.dumps([str(video.resolve()), state.st_size, state.st_mtime_ns, looks])
        return cls(folder / f"{video.stem}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}")

    def path(self, index: int) -> Path:
        """Where a piece lies."""
        return (self.folder or Path()) / f"{index:06d}.npz"

    def save(self, camera: NDArray[np.float64], found: Sequence[Found]) -> None:
        """Add a piece; it is there whole or not at all."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / "part.npz"
        arrays: dict[str, Any] = {
            name: array for index, each in enumerate(found) for name, array in each.to_arrays(str(index)).items()
        }
        np.savez(part, camera=camera, **arrays)
        part.replace(self.path(self.count))
        self.count += 1

    def load(self, teachers: int) -> Iterator[tuple[NDArray[np.float64], list[Found]]]:
        """All pieces, in order."""
        for index in range(self.count):
            with np.load(self.path(index)) as arrays:
                yield arrays["camera"], [Found.from_arrays(arrays, str(teacher)) for teacher in range(teachers)]


def look(
    video: VideoFile,
    teachers: Sequence[Teacher],
    exclusive: tuple[tuple[str, ...], ...],
    pieces: Pieces | None = None,
    told: Callable[[int], None] = lambda frames: None,
) -> Footage:
    """Run the teachers over a video, after the pieces that are finished.

    Args:
        video: it.
        teachers: one at least.
        exclusive: groups of class names of which an object has one.
        pieces: of an earlier run; this one adds its own.
        told: called with a number of frames when they are done.

    Raises:
        ConfigError: if a frame cannot be decoded.
        SourceError: if the video cannot be read.
        ModelError: if a detector fails.
    """
    options = DetectOptions(conf=LOWEST_SCORE, iou=0.6, exclusive=exclusive, max_detections=_MAX_DETECTIONS)
    pieces, size, frames = pieces or Pieces(None), video.size, len(video.times_s)
    done = list(pieces.load(len(teachers)))
    first = sum(len(camera) for camera, _ in done)
    told(first)
    motion, images = CameraMotion(), video.read(max(first - 1, 0), frames)
    if first:
        motion.step(next(images))
    while first < frames:
        camera, lists = [], [[] for _ in teachers]  # type: tuple[list[NDArray[np.float64]], list[list[Detections]]]
        for batch in _batches(islice(images, PIECE_FRAMES)):
            camera += [motion.step(image) for image in batch]
            for teacher, found in zip(teachers, lists, strict=True):
                found.extend(_find(teacher, batch, size, options))
            told(len(batch))
        done.append((np.stack(camera), [Found.of(each) for each in lists]))
        pieces.save(*done[-1])
        first += len(camera)
    return _joined(size, video.times_s, done, len(teachers))


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


def _joined(
    size: tuple[int, int],
    times_s: NDArray[np.float64],
    done: Sequence[tuple[NDArray[np.float64], Sequence[Found]]],
    teachers: int,
) -> Footage:
    camera = np.concatenate([np.zeros((0, 2, 3)), *(camera for camera, _ in done)])
    return Footage(
        size, times_s, camera, tuple(Found.join(found[index] for _, found in done) for index in range(teachers))
    )


def _readable(path: Path) -> bool:
    """Whether a piece is there; one that a power cut damaged is not."""
    try:
        with np.load(path) as arrays:
            return "camera" in arrays
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
