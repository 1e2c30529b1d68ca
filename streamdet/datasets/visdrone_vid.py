"""VisDrone-VID and VisDrone-MOT: annotations/<sequence>.txt and sequences/<sequence>/0000001.jpg.

Rows are frame, identity, left, top, width, height, score, class, truncation, occlusion; score 0, class 0 (ignored
region) and class 11 (others) are regions in which nothing counts.

Source: https://github.com/VisDrone/VisDrone2018-VID-toolkit, README, "Annotation".
"""

from pathlib import Path

from streamdet.datasets.files import read_number_rows
from streamdet.datasets.frames import DEFAULT_RATE, ImageFiles, list_pictures, picture_size
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import Marks, frame_times, xywh_to_xyxy
from streamdet.errors import ConfigError

_CLASSES = (
    "pedestrian",
    "people",
    "bicycle",
    "car",
    "van",
    "truck",
    "tricycle",
    "awning-tricycle",
    "bus",
    "motor",
)
_OTHERS = 11


def read_visdrone_vid(path: Path, frames_per_second: float = DEFAULT_RATE) -> LabelledSet:
    """Read a folder that holds annotations/ and sequences/; a frame without rows is annotated and empty.

    Args:
        path: the folder.
        frames_per_second: the set does not tell.

    Raises:
        ConfigError: if it has no annotations, or one is malformed or without pictures.
    """
    files = sorted((path / "annotations").glob("*.txt"))
    if not files:
        raise ConfigError(f"{path}: expected annotations/<sequence>.txt")
    videos = tuple(_read_sequence(file, path / "sequences" / file.stem, frames_per_second) for file in files)
    return LabelledSet(name=path.name, classes=_CLASSES, videos=videos)


def _read_sequence(file: Path, folder: Path, frames_per_second: float) -> LabelledVideo:
    pictures = list_pictures(folder)
    if not pictures:
        raise ConfigError(f"{file}: expected its pictures in {folder}")
    size = picture_size(pictures[0])
    marks = Marks(*size)
    for frame in range(len(pictures)):
        marks.annotated(frame)
    for where, values in read_number_rows(file, ",", columns=8):
        frame, identity, score, class_number = (int(values[column]) for column in (0, 1, 6, 7))
        if not 1 <= frame <= len(pictures) or not 0 <= class_number <= _OTHERS:
            raise ConfigError(f"{where}: expected a frame of 1 to {len(pictures)} and a class of 0 to {_OTHERS}")
        box = xywh_to_xyxy(values[2:6])
        if score == 0 or class_number in (0, _OTHERS):
            marks.ignore(frame - 1, box)
        else:
            marks.box(frame - 1, box, class_number - 1, identity)
    times_s = frame_times({}, len(pictures), frames_per_second)
    return marks.video(file.stem, ImageFiles(pictures, size), times_s, range(len(_CLASSES)))
