"""YOLO text files: one `class x y width height [identity]` a row, shares of the picture, centre first.

Layouts: data.yaml with splits (images/ beside labels/); a folder of pictures with the text files beside them or in
labels/; a folder of videos with `<video>_<n>.txt`, n from 1 unless there is a number 0. Pictures named
`<video>_<n>` are frames of one video, unless data.yaml says `stills: true`; its `fps` (25) gives their times. An
empty text file says that nothing is there, a missing one that nobody looked. A class named `ignore` marks regions
in which nothing counts.

Source: https://docs.ultralytics.com/datasets/detect/
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from os.path import exists
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from streamdet.datasets.files import parse_numbers, read_lines, read_yaml
from streamdet.datasets.frames import (
    DEFAULT_RATE,
    PICTURE_SUFFIXES,
    ImageFiles,
    VideoFile,
    picture_size,
)
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import IGNORE, XYXY, Marks, frame_times
from streamdet.errors import ConfigError
from streamdet.media.locations import VIDEO_SUFFIXES

_NUMBERED = re.compile(r"(?P<video>.+)_(?P<number>\d{1,7})")
_SPLITS = ("train", "val", "test")


class _Description(BaseModel):
    """data.yaml; its `download`, which other programs run, is not looked at."""

    path: str = ""
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None
    names: list[str] | dict[int, str]
    fps: Annotated[float, Field(gt=0, le=1000)] = DEFAULT_RATE
    stills: bool = False

    @property
    def splits(self) -> dict[str, list[str]]:
        given = {split: getattr(self, split) for split in _SPLITS}
        return {split: [value] if isinstance(value, str) else value for split, value in given.items() if value}


class _Classes:
    """Numbers of the files to names: `names` without `ignore`."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = tuple(dict.fromkeys(name for _, name in sorted(names.items()) if name != IGNORE))
        self._of_number = {float(number): name for number, name in names.items()}

    def mark(self, file: Path, marks: Marks, frame: int, size: tuple[int, int]) -> None:
        """Mark one frame as annotated, with the rows of one text file."""
        marks.annotated(frame)
        for number, line in enumerate(read_lines(file), start=1):
            if not line:
                continue
            where = f"{file}: line {number}"
            name, box, identity = self._read_row(where, parse_numbers(where, line.split(), 5), size)
            if name == IGNORE:
                marks.ignore(frame, box)
            else:
                marks.box(frame, box, self.names.index(name), identity)

    def _read_row(self, where: str, row: list[float], size: tuple[int, int]) -> tuple[str, XYXY, int | None]:
        name = self._of_number.get(row[0])
        if name is None:
            raise ConfigError(
                f"{where}: class {row[0]:g}, expected a number of data.yaml: {sorted(map(int, self._of_number))}"
            )
        width, height = size
        if len(row) in (5, 6):
            if len(row) == 6 and not row[5].is_integer():
                raise ConfigError(f"{where}: expected a whole number as the sixth, the identity")
            x, y, w, h = (value * side for value, side in zip(row[1:5], (width, height) * 2, strict=True))
            return name, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), int(row[5]) if len(row) == 6 else None
        if len(row) % 2 == 0:
            raise ConfigError(f"{where}: {len(row)} numbers, expected 5, 6, or the corners of an outline")
        xs, ys = row[1::2], row[2::2]
        return name, (min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height), None


