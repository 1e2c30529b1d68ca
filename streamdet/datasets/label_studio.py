"""Label Studio JSON: a list of tasks, each a picture or a video with what an annotator marked in it.

Numbers are percent of the picture, turned about the top left corner. In a video a box moves linearly between the
listed frames, which count from 1, until one is not `enabled`; the id of a region is its track id. Of polygons,
ellipses and keypoints the boxes around them are read. Of several annotations of a task the first that was not
cancelled counts; a task without one was not reviewed.

Source: https://labelstud.io/guide/export
"""

from collections.abc import Sequence
from os.path import isfile
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, Field, RootModel

from streamdet.datasets.files import Finite, FrameNumber, Identifier, Side, read_json
from streamdet.datasets.frames import VideoFile, list_videos
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import XYXY, Marks, xywh_to_xyxy
from streamdet.datasets.numbering import Order
from streamdet.datasets.outlines import box_around, box_around_ellipse, box_around_turned
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures, put_marks
from streamdet.errors import ConfigError
from streamdet.media.locations import VIDEO_SUFFIXES


class _Key(BaseModel):
    """A box of a video in one frame."""

    frame: FrameNumber
    enabled: bool = True
    x: Finite
    y: Finite
    width: Finite
    height: Finite
    rotation: Finite = 0


class _Value(BaseModel):
    x: Finite | None = None
    y: Finite | None = None
    width: Finite | None = None
    height: Finite | None = None
    rotation: Finite = 0
    radiusX: Finite | None = None  # noqa: N815 the file's own keys
    radiusY: Finite | None = None  # noqa: N815
    points: list[tuple[Finite, Finite]] | None = None
    framesCount: FrameNumber | None = None  # noqa: N815
    sequence: list[_Key] | None = None
    rectanglelabels: list[str] | None = None
    polygonlabels: list[str] | None = None
    ellipselabels: list[str] | None = None
    brushlabels: list[str] | None = None
    keypointlabels: list[str] | None = None
    labels: list[str] | None = None

    @property
    def label(self) -> str | None:
        given = (self.rectanglelabels, self.polygonlabels, self.ellipselabels, self.brushlabels, self.labels)
        return next((names[0] for names in given if names), None)


class _Region(BaseModel):
    type: str = ""
    id: Identifier | None = None
    original_width: Side | None = None
    original_height: Side | None = None
    value: _Value


class _Annotation(BaseModel):
    was_cancelled: bool = False
    result: list[_Region] = Field(default_factory=list)


class _Task(BaseModel):
    data: dict[str, Any]
    annotations: list[_Annotation] = Field(default_factory=list)

    @property
    def regions(self) -> list[_Region] | None:
        return next((one.result for one in self.annotations if not one.was_cancelled), None)

    @property
    def place(self) -> str:
        """What it shows: the first text that looks like a file."""
        texts = [text for text in self.data.values() if isinstance(text, str)]
        return next((text for text in texts if PurePath(text).suffix), "")


class _File(RootModel[list[_Task]]):
    pass


def read_label_studio(path: Path, order: Order) -> LabelledSet:
    """Read an export as JSON; pictures and videos are looked for around it by their names.

    Raises:
        ConfigError: if the file is malformed, or its pictures are not found.
    """
    tasks = read_json(path, _File).root
    unnamed = [number for number, task in enumerate(tasks) if not task.place]
    if not tasks or unnamed:
        raise ConfigError(f"{path}: expected tasks of pictures or videos; task {unnamed[:1]} names none in its data")
    classes = sorted({region.value.label for task in tasks for region in task.regions or () if region.value.label})
    if PurePath(tasks[0].place).suffix.lower() in VIDEO_SUFFIXES:
        videos = [_read_video(path, task, classes) for task in tasks]
        return LabelledSet(path.stem, tuple(classes), tuple(videos))
    finder = PictureFinder(path)
    pictures = [_read_picture(path, task, finder) for task in tasks]
    return labelled_pictures(path, path.stem, pictures, order, classes)


