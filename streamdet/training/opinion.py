"""The teacher's opinion of a video, asked once and kept beside the frames: a resumed run need not ask again."""

import hashlib
import json
from pathlib import Path

import numpy as np

from streamdet.datasets.labels import LabelledVideo
from streamdet.detections import Detections
from streamdet.errors import SinkError
from streamdet.evaluation.predict import predict
from streamdet.models.contract import Detector

_IMAGE_SIZE = 416


class Teacher:
    """A detector that processes each frame separately, at a larger size than the model in training."""

    def __init__(self, detector: Detector, weights: str, folder: Path) -> None:
        """Let a detector teach.

        Args:
            detector: the teacher.
            weights: tells it from other teachers, such as the hash of its weights.
            folder: where its opinions are kept.
        """
        self._detector, self._weights, self._folder = detector, weights, folder

    def ask(self, set_name: str, video: LabelledVideo) -> list[Detections]:
        """What it finds in every frame of a video of a set.

        Raises:
            SinkError: if the opinion cannot be kept.
        """
        key = json.dumps([self._weights, _IMAGE_SIZE, set_name, video.name, video.width, video.height, len(video)])
        path = self._folder / f"opinion-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
        if path.is_file():
            return self._read(path)
        found = predict(self._detector, video, memory="reset", image_size=_IMAGE_SIZE).detections
        _write(path, found)
        return found

    def _read(self, path: Path) -> list[Detections]:
        with np.load(path, allow_pickle=False) as file:
            ends = np.cumsum(file["counts"])
            boxes, scores, class_ids = (np.split(file[name], ends[:-1]) for name in ("boxes", "scores", "class_ids"))
        classes = self._detector.spec.classes
        return [Detections.of(b, s, c, classes) for b, s, c in zip(boxes, scores, class_ids, strict=True)]


def _write(path: Path, found: list[Detections]) -> None:
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(
                file,
                counts=np.array([len(row) for row in found]),
                boxes=np.concatenate([row.boxes for row in found]),
                scores=np.concatenate([row.scores for row in found]),
                class_ids=np.concatenate([row.class_ids for row in found]),
            )
        part.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: the detections of the teacher cannot be saved there: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
