"""COCO-VID: one JSON of videos, images (the annotated frames) and annotations.

Beyond plain COCO-VID a video may say `labelled` (names of the classes that are marked exhaustively; all, if it is
missing), `frames`, `fps` and `segments`, and an image `time_s`. A video is a video file (its `file_name`) or the
pictures that its images name; `frame_id` counts the frames of the video from 0.

Source: https://github.com/open-mmlab/mmtracking/blob/master/docs/en/tutorials/customize_dataset.md
"""

from collections import defaultdict
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from streamdet.datasets.coco import Annotation, Annotations, Category, labelled_classes
from streamdet.datasets.files import Finite, FrameNumber, Identifier, Side, read_json
from streamdet.datasets.frames import DEFAULT_RATE, ImageFiles, VideoFile, find_pictures
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import Marks, frame_times
from streamdet.errors import ConfigError


class _Video(BaseModel):
    id: Identifier
    name: str | None = None
    file_name: str | None = None
    width: Side | None = None
    height: Side | None = None
    frames: FrameNumber | None = None
    fps: Annotated[float, Field(gt=0, le=1000)] = DEFAULT_RATE
    labelled: list[str] | None = None
    segments: list[tuple[int, int]] | None = None

    @property
    def title(self) -> str:
        return self.name or self.file_name or str(self.id)


class _Image(BaseModel):
    id: Identifier
    video_id: Identifier
    frame_id: FrameNumber
    file_name: str | None = None
    width: Side | None = None
    height: Side | None = None
    time_s: Finite | None = None


class _File(BaseModel):
    videos: list[_Video]
    images: list[_Image]
    annotations: list[Annotation]
    categories: list[Category]


def read_coco_vid(path: Path) -> LabelledSet:
    """Read a COCO-VID JSON; videos and pictures are looked for from its folder.

    Times are those of the images; of the video file, where not every frame has one; else frame_id / `fps` (25).

    Raises:
        ConfigError: if the file is malformed or a video is missing.
    """
    file = read_json(path, _File)
    annotations = Annotations(path, file.annotations, file.categories, [image.id for image in file.images])
    images: dict[Identifier, list[_Image]] = defaultdict(list)
    for image in file.images:
        images[image.video_id].append(image)
    unknown = images.keys() - {video.id for video in file.videos}
    if unknown:
        raise ConfigError(f"{path}: images refer to video {min(map(str, unknown))}, which is not among the videos")
    videos = []
    for video in file.videos:
        where = f"{path}: video {video.title}"
        rows = sorted(images[video.id], key=lambda image: image.frame_id)
        if len({image.frame_id for image in rows}) < len(rows):
            raise ConfigError(f"{where}: several images have the same frame_id")
        read = _read_pictures if video.file_name is None else _read_video_file
        videos.append(read(where, path, video, rows, annotations))
    return LabelledSet(name=path.parent.name, classes=annotations.classes, videos=tuple(videos))


def _read_video_file(
    where: str, path: Path, video: _Video, images: list[_Image], annotations: Annotations
) -> LabelledVideo:
    frames = VideoFile(path.parent / (video.file_name or ""))
    size = (video.width or frames.size[0], video.height or frames.size[1])
    if size != frames.size:
        raise ConfigError(f"{where}: labels are for {size[0]}x{size[1]} pixels, {frames.path} has {frames.size}")
    known = {image.frame_id: image.time_s for image in images if image.time_s is not None}
    count = video.frames or len(frames.times_s)
    if images and images[-1].frame_id >= count:
        raise ConfigError(f"{where}: an image has frame_id {images[-1].frame_id}, the video has {count} frames")
    marks = Marks(*size)
    for image in images:
        annotations.mark(image.id, marks, image.frame_id)
    times_s = frame_times(known, count, video.fps) if len(known) == count else frames.times_s[:count]
    if len(times_s) < count:
        raise ConfigError(f"{where}: has {count} frames, but {frames.path} has {len(times_s)}")
    labelled = labelled_classes(where, video.labelled, annotations.classes)
    return marks.video(video.title, frames, times_s, labelled, _segments(where, video.segments, count))


def _read_pictures(
    where: str, path: Path, video: _Video, images: list[_Image], annotations: Annotations
) -> LabelledVideo:
    names = [image.file_name for image in images if image.file_name]
    if not names or len(names) < len(images):
        raise ConfigError(f"{where}: expected file_name of the video, or of each of its images")
    folder = find_pictures(path, names)
    width, height = video.width or images[0].width, video.height or images[0].height
    if not width or not height:
        raise ConfigError(f"{where}: expected width and height, of the video or of its images")
    marks = Marks(width, height)
    for frame, image in enumerate(images):
        annotations.mark(image.id, marks, frame)
    known = {frame: image.time_s for frame, image in enumerate(images) if image.time_s is not None}
    if not known:
        known = {frame: image.frame_id / video.fps for frame, image in enumerate(images)}
    frames = ImageFiles([folder / name for name in names], (width, height))
    times_s = frame_times(known, len(images), video.fps)
    labelled = labelled_classes(where, video.labelled, annotations.classes)
    return marks.video(video.title, frames, times_s, labelled, _segments(where, video.segments, len(images)))


def _segments(where: str, segments: list[tuple[int, int]] | None, frames: int) -> tuple[tuple[int, int], ...] | None:
    if not segments:
        return None
    starts = [start for start, _ in segments]
    stops = [stop for _, stop in segments]
    if starts != [0, *stops[:-1]] or stops[-1] != frames or any(start >= stop for start, stop in segments):
        raise ConfigError(f"{where}: segments must cover frames 0 to {frames} without overlap, in order")
    return tuple(segments)
