"""VGG Image Annotator 3: a project, JSON, of regions in pictures, or in videos at moments.

Of circles, ellipses and outlines the boxes around them are read; points are no boxes. The class is the attribute that
is called class, label, name, type, category or object, or the only one that there is; without attributes everything is
of one class, `object`. Of a video the frames at the moments of its boxes are annotated, and the others are not.

Source: https://www.robots.ox.ac.uk/~vgg/software/via/, the project file of version 3.
"""

from collections import defaultdict
from collections.abc import Mapping
from os.path import isfile
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from streamdet.datasets.files import Finite, Identifier, read_json
from streamdet.datasets.frames import VideoFile
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import XYXY, Marks
from streamdet.datasets.numbering import Order
from streamdet.datasets.outlines import box_around, box_around_ellipse
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures, put_marks
from streamdet.datasets.via import CLASS_KEYS
from streamdet.errors import ConfigError

_POINT, _RECTANGLE, _CIRCLE, _ELLIPSE, _LINE, _POLYLINE, _POLYGON, _EXTREME_RECTANGLE, _EXTREME_CIRCLE = range(1, 10)
_VIDEO = 4


class _Attribute(BaseModel):
    aname: str
    options: dict[str, str] | str = Field(default_factory=dict)

    def says(self, value: str) -> str:
        """What a value means: one of its options, or itself."""
        return str(self.options.get(value, value) if isinstance(self.options, dict) else value).strip()


class _Medium(BaseModel):
    fname: str
    type: int


class _View(BaseModel):
    fid_list: list[Identifier]


class _Region(BaseModel):
    vid: Identifier
    z: list[Finite] = Field(default_factory=list)
    xy: list[Finite] = Field(default_factory=list)
    av: dict[str, str] = Field(default_factory=dict)

    def box(self, where: str) -> XYXY | None:
        """None of a point, and of a piece of time."""
        if not self.xy or self.xy[0] == _POINT:
            return None
        kind, numbers = int(self.xy[0]), self.xy[1:]
        if kind in (_RECTANGLE, _EXTREME_RECTANGLE) and len(numbers) >= 4:
            x, y, width, height = numbers[:4]
            return x, y, x + width, y + height
        if kind in (_CIRCLE, _EXTREME_CIRCLE) and len(numbers) >= 3:
            x, y, radius = numbers[:3]
            return box_around_ellipse(x, y, radius, radius)
        if kind == _ELLIPSE and len(numbers) >= 4:
            x, y, radius_x, radius_y = numbers[:4]
            return box_around_ellipse(x, y, radius_x, radius_y)
        if kind in (_LINE, _POLYLINE, _POLYGON) and len(numbers) >= 4:
            return box_around(list(zip(numbers[::2], numbers[1::2], strict=False)))
        raise ConfigError(f"{where}: shape {kind} has no coordinates, or is not a shape of VIA 3")


class _Project(BaseModel):
    attribute: dict[str, _Attribute] = Field(default_factory=dict)
    file: dict[str, _Medium]
    metadata: dict[str, _Region]
    view: dict[str, _View]


def read_via3(path: Path, order: Order) -> LabelledSet:
    """Read a project; every picture that it lists was reviewed.

    Raises:
        ConfigError: if the file is malformed, does not tell the classes, or its pictures or videos are not found.
    """
    project = read_json(path, _Project)
    key = _class_key(path, project.attribute)
    regions = _by_file(path, project)
    pictures = {fid: medium for fid, medium in project.file.items() if medium.type != _VIDEO}
    videos = {fid: medium for fid, medium in project.file.items() if medium.type == _VIDEO}
    names = sorted(
        {_class_name(path, region, project, key) for rows in regions.values() for region in rows if region.xy}
    )
    read = [_video(path, medium, regions[fid], project, key, names) for fid, medium in videos.items()]
    if not pictures:
        return LabelledSet(path.stem, tuple(names), tuple(read))
    finder = PictureFinder(path)
    stills = labelled_pictures(
        path,
        path.stem,
        [_picture(path, medium, regions[fid], project, key, finder) for fid, medium in pictures.items()],
        order,
        names,
    )
    return LabelledSet(stills.name, stills.classes, (*stills.videos, *read), stills.notes)


def _by_file(path: Path, project: _Project) -> Mapping[str, list[_Region]]:
    regions: dict[str, list[_Region]] = defaultdict(list)
    for name, region in project.metadata.items():
        view = project.view.get(str(region.vid))
        files = [] if view is None else [str(fid) for fid in view.fid_list if str(fid) in project.file]
        if len(files) != 1:
            raise ConfigError(f"{path}: region {name}: expected a view of one file, got {len(files)}")
        regions[files[0]].append(region)
    return regions


def _class_key(path: Path, attributes: Mapping[str, _Attribute]) -> str | None:
    """The id of the attribute that is the class; None where there are no attributes."""
    named = [key for wanted in CLASS_KEYS for key, each in attributes.items() if each.aname.lower() == wanted]
    if named or not attributes:
        return named[0] if named else None
    if len(attributes) > 1:
        names = ", ".join(each.aname for each in attributes.values())
        raise ConfigError(f"{path}: which attribute is the class: {names}? Expected one called {', '.join(CLASS_KEYS)}")
    return next(iter(attributes))


def _class_name(path: Path, region: _Region, project: _Project, key: str | None) -> str:
    if key is None:
        return "object"
    value = region.av.get(key, "")
    if not value:
        raise ConfigError(f"{path}: a region has no {project.attribute[key].aname}; expected the name of its class")
    return project.attribute[key].says(value)


def _picture(
    path: Path, medium: _Medium, regions: list[_Region], project: _Project, key: str | None, finder: PictureFinder
) -> Picture:
    marks, faults = [], []
    for region in regions:
        box = region.box(f"{path}: {medium.fname}")
        if box is None:
            faults.append("shapes that are no boxes (point), left out")
        else:
            marks.append(Mark(_class_name(path, region, project, key), box))
    return Picture(medium.fname, finder.find(medium.fname), marks, None, faults)


def _video(
    path: Path, medium: _Medium, regions: list[_Region], project: _Project, key: str | None, names: list[str]
) -> LabelledVideo:
    name = Path(medium.fname.replace("\\", "/")).name
    places = [folder / name for folder in (path.parent, path.parent / "videos", path.parent.parent / "videos")]
    frames = VideoFile(next((place for place in places if isfile(place)), places[0]))
    times_s, marks = frames.times_s, Marks(*frames.size)
    for region in regions:
        box = region.box(f"{path}: {medium.fname}") if len(region.z) == 1 else None
        if box is None:
            marks.fault("pieces of time and points, which are no boxes, left out")
            continue
        frame = int(np.abs(times_s - times_s[0] - region.z[0]).argmin())
        put_marks(marks, frame, [Mark(_class_name(path, region, project, key), box)], names)
    return marks.video(frames.path.stem, frames, times_s, range(len(names)))