def _read_picture(path: Path, task: _Task, finder: PictureFinder) -> Picture:
    file = finder.find(task.place)
    if task.regions is None:
        return Picture(file.name, file, None)
    marks, faults, size = [], [], None
    for region in task.regions:
        if region.original_width and region.original_height:
            size = (region.original_width, region.original_height)
        if region.value.label is None:
            continue  # a choice or a text about the whole picture
        box = _box(f"{path}: {task.place}: {region.type}", region)
        if box is None:
            faults.append(f"shapes that are no boxes ({region.type}), left out")
        else:
            marks.append(Mark(region.value.label, box))
    return Picture(file.name, file, marks, size, faults)


def _box(where: str, region: _Region) -> XYXY | None:
    """In pixels; None of a single point."""
    value = region.value
    if value.brushlabels:
        raise ConfigError(f"{where}: brush masks of Label Studio are not read; export the task as COCO with masks")
    if not region.original_width or not region.original_height:
        raise ConfigError(f"{where}: expected original_width and original_height")
    across, down = region.original_width / 100, region.original_height / 100
    if value.points:
        return box_around([(x * across, y * down) for x, y in value.points])
    if value.x is None or value.y is None:
        raise ConfigError(f"{where}: is not a supported shape; expected a rectangle, an ellipse or a polygon")
    x, y = value.x * across, value.y * down
    if value.radiusX is not None and value.radiusY is not None:
        return box_around_ellipse(x, y, value.radiusX * across, value.radiusY * down, value.rotation)
    if value.width is None or value.height is None or value.keypointlabels:
        return None
    box = (x, y, x + value.width * across, y + value.height * down)
    return box_around_turned(box, value.rotation, pivot=(x, y))


def _read_video(path: Path, task: _Task, classes: Sequence[str]) -> LabelledVideo:
    frames = VideoFile(_find_video(path, task.place))
    marks, count = Marks(*frames.size), len(frames.times_s)
    if task.regions is not None:
        for frame in range(count):
            marks.annotated(frame)
    for number, region in enumerate(task.regions or ()):
        label, keys = region.value.label, region.value.sequence
        if label is None:
            continue
        if keys is None:
            raise ConfigError(f"{path}: {task.place}: {region.type} is not a supported box of a video")
        told = region.value.framesCount or count
        if abs(told - count) > max(2, count / 50):
            raise ConfigError(
                f"{path}: {task.place}: Label Studio counted {told} frames, the video has {count}; "
                "set frameRate in its labelling configuration to the rate of the video"
            )
        track = region.id if region.id is not None else number
        for frame, box in _moving(keys, count, frames.size):
            put_marks(marks, frame, [Mark(label, box, track)], classes)
    return marks.video(frames.path.stem, frames, frames.times_s, range(len(classes)))


def _moving(keys: list[_Key], count: int, size: tuple[int, int]) -> list[tuple[int, XYXY]]:
    """The box in every frame, counted from 0, from the first listed one on."""
    keys = sorted(keys, key=lambda key: key.frame)
    boxes = []
    for key, following in zip(keys, [*keys[1:], None], strict=True):
        stop = following.frame if following else count + 1 if key.enabled else key.frame + 1
        for frame in range(key.frame, stop if key.enabled else key.frame + 1):
            share = (frame - key.frame) / (stop - key.frame) if following else 0.0
            boxes.append((frame - 1, _between(key, following or key, share, size)))
    return [(frame, box) for frame, box in boxes if 0 <= frame < count]


def _between(key: _Key, following: _Key, share: float, size: tuple[int, int]) -> XYXY:
    ends = ((one.x, one.y, one.width, one.height) for one in (key, following))
    x, y, width, height = (a + (b - a) * share for a, b in zip(*ends, strict=True))
    across, down = size[0] / 100, size[1] / 100
    box = xywh_to_xyxy((x * across, y * down, width * across, height * down))
    return box_around_turned(box, key.rotation, pivot=(box[0], box[1]))


def _find_video(path: Path, place: str) -> Path:
    name = PurePath(place.replace("\\", "/")).name
    near = [path.parent / name, path.parent / "videos" / name]
    # An upload gets eight digits before its name.
    near += [file.parent / file.name.partition("-")[2] for file in near]
    found = next((file for file in near if isfile(file)), None)
    videos = list_videos(path.parent)
    if found is None and len(videos) != 1:
        raise ConfigError(f"{path}: is of a video, in the format of Label Studio; expected {name} beside it")
    return found or videos[0]
