"""YOLO: pictures or videos, a text file for each, and data.yaml, classes.txt or obj.names with the names.

Layouts: data.yaml with splits (images/ beside labels/), or lists of pictures; a folder of pictures with the text
files beside them or in labels/; a folder of videos with `<video>_<n>.txt`, n from 1 unless there is a number 0.
Which pictures are frames of one video is told by their names (streamdet.datasets.numbering), unless data.yaml says
`stills: true` or `stills: false`; its `fps` (25) gives their times. An empty text file says that nothing is there, a
missing one that nobody looked. A class named `ignore` marks regions in which nothing counts.

Source: https://docs.ultralytics.com/datasets/detect/
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from streamdet.datasets.files import MAX_SIDE, read_lines, read_yaml
from streamdet.datasets.frames import PICTURE_SUFFIXES, VideoFile, picture_size
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import IGNORE, Marks
from streamdet.datasets.numbering import Order
from streamdet.datasets.pictures import Mark, Picture, labelled_pictures, put_marks
from streamdet.datasets.yolo_rows import Row, RowKinds, read_rows
from streamdet.errors import ConfigError
from streamdet.media.locations import VIDEO_SUFFIXES

_NUMBERED = re.compile(r"(?P<video>.+)_(?P<number>\d{1,7})")
_SPLITS = ("train", "val", "test")
NAME_FILES = ("classes.txt", "obj.names", "predefined_classes.txt")


_Count = Annotated[int, Field(gt=0, le=MAX_SIDE)]


class Description(BaseModel):
    """data.yaml; its `download`, which other programs run, is not looked at."""

    path: str = ""
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None
    names: dict[int, str]
    kpt_shape: Annotated[list[Annotated[int, Field(gt=0, le=MAX_SIDE)]], Field(min_length=2, max_length=2)] | None = (
        None
    )
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    stills: bool | None = None

    @field_validator("names", mode="before")
    @classmethod
    def _number(cls, names: Any) -> Any:
        """A list, or names by number; YAML reads names such as 1 or on as something else."""
        if isinstance(names, list):
            names = dict(enumerate(names))
        return {number: str(name) for number, name in names.items()} if isinstance(names, dict) else names

    @property
    def splits(self) -> dict[str, list[str]]:
        given = {split: getattr(self, split) for split in _SPLITS}
        return {split: [value] if isinstance(value, str) else value for split, value in given.items() if value}


class _Classes:
    """Numbers of the files to names: `names` without `ignore`."""

    def __init__(self, names: Mapping[int, str], kinds: RowKinds) -> None:
        self.names = tuple(dict.fromkeys(name for _, name in sorted(names.items()) if name != IGNORE))
        self._of_number = {float(number): name for number, name in names.items()}
        self._kinds = kinds

    def marks(self, rows: Sequence[Row], size: tuple[int, int]) -> list[Mark]:
        """Marks of one picture, in pixels."""
        marks = []
        for row in rows:
            name = self._of_number.get(row.class_number)
            if name is None:
                known = sorted(map(int, self._of_number))
                raise ConfigError(f"{row.where}: class {row.class_number:g}, expected a number of data.yaml: {known}")
            (x1, y1, x2, y2), track = self._kinds.read(row)
            width, height = size
            marks.append(Mark(name, (x1 * width, y1 * height, x2 * width, y2 * height), track))
        return marks


def read_yolo(path: Path, order: Order, split: str | None = None) -> LabelledSet:
    """Read data.yaml or a folder.

    Args:
        path: data.yaml, or a folder with it or with the pictures or videos themselves.
        order: which pictures are frames of a video; what it leaves open is as data.yaml says.
        split: which of data.yaml's splits; may be None where there is only one.

    Raises:
        ConfigError: if there is nothing to read, a split has to be chosen, or a file is malformed.
    """
    description, folder = _describe(path)
    order = Order(description.stills if order.stills is None else order.stills, order.fps or description.fps)
    splits = description.splits or {"": ["."]}
    chosen = split if split is not None else next(iter(splits))
    if chosen not in splits or (split is None and len(splits) > 1):
        raise ConfigError(f"{path}: choose one of its splits: {', '.join(filter(None, splits)) or 'it has none'}")
    root = folder / description.path
    if not root.is_dir():  # a path of another machine, or relative to a folder of Ultralytics' own
        root = folder
    files = sorted({file for entry in splits[chosen] for file in _list_files(path, root, folder, entry)})
    videos = {file: _texts_of_video(file) for file in files if file.suffix.lower() in VIDEO_SUFFIXES}
    pictures = {file: _text_of_picture(file) for file in files if file.suffix.lower() in PICTURE_SUFFIXES}
    texts = [text for text in pictures.values() if text]
    rows = {text: read_rows(text) for text in [*texts, *(text for some in videos.values() for text in some.values())]}
    if not rows:
        raise ConfigError(f"{path}: {len(files)} pictures and videos, but no text file belongs to any of them")
    kinds = RowKinds.of([row for some in rows.values() for row in some], description.kpt_shape)
    classes = _Classes(description.names, kinds)
    name = "/".join(filter(None, (root.resolve().name, chosen)))
    read = tuple(_read_video_file(file, texts, rows, classes) for file, texts in videos.items())
    if not texts:
        return LabelledSet(name, classes.names, read, (kinds.note,) if kinds.note else ())
    marked = [_read_picture(file, text, root, rows, classes) for file, text in pictures.items()]
    labelled = labelled_pictures(path, name, marked, order, classes.names, kinds.note)
    return LabelledSet(name, classes.names, read + labelled.videos, labelled.notes)


def read_description(path: Path) -> Description:
    """Read data.yaml.

    Raises:
        ConfigError: if it is none.
    """
    return read_yaml(path, Description)


def _describe(path: Path) -> tuple[Description, Path]:
    """The description, and the folder that it is about."""
    if path.is_file():
        return read_description(path), path.parent
    for folder in (path, path.parent):
        if (folder / "data.yaml").is_file():
            description = read_description(folder / "data.yaml")
            # The description of a whole set says what the classes of a part of it are called.
            own = {} if folder == path else {"path": "", "train": None, "val": None, "test": None}
            return description.model_copy(update=own), path
        for file in (folder / name for name in NAME_FILES):
            if file.is_file():
                names = dict(enumerate(filter(None, read_lines(file))))
                return Description(names=names), path
    raise ConfigError(f"{path}: expected data.yaml with the names of its classes, or {', '.join(NAME_FILES)}")


def _list_files(path: Path, root: Path, folder: Path, entry: str) -> list[Path]:
    if "*" in entry:
        return sorted(root.glob(entry))
    # Roboflow writes ../train/images for what lies beside data.yaml; other paths may be of another machine.
    parts = Path(entry).parts
    places = [root / entry, root / entry.removeprefix("../"), *(folder.joinpath(*parts[i:]) for i in range(len(parts)))]
    place = next((place for place in places if os.path.exists(place)), None)
    if place is None:
        raise ConfigError(f"{path}: {places[0]} does not exist")
    if place.is_dir():
        return [file for file in place.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES]
    return [_listed(place, root, line) for line in read_lines(place) if line]


def _listed(file: Path, root: Path, line: str) -> Path:
    """A picture that a list names: from the list's folder, or the set's."""
    parts = Path(line.replace("\\", "/")).parts
    places = [file.parent / line, root / line, *(root.joinpath(*parts[i:]) for i in range(1, len(parts)))]
    return next((place for place in places if os.path.isfile(place)), places[0])


def _read_picture(
    file: Path, text: Path | None, root: Path, rows: Mapping[Path, Sequence[Row]], classes: _Classes
) -> Picture:
    size = picture_size(file)
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
    return Picture(name, file, classes.marks(rows[text], size) if text else None, size)


def _read_video_file(
    path: Path, texts: Mapping[int, Path], rows: Mapping[Path, Sequence[Row]], classes: _Classes
) -> LabelledVideo:
    frames = VideoFile(path)
    marks = Marks(*frames.size)
    first, count = 0 if 0 in texts else 1, len(frames.times_s)
    for number, file in texts.items():
        if number - first >= count:
            raise ConfigError(f"{file}: {path.name} has {count} frames, numbered from {first}")
        put_marks(marks, number - first, classes.marks(rows[file], frames.size), classes.names)
    return marks.video(path.stem, frames, frames.times_s, range(len(classes.names)))


def _texts_of_video(path: Path) -> dict[int, Path]:
    """Text files by the number of their frame."""
    texts = {}
    for file in _text_folder(path.parent).glob("*.txt"):
        match = _NUMBERED.fullmatch(file.stem)
        if match and match["video"] == path.stem:
            texts[int(match["number"])] = file
    return texts


def _text_of_picture(path: Path) -> Path | None:
    file = _text_folder(path.parent) / f"{path.stem}.txt"
    return file if file.is_file() else None


def _text_folder(folder: Path) -> Path:
    """Where the text files of a folder's pictures lie: the last images/ replaced by labels/, labels/ in it, or it."""
    parts = folder.parts
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        beside = Path(*parts[:last], "labels", *parts[last + 1 :])
        if beside.is_dir():
            return beside
    return folder / "labels" if (folder / "labels").is_dir() else folder
