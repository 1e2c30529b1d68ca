"""Supervisely: a project of pictures (img/ and ann/, a JSON a picture) or of videos (video/ and ann/, a JSON a video).

Of polygons, bitmaps, lines and graphs the boxes around them are read. Points and whole-picture tags are no boxes. In
a video the key of an object is its track id.

Source: https://docs.supervisely.com/customization-and-integration/00_ann_format_navi
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Sequence
from os.path import isfile
from pathlib import Path

from pydantic import BaseModel, Field

from streamdet.datasets.files import Finite, FrameNumber, Identifier, Side, read_json
from streamdet.datasets.frames import VideoFile, list_videos
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import XYXY, Marks
from streamdet.datasets.numbering import Order
from streamdet.datasets.outlines import box_around
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures, put_marks
from streamdet.errors import ConfigError

_Point = tuple[Finite, Finite]


class _Points(BaseModel):
    exterior: list[_Point] = Field(default_factory=list)


class _Bitmap(BaseModel):
    data: str
    origin: _Point


class _Node(BaseModel):
    loc: _Point


class _Geometry(BaseModel):
    points: _Points | None = None
    bitmap: _Bitmap | None = None
    nodes: dict[str, _Node] | None = None


class _Object(_Geometry):
    """An object of a picture; in a video its shapes are figures."""

    classTitle: str  # noqa: N815 the file's own keys
    geometryType: str = ""  # noqa: N815
    id: Identifier | None = None
    key: Identifier | None = None


class _Figure(BaseModel):
    geometryType: str  # noqa: N815
    geometry: _Geometry
    objectKey: Identifier | None = None  # noqa: N815
    objectId: Identifier | None = None  # noqa: N815


class _Frame(BaseModel):
    index: FrameNumber
    figures: list[_Figure]


class _Size(BaseModel):
    width: Side
    height: Side


class _File(BaseModel):
    size: _Size
    objects: list[_Object]
    frames: list[_Frame] | None = None
    framesCount: FrameNumber | None = None  # noqa: N815


def read_supervisely(path: Path, order: Order) -> LabelledSet:
    """Read a project, a dataset in it, or one of its JSON files.

    Raises:
        ConfigError: if there is none, or one is malformed, or its picture or video is not found.
    """
    files = [path] if path.is_file() else sorted(path.rglob("ann/*.json"))
    if not files:
        raise ConfigError(f"{path}: expected ann/<picture or video>.json of Supervisely")
    contents = {file: read_json(file, _File) for file in files}
    classes = sorted({item.classTitle for content in contents.values() for item in content.objects})
    name = path.stem if path.is_file() else path.name
    if any(content.frames is not None for content in contents.values()):
        videos = [_read_video(file, content, classes) for file, content in contents.items()]
        return LabelledSet(name, tuple(classes), tuple(videos))
    finder = PictureFinder(path.parent.parent if path.is_file() and path.parent.name == "ann" else path)
    pictures = [_read_picture(file, content, finder) for file, content in contents.items()]
    return labelled_pictures(path, name, pictures, order, classes)


def _read_picture(file: Path, content: _File, finder: PictureFinder) -> Picture:
    marks, faults = [], []
    for item in content.objects:
        box = _box(f"{file}: {item.classTitle}", item)
        if box is None:
            faults.append(f"shapes that are no boxes ({item.geometryType or 'unknown'}), left out")
        else:
            marks.append(Mark(item.classTitle, box))
    place = file.parent.parent.name
    found = finder.find(f"{place}/img/{file.stem}")
    return Picture(f"{place}/{file.stem}", found, marks, (content.size.width, content.size.height), faults)


def _read_video(file: Path, content: _File, classes: Sequence[str]) -> LabelledVideo:
    frames = VideoFile(_find_video(file))
    count = len(frames.times_s)
    if frames.size != (content.size.width, content.size.height):
        raise ConfigError(f"{file}: is for {content.size.width}x{content.size.height} pixels, not {frames.size}")
    names = {item.key if item.key is not None else item.id: item.classTitle for item in content.objects}
    marks = Marks(*frames.size)
    for frame in range(count):
        marks.annotated(frame)
    for listed in content.frames or ():
        if listed.index >= count:
            raise ConfigError(f"{file}: has frame {listed.index}, {frames.path} has {count} frames")
        for figure in listed.figures:
            key = figure.objectKey if figure.objectKey is not None else figure.objectId
            box = _box(f"{file}: frame {listed.index}", figure.geometry)
            if key not in names:
                raise ConfigError(f"{file}: frame {listed.index}: no object has key {key}")
            if box is None:
                marks.fault(f"shapes that are no boxes ({figure.geometryType}), left out")
            else:
                put_marks(marks, listed.index, [Mark(names[key], box, key)], classes)
    return marks.video(file.stem, frames, frames.times_s, range(len(classes)))


def _find_video(file: Path) -> Path:
    """The annotation of clip.mp4 is clip.mp4.json, in ann/ beside video/."""
    for folder in (file.parent.parent / "video", file.parent):
        if isfile(folder / file.stem):
            return folder / file.stem
    videos = list_videos(file.parent)
    if len(videos) != 1:
        raise ConfigError(f"{file}: is of a video, in the format of Supervisely; expected it in video/ or here")
    return videos[0]


def _box(where: str, geometry: _Geometry) -> XYXY | None:
    """None of what has no area to it, such as a point."""
    if geometry.bitmap is not None:
        x, y = geometry.bitmap.origin
        width, height = _bitmap_size(where, geometry.bitmap.data)
        return x, y, x + width, y + height
    if geometry.nodes:
        return box_around([node.loc for node in geometry.nodes.values()])
    if geometry.points is not None and len(geometry.points.exterior) > 1:
        return box_around(geometry.points.exterior)
    return None


def _bitmap_size(where: str, data: str) -> tuple[int, int]:
    """Sides of a mask, which is a PNG, compressed, in base64; its header is enough."""
    try:
        head = zlib.decompressobj().decompress(base64.b64decode(data), 64)
        width, height = struct.unpack(">II", head[16:24])
    except (binascii.Error, zlib.error, struct.error, ValueError):
        raise ConfigError(f"{where}: its bitmap cannot be read; expected a compressed PNG in base64") from None
    return width, height