def read_yolo(path: Path, split: str | None = None) -> LabelledSet:
    """Read data.yaml or a folder.

    Args:
        path: data.yaml, or a folder with it or with the pictures or videos themselves.
        split: which of data.yaml's splits; may be None where there is only one.

    Raises:
        ConfigError: if there is nothing to read, a split has to be chosen, or a file is malformed.
    """
    description, folder = _describe(path)
    names = description.names if isinstance(description.names, dict) else dict(enumerate(description.names))
    classes = _Classes(names)
    splits = description.splits or {"": ["."]}
    chosen = split if split is not None else next(iter(splits))
    if chosen not in splits or (split is None and len(splits) > 1):
        raise ConfigError(f"{path}: choose one of its splits: {', '.join(filter(None, splits)) or 'it has none'}")
    root = folder / description.path
    files = sorted({file for entry in splits[chosen] for file in _list_files(path, root, entry)})
    videos = [_read_video_file(file, classes) for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    pictures = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    for video, frames in _group(pictures, stills=description.stills).items():
        name = str(video.relative_to(root)) if video.is_relative_to(root) else str(video)
        videos.append(_read_pictures(name, frames, description.fps, classes))
    if all(labels is None for video in videos for labels in video.labels):
        raise ConfigError(f"{path}: {len(files)} pictures and videos, but no text file belongs to any of them")
    return LabelledSet(
        name="/".join(filter(None, (root.resolve().name, chosen))), classes=classes.names, videos=tuple(videos)
    )


def _describe(path: Path) -> tuple[_Description, Path]:
    """The description, and the folder that it is about."""
    if path.is_file():
        return read_yaml(path, _Description), path.parent
    for folder in (path, path.parent):
        if (folder / "data.yaml").is_file():
            description = read_yaml(folder / "data.yaml", _Description)
            # The description of a whole set says what the classes of a part of it are called.
            own = {} if folder == path else {"path": "", "train": None, "val": None, "test": None}
            return description.model_copy(update=own), path
        if (folder / "classes.txt").is_file():
            return _Description(names=[name for name in read_lines(folder / "classes.txt") if name]), path
    raise ConfigError(f"{path}: expected data.yaml with the names of its classes, or classes.txt")


def _list_files(path: Path, root: Path, entry: str) -> list[Path]:
    # Roboflow writes ../train/images for what lies beside data.yaml.
    places = [root / entry, root / entry.removeprefix("../")]
    place = next((place for place in places if exists(place)), None)
    if place is None:
        raise ConfigError(f"{path}: {places[0]} does not exist")
    if place.is_dir():
        return [file for file in place.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES]
    return [place.parent / line for line in read_lines(place) if line]


def _group(pictures: list[Path], *, stills: bool) -> dict[Path, dict[int, Path]]:
    """Frames of every video by their number; a still is a video of its own."""
    videos: dict[Path, dict[int, Path]] = defaultdict(dict)
    for picture in pictures:
        match = None if stills else _NUMBERED.fullmatch(picture.stem)
        if match:
            videos[picture.with_name(match["video"])][int(match["number"])] = picture
        else:
            videos[picture][0] = picture
    return videos


def _read_pictures(name: str, pictures: Mapping[int, Path], fps: float, classes: _Classes) -> LabelledVideo:
    numbers = sorted(pictures)
    size = picture_size(pictures[numbers[0]])
    marks = Marks(*size)
    for frame, number in enumerate(numbers):
        file = _text_folder(pictures[number].parent) / f"{pictures[number].stem}.txt"
        if file.is_file():
            classes.mark(file, marks, frame, size)
    times_s = frame_times({frame: number / fps for frame, number in enumerate(numbers)}, len(numbers), fps)
    frames = ImageFiles([pictures[number] for number in numbers], size)
    return marks.video(name, frames, times_s, range(len(classes.names)))


def _read_video_file(path: Path, classes: _Classes) -> LabelledVideo:
    frames = VideoFile(path)
    marks = Marks(*frames.size)
    texts = {}
    for file in _text_folder(path.parent).glob("*.txt"):
        match = _NUMBERED.fullmatch(file.stem)
        if match and match["video"] == path.stem:
            texts[int(match["number"])] = file
    first, count = 0 if 0 in texts else 1, len(frames.times_s)
    for number, file in texts.items():
        if number - first >= count:
            raise ConfigError(f"{file}: {path.name} has {count} frames, numbered from {first}")
        classes.mark(file, marks, number - first, frames.size)
    return marks.video(path.stem, frames, frames.times_s, range(len(classes.names)))


def _text_folder(folder: Path) -> Path:
    """Where the text files of a folder's pictures lie: the last images/ replaced by labels/, labels/ in it, or it."""
    parts = folder.parts
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        beside = Path(*parts[:last], "labels", *parts[last + 1 :])
        if beside.is_dir():
            return beside
    return folder / "labels" if (folder / "labels").is_dir() else folder
