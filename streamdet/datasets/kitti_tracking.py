"""KITTI tracking: label_02/0000.txt and image_02/0000/000000.png, 10 frames a second.

Rows are frame, identity, type, truncated, occluded, alpha, left, top, right, bottom and the box in space. DontCare
and Misc are regions in which nothing counts.

Source: Geiger et al. 2012; devkit_tracking, readme.txt, "Data Format Description".
"""

from pathlib import Path

from streamdet.datasets.files import parse_numbers, read_lines
from streamdet.datasets.frames import ImageFiles, list_pictures, picture_size
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import Marks, frame_times
from streamdet.errors import ConfigError

_RATE = 10.0
CLASSES = {
    "Car": "car",
    "Van": "van",
    "Truck": "truck",
    "Pedestrian": "pedestrian",
    "Person": "sitting person",
    "Person_sitting": "sitting person",
    "Cyclist": "cyclist",
    "Tram": "tram",
}
IGNORED = frozenset({"DontCare", "Misc"})
_NAMES = tuple(dict.fromkeys(CLASSES.values()))


def read_kitti_tracking(path: Path) -> LabelledSet:
    """Read a folder that holds label_02/ and image_02/ (training/ of the set); every frame is annotated.

    Raises:
        ConfigError: if it has no labels, or one is malformed or without pictures.
    """
    files = sorted((path / "label_02").glob("*.txt"))
    if not files:
        raise ConfigError(f"{path}: expected label_02/<sequence>.txt")
    videos = tuple(_read_sequence(file, path / "image_02" / file.stem) for file in files)
    return LabelledSet(name=path.name, classes=_NAMES, videos=videos)


def _read_sequence(file: Path, folder: Path) -> LabelledVideo:
    pictures = list_pictures(folder)
    if not pictures:
        raise ConfigError(f"{file}: expected its pictures in {folder}")
    size = picture_size(pictures[0])
    marks = Marks(*size)
    for frame in range(len(pictures)):
        marks.annotated(frame)
    for number, line in enumerate(read_lines(file), start=1):
        if line:
            _mark(f"{file}: line {number}", line.split(), marks, len(pictures))
    times_s = frame_times({}, len(pictures), _RATE)
    return marks.video(file.stem, ImageFiles(pictures, size), times_s, range(len(_NAMES)))


def _mark(where: str, columns: list[str], marks: Marks, frames: int) -> None:
    kind = columns[2] if len(columns) > 2 else ""
    if kind not in CLASSES and kind not in IGNORED:
        raise ConfigError(f"{where}: type {kind!r}, expected one of {sorted(CLASSES.keys() | IGNORED)}")
    frame, identity, x1, y1, x2, y2 = parse_numbers(where, [*columns[:2], *columns[6:10]], 6)
    if not 0 <= frame < frames:
        raise ConfigError(f"{where}: frame {frame:.0f}, expected 0 to {frames - 1}")
    if kind in IGNORED:
        marks.ignore(int(frame), (x1, y1, x2, y2))
    else:
        marks.box(int(frame), (x1, y1, x2, y2), _NAMES.index(CLASSES[kind]), int(identity))
