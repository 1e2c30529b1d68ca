"""COCO-VID: one JSON of videos, images (the annotated frames) and annotations.

Beyond plain COCO-VID a video may say `labelled` (names of the classes that are marked exhaustively; all, if it is
missing), `frames`, `fps` and `segments`, and an image `time_s`. A video is a video file (its `file_name`) or the
pictures that its images name.

Source: https://github.com/open-mmlab/mmtracking/blob/master/docs/en/tutorials/customize_dataset.md
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from streamdet.errors import ConfigError
from streamdet.training.datasets.files import Box, Finite, FrameNumber, Identifier, Side, read_json
from streamdet.training.datasets.frames import ImageFiles, VideoFile
from streamdet.training.datasets.labels import FrameReader, LabelledSet, LabelledVideo
from streamdet.training.datasets.marks import (
    Marks,
    frame_times,
    require_ascending,
    unbroken_segments,
    xywh_to_xyxy,
)


class _Video(BaseModel):
    id: Identifier
    name: str = ""
    file_name: str | None = None
    width: Side | None = None
    height: Side | None = None
    frames: FrameNumber | None = None
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    labelled: list[str] | None = None
    segments: list[tuple[int, int]] | None = None


class _Image(BaseModel):
    id: Identifier
    video_id: Identifier
    frame_id: FrameNumber
    file_name: str | None = None
    width: Side | None = None
    height: Side | None = None
    time_s: Finite | None = None


class _Annotation(BaseModel):
    id: Identifier | None = None
    image_id: Identifier
    category_id: Identifier
    bbox: Box
    iscrowd: int = 0
    instance_id: Identifier | None = None
    track_id: Identifier | None = None


class _Category(BaseModel):
    id: Identifier
    name: str


class _File(BaseModel):
    videos: list[_Video]
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco_vid(path: Path, frames_per_second: float = 25.0) -> LabelledSet:
    """Read a COCO-VID JSON; videos and pictures are looked for from its folder.

    Args:
        path: the JSON file.
        frames_per_second: where neither images nor the video tell the time.

    Raises:
        ConfigError: if the file is malformed or a video is missing.
    """
    file = read_json(path, _File)
    classes = tuple(dict.fromkeys(category.name for category in file.categories))
    class_ids = {category.id: classes.index(category.name) for category in file.categories}
    images: dict[Identifier, list[_Image]] = defaultdict(list)
    for image in file.images:
        images[image.video_id].append(image)
    annotations: dict[Identifier, list[_Annotation]] = defaultdict(list)
    for annotation in file.annotations:
        if annotation.category_id not in class_ids:
            raise ConfigError(f"{path}: annotation {annotation.id}: no category has id {annotation.category_id}")
        annotations[annotation.image_id].append(annotation)
    unknown = (annotations.keys() - {image.id for image in file.images}) | (
        images.keys() - {video.id for video in file.videos}
    )
    if unknown:
        raise ConfigError(
            f"{path}: ids {sorted(map(str, unknown))[:5]} are referred to, but no image or video has them"
        )
    videos = [
        _read_video(
            path,
            video,
            images=sorted(images[video.id], key=lambda image: image.frame_id),
            annotations=annotations,
            class_ids=class_ids,
            labelled=_labelled(f"{path}: video {video.name or video.id}", video.labelled, classes),
            frames_per_second=video.fps or frames_per_second,
        )
        for video in file.videos
    ]
    return LabelledSet(name=path.parent.name, classes=classes, videos=tuple(videos))


def _read_video(
    path: Path,
    video: _Video,
    *,
    images: list[_Image],
    annotations: Mapping[Identifier, list[_Annotation]],
    class_ids: Mapping[Identifier, int],
    labelled: frozenset[int],
    frames_per_second: float,
) -> LabelledVideo:
    where = f"{path}: video {video.name or video.id}"
    frames, positions = _frames(where, path.parent, video, images)
    width, height = _size(where, video, images)
    marks = Marks(width, height)
    for image, position in zip(images, positions, strict=True):
        marks.annotated(position)
        for annotation in annotations.get(image.id, ()):
            box = xywh_to_xyxy(annotation.bbox)
            if annotation.iscrowd:
                marks.ignore(position, box)
            else:
                identity = annotation.instance_id if annotation.track_id is None else annotation.track_id
                marks.box(position, box, class_ids[annotation.category_id], identity)
    count = max([video.frames or 0, *(position + 1 for position in positions)])
    known = {p: image.time_s for image, p in zip(images, positions, strict=True) if image.time_s is not None}
    times_s = frame_times(known, count, frames_per_second)
    require_ascending(times_s, where)
    return LabelledVideo(
        name=video.name or video.file_name or str(video.id),
        width=width,
        height=height,
        times_s=times_s,
        labels=marks.labels(count),
        labelled=labelled,
        segments=_segments(where, video.segments, count) if video.segments else unbroken_segments(times_s),
        frames=frames,
        faults=marks.faults,
    )


def _frames(where: str, folder: Path, video: _Video, images: list[_Image]) -> tuple[FrameReader, list[int]]:
    """The pictures, and the position of every image among them."""
    if video.file_name is not None:
        file = folder / video.file_name
        if not file.is_file():
            raise ConfigError(f"{where}: its file {file} does not exist")
        return VideoFile(file), [image.frame_id for image in images]
    names = [image.file_name for image in images if image.file_name]
    if not names or len(names) < len(images):
        raise ConfigError(f"{where}: expected file_name of the video, or of each of its images")
    return ImageFiles(tuple(folder / name for name in names)), list(range(len(images)))


def _size(where: str, video: _Video, images: list[_Image]) -> tuple[int, int]:
    first = images[0] if images else None
    width = video.width or (first and first.width)
    height = video.height or (first and first.height)
    if not width or not height:
        raise ConfigError(f"{where}: expected width and height, of the video or of its images")
    return width, height


def _labelled(where: str, names: list[str] | None, classes: tuple[str, ...]) -> frozenset[int]:
    unknown = set(names or ()) - set(classes)
    if unknown:
        raise ConfigError(f"{where}: labelled names {sorted(unknown)}, which are not among its categories")
    return frozenset(i for i, name in enumerate(classes) if names is None or name in names)


def _segments(where: str, segments: list[tuple[int, int]], frames: int) -> tuple[tuple[int, int], ...]:
    starts = [start for start, _ in segments]
    stops = [stop for _, stop in segments]
    if starts != [0, *stops[:-1]] or stops[-1] != frames or any(start >= stop for start, stop in segments):
        raise ConfigError(f"{where}: segments must cover frames 0 to {frames} without overlap, in order")
    return tuple(segments)
