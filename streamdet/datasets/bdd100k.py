"""BDD100K: box tracks (a JSON a video, 5 frames a second) and det_20 (one JSON of stills).

Crowds and the classes that BDD100K itself does not judge (other person, other vehicle, trailer) are regions in which
nothing counts. Pictures lie in images/track/<split>/<video>/ and images/100k/<split>/, or beside the labels.

Source: https://doc.bdd100k.com/format.html; Yu et al. 2020.
"""

from collections.abc import Sequence
from os.path import isfile
from pathlib import Path

from pydantic import BaseModel, Field, RootModel

from streamdet.datasets.files import Finite, FrameNumber, Identifier, read_json
from streamdet.datasets.frames import ImageFiles, picture_size
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import Marks, frame_times
from streamdet.errors import ConfigError

_RATE = 5.0
_CLASSES = (
    "pedestrian",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
    "traffic light",
    "traffic sign",
)
# Box tracks have no lights and signs: they are not labelled there.
_TRACKED = range(8)
# Names of the first release.
_OLD_NAMES = {"person": "pedestrian", "bike": "bicycle", "motor": "motorcycle"}
_IGNORED = frozenset({"other person", "other vehicle", "trailer"})


class _Box(BaseModel):
    x1: Finite
    y1: Finite
    x2: Finite
    y2: Finite


class _Attributes(BaseModel):
    crowd: bool = False


class _Label(BaseModel):
    id: Identifier | None = None
    category: str
    attributes: _Attributes | None = None
    box2d: _Box | None = None


class _Frame(BaseModel):
    name: str
    frameIndex: FrameNumber | None = None  # noqa: N815 the file's own key
    labels: list[_Label] | None = None


class _Frames(BaseModel):
    frames: list[_Frame] = Field(min_length=1)


class _File(RootModel[list[_Frame] | _Frames]):
    """A list of frames, or, in Scalabel's later form, an object that holds it."""


def read_bdd100k(path: Path) -> LabelledSet:
    """Read a folder of box tracks (or one of its files), or a JSON of stills.

    Raises:
        ConfigError: if a file is malformed or its first picture is not found.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise ConfigError(f"{path}: expected <video>.json for each video")
        videos = tuple(_read_track_file(file, _read_frames(file)) for file in files)
        return LabelledSet(name=path.name, classes=_CLASSES, videos=videos)
    frames = _read_frames(path)
    stills = frames[0].frameIndex is None
    videos = _read_stills(path, frames) if stills else (_read_track_file(path, frames),)
    return LabelledSet(name=path.stem, classes=_CLASSES, videos=videos)


def _read_frames(path: Path) -> list[_Frame]:
    content = read_json(path, _File).root
    frames = content.frames if isinstance(content, _Frames) else content
    if not frames:
        raise ConfigError(f"{path}: expected at least one frame")
    return frames


def _read_track_file(path: Path, frames: list[_Frame]) -> LabelledVideo:
    split = path.parent.name
    folder = _find_folder(path, frames[0].name, (f"images/track/{split}/{path.stem}", path.stem))
    indices = [frame.frameIndex for frame in frames]
    known = {i: index / _RATE for i, index in enumerate(indices) if index is not None}
    if len(known) < len(frames) or sorted(known.values()) != list(known.values()):
        raise ConfigError(f"{path}: expected frameIndex in every frame, ascending")
    pictures = [folder / frame.name for frame in frames]
    size = picture_size(pictures[0])
    marks = Marks(*size)
    for i, frame in enumerate(frames):
        _mark(path, marks, i, frame)
    return marks.video(path.stem, ImageFiles(pictures, size), frame_times(known, len(frames), _RATE), _TRACKED)


def _read_stills(path: Path, frames: list[_Frame]) -> tuple[LabelledVideo, ...]:
    split = path.stem.rpartition("_")[2]
    folder = _find_folder(path, frames[0].name, (f"images/100k/{split}", f"100k/{split}", split))
    videos = []
    for frame in frames:
        size = picture_size(folder / frame.name)
        marks = Marks(*size)
        _mark(path, marks, 0, frame, identities=False)
        videos.append(marks.still(frame.name, ImageFiles([folder / frame.name], size), range(len(_CLASSES))))
    return tuple(videos)


def _mark(path: Path, marks: Marks, i: int, frame: _Frame, *, identities: bool = True) -> None:
    marks.annotated(i)
    for label in frame.labels or ():
        if label.box2d is None:  # lanes and drivable areas
            continue
        name = _OLD_NAMES.get(label.category, label.category)
        box = (label.box2d.x1, label.box2d.y1, label.box2d.x2, label.box2d.y2)
        if name in _IGNORED or (label.attributes and label.attributes.crowd):
            marks.ignore(i, box)
        elif name in _CLASSES:
            marks.box(i, box, _CLASSES.index(name), label.id if identities else None)
        else:
            raise ConfigError(f"{path}: {frame.name}: category {name!r}, expected one of {_CLASSES}")


def _find_folder(path: Path, name: str, below: Sequence[str]) -> Path:
    """The folder with that picture: beside the labels, or below the set's root, which is some folders up."""
    for folder in path.parents[:4]:
        for candidate in (folder / place for place in (*below, ".")):
            if isfile(candidate / name):
                return candidate
    raise ConfigError(f"{path}: its picture {name} is neither beside it nor in {', '.join(below)} of the set")
