"""From a list of marked pictures, as most formats hold them, to a labelled set."""

import itertools
import os
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from urllib.parse import parse_qs, unquote, urlsplit

from streamdet.datasets.frames import PICTURE_SUFFIXES, ImageFiles, picture_size
from streamdet.datasets.labels import LabelledSet, LabelledVideo, Shape
from streamdet.datasets.marks import IGNORE, XYXY, Marks, frame_times
from streamdet.datasets.numbering import Order, Run, arrange, explain, original_stem
from streamdet.errors import ConfigError

_PICTURE_FOLDERS = frozenset({"images", "image", "img", "img1", "imgs", "jpegimages", "frames", "pictures", "photos"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A box in pixels. A class named `ignore` marks a region in which nothing counts, as `ignore` does.

    What else is marked of the object is its shape.
    """

    class_name: str
    box: XYXY
    track: Hashable | None = None
    ignore: bool = False
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and what is marked in it.

    Attributes:
        name: as the labels call it, relative; its number tells which video it is a frame of.
        path: the file.
        marks: None where it was not annotated.
        size: (width, height) where the labels say it.
        faults: what was left out.
        labelled: names of the classes that are marked exhaustively in this picture; None: those of the set.
    """

    name: str
    path: Path
    marks: Sequence[Mark] | None
    size: tuple[int, int] | None = None
    faults: Sequence[str] = field(default=())
    labelled: Collection[str] | None = None


def labelled_pictures(
    where: Path,
    name: str,
    pictures: Sequence[Picture],
    order: Order,
    classes: Iterable[str] = (),
    note: str = "",
    labelled: Collection[int] | None = None,
) -> LabelledSet:
    """The set: frames of videos and stills, told apart by their names.

    Args:
        where: the file or folder of the labels, for messages.
        name: of the set.
        pictures: in any order.
        order: what the user says of them.
        classes: in their order; those that only the marks name follow.
        note: what a user should know of how it was read.
        labelled: indices of the classes that are marked exhaustively; all, where the labels do not say.

    Raises:
        ConfigError: if there is no picture, none is annotated, or none of the files is there.
    """
    if not any(picture.marks is not None for picture in pictures):
        raise ConfigError(f"{where}: none of its pictures has labels")
    if not any(os.path.isfile(picture.path) for picture in pictures):
        folder = where if where.is_dir() else where.parent
        raise ConfigError(
            f"{where}: none of its pictures is found, such as {pictures[0].name}; put them into {folder}, "
            f"or into a folder called images in it or beside it"
        )
    _check_distinct(where, pictures)
    found = sorted({mark.class_name for picture in pictures for mark in picture.marks or () if not mark.ignore})
    names = tuple(name for name in dict.fromkeys([*classes, *found]) if name != IGNORE)
    sizes = [picture.size or picture_size(picture.path) for picture in pictures]
    paths = [PurePath(picture.name.replace("\\", "/")) for picture in pictures]
    runs = arrange(paths, sizes, order)
    kept = range(len(names)) if labelled is None else labelled
    videos = [_video(run, pictures, sizes, order, names, kept) for run in runs]
    notes = ([note] if note else []) + explain(runs, paths, order)
    return LabelledSet(name=name, classes=names, videos=tuple(videos), notes=tuple(notes))


def _check_distinct(where: Path, pictures: Sequence[Picture]) -> None:
    names: dict[Path, str] = {}
    for picture in pictures:
        other = names.setdefault(picture.path, picture.name)
        if other != picture.name:
            raise ConfigError(
                f"{where}: {other} and {picture.name} are both found as {picture.path}; expected two files"
            )


def _video(
    run: Run,
    pictures: Sequence[Picture],
    sizes: Sequence[tuple[int, int]],
    order: Order,
    classes: Sequence[str],
    labelled: Collection[int],
) -> LabelledVideo:
    positions = list(run.numbers.values())
    size = sizes[positions[0]]
    marks = Marks(*size)
    for frame, position in enumerate(positions):
        for fault in pictures[position].faults:
            marks.fault(fault)
        put_marks(marks, frame, pictures[position].marks, classes)
    times_s = frame_times(
        {frame: number / order.rate for frame, number in enumerate(run.numbers)}, len(run), order.rate
    )
    told = [pictures[position].labelled for position in positions]
    if any(names is not None for names in told):
        known = (set(classes) if names is None else set(names) for names in told)
        exhaustive = set(classes).intersection(*known)
        labelled = [index for index in labelled if classes[index] in exhaustive]
    frames = ImageFiles([pictures[position].path for position in positions], size)
    return marks.video(run.name, frames, times_s, labelled)


def put_marks(marks: Marks, frame: int, rows: Sequence[Mark] | None, classes: Sequence[str]) -> None:
    """Mark one frame of a video as annotated; None where it was not annotated."""
    if rows is None:
        return
    marks.annotated(frame)
    for row in rows:
        if row.ignore or row.class_name == IGNORE:
            marks.ignore(frame, row.box)
        else:
            marks.box(frame, row.box, classes.index(row.class_name), row.track, row.shape)


class PictureFinder:
    """Finds the pictures that labels name: below the labels' folder, else in a folder of pictures beside it."""

    def __init__(self, annotations: Path) -> None:
        folder = annotations if annotations.is_dir() else annotations.parent
        self._folder = folder
        self._by_key: dict[str, list[Path]] = defaultdict(list)
        self._add(folder)
        if not self._by_key and folder.parent.is_dir():
            for beside in folder.parent.iterdir():
                if beside.name.lower() in _PICTURE_FOLDERS:
                    self._add(beside)

    def find(self, told: str) -> Path:
        """The file; where there is none, the place beside the labels where it is missed.

        Args:
            told: a path or an address, which may be of another machine; only as much of its end as agrees counts.

        Raises:
            ConfigError: if several files could be meant.
        """
        told = _plain_path(told)
        parts = PurePath(told).parts[::-1]
        name = PurePath(told).name
        keys = (name, os.path.splitext(name)[0], original_stem(name))
        files = next((self._by_key[key] for key in keys if key in self._by_key), [])
        if len(files) < 2:
            return files[0] if files else self._folder / told
        agreement = [_common(parts, file.parts[::-1]) for file in files]
        best = [file for file, common in zip(files, agreement, strict=True) if common == max(agreement)]
        if len(best) > 1:
            raise ConfigError(f"{self._folder}: {told} may be {best[0]} or {best[1]}; expected one file of that name")
        return best[0]

    def _add(self, folder: Path) -> None:
        """Pictures by their name, by that without its ending, and by that without what an export added."""
        for place, _, names in os.walk(folder):
            for name in sorted(names):
                stem, ending = os.path.splitext(name)
                if ending.lower() in PICTURE_SUFFIXES:
                    for key in {name, stem, original_stem(name)}:
                        self._by_key[key].append(Path(place, name))


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """How many parts are the same before the first that differs."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _plain_path(told: str) -> str:
    told = told.replace("\\", "/")
    parts = urlsplit(told)
    inside = parse_qs(parts.query).get("d")  # Label Studio: /data/local-files/?d=folder/picture.jpg
    if inside:
        return inside[0].lstrip("/")
    return unquote(parts.path).lstrip("/") if "://" in told else told.lstrip("/")
