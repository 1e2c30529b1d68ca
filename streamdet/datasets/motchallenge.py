"""MOTChallenge: a folder a sequence, with seqinfo.ini, gt/gt.txt and img1/ (or a video file).

Rows are frame, identity, left, top, width, height, confidence, class, visibility. A row of confidence 0 and a
distractor are regions in which nothing counts. Files of ten columns (MOT15) have no class. gt/labels.txt, as CVAT
exports it, names the classes of a set of one's own, line by line.

Source: Milan et al. 2016 (MOT16), table 5; https://motchallenge.net/instructions/
"""

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamdet.datasets.files import MAX_FRAMES, read_lines, read_number_rows
from streamdet.datasets.frames import (
    DEFAULT_RATE,
    ImageFiles,
    VideoFile,
    list_pictures,
    list_videos,
    picture_size,
)
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import XYXY, Marks, frame_times, xywh_to_xyxy
from streamdet.errors import ConfigError

_NAMES = {
    1: "pedestrian",
    2: "person on vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "non-motorised vehicle",
    7: "static person",
    8: "distractor",
    9: "occluder",
    10: "occluder on the ground",
    11: "full occluder",
    12: "reflection",
    13: "crowd",
}
_NUMBERED = re.compile(r"(.*?)(\d{1,12})")
_DISTRACTORS = frozenset({"person on vehicle", "static person", "distractor", "reflection", "crowd"})


@dataclass(frozen=True, slots=True)
class _Row:
    frame: int
    identity: int | None
    box: XYXY
    name: str
    counts: bool


def read_motchallenge(path: Path) -> LabelledSet:
    """Read one sequence folder, or a folder of sequences; a frame without rows is annotated and empty.

    Raises:
        ConfigError: if there is no sequence, or one is malformed.
    """
    files = sorted(path.glob("gt/gt.txt")) or sorted(path.glob("*/gt/gt.txt"))
    if not files:
        raise ConfigError(f"{path}: expected gt/gt.txt in it or in its subfolders")
    sequences = {file.parent.parent: _read_rows(file) for file in files}
    names = {row.name for rows in sequences.values() for row in rows if row.counts}
    classes = tuple(sorted(names)) or (_NAMES[1],)
    videos = tuple(_read_sequence(folder, rows, classes) for folder, rows in sequences.items())
    return LabelledSet(name=path.name, classes=classes, videos=videos)


def _read_rows(file: Path) -> list[_Row]:
    names = _class_names(file.with_name("labels.txt"))
    rows = []
    for where, values in read_number_rows(file, ",", columns=6):
        # Trackers write -1 where they know no class.
        frame, class_number = int(values[0]), int(values[7]) if 8 <= len(values) <= 9 and values[7] != -1 else 1
        if not 1 <= frame <= MAX_FRAMES:
            raise ConfigError(f"{where}: frame {frame}, expected 1 or more")
        name = names.get(class_number)
        if name is None:
            raise ConfigError(f"{where}: class {class_number}, expected one of {sorted(names)}")
        counts = (len(values) < 7 or values[6] != 0) and name not in _DISTRACTORS
        identity = int(values[1]) if values[1] >= 0 else None
        rows.append(_Row(frame - 1, identity, xywh_to_xyxy(values[2:6]), name, counts))
    return rows


def _class_names(file: Path) -> Mapping[int, str]:
    if not file.is_file():
        return _NAMES
    return {number: line for number, line in enumerate(read_lines(file), start=1) if line}


def _read_sequence(folder: Path, rows: list[_Row], classes: tuple[str, ...]) -> LabelledVideo:
    info = _read_info(folder / "seqinfo.ini")
    frames = _frames(folder, info)
    count = len(frames.paths) if isinstance(frames, ImageFiles) else len(frames.times_s)
    marks = Marks(*frames.size)
    for frame in range(count):
        marks.annotated(frame)
    for row in rows:
        if row.frame >= count:
            raise ConfigError(f"{folder}/gt/gt.txt: has frame {row.frame + 1}, the sequence has {count} frames")
        if row.counts:
            marks.box(row.frame, row.box, classes.index(row.name), row.identity)
        else:
            marks.ignore(row.frame, row.box)
    rate = info.get("framerate")
    times_s = frames.times_s if isinstance(frames, VideoFile) else frame_times({}, count, rate or DEFAULT_RATE)
    return marks.video(folder.name, frames, times_s, range(len(classes)))


def _frames(folder: Path, info: Mapping[str, float]) -> ImageFiles | VideoFile:
    pictures = list_pictures(folder / "img1")
    if pictures:
        size = (int(info.get("imwidth", 0)), int(info.get("imheight", 0)))
        if 0 in size:
            size = picture_size(pictures[0])
        return ImageFiles(_by_number(pictures, int(info.get("seqlength", len(pictures)))), size)
    videos = list_videos(folder)
    if len(videos) != 1:
        raise ConfigError(f"{folder}: expected pictures in img1/, or one video file beside gt/")
    return VideoFile(videos[0])


def _by_number(pictures: list[Path], count: int) -> list[Path]:
    """The pictures of frames 1 to count, so that one that is missing does not move the labels of all that follow.

    Names end in the number of the frame; they count from 1, from 0 where there is a picture 0, and otherwise, where
    the last number is beyond the sequence, from that of the first picture.
    """
    numbered = {int(match[2]): path for path in pictures if (match := _NUMBERED.fullmatch(path.stem))}
    if len(numbered) < len(pictures):
        return pictures
    first = 0 if 0 in numbered else 1 if max(numbered) <= count else min(numbered)
    start, digits = _split(pictures[0].stem)

    def missing(number: int) -> Path:
        return pictures[0].with_stem(f"{start}{number:0{digits}d}")

    return [numbered.get(number) or missing(number) for number in range(first, first + count)]


def _split(stem: str) -> tuple[str, int]:
    """What is before the number of a frame, and how many digits it has."""
    match = _NUMBERED.fullmatch(stem)
    return (match[1], len(match[2])) if match else (stem, 0)


def _read_info(file: Path) -> dict[str, float]:
    """The numbers of seqinfo.ini, keys in lower case."""
    if not file.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string("\n".join(read_lines(file)), source=str(file))
        section = parser["Sequence"]
        keys = ("framerate", "seqlength", "imwidth", "imheight")
        values = {key: section.getfloat(key) for key in keys if key in section}
    except (configparser.Error, KeyError, ValueError) as error:
        raise ConfigError(f"{file}: expected a section [Sequence] of key = value: {error}") from None
    for key, value in values.items():
        if not value or not 0 < value <= MAX_FRAMES:
            raise ConfigError(f"{file}: {key} is {value}, expected a number above 0")
    return {key: value for key, value in values.items() if value}
