"""YouTube-VIS: one JSON of videos (pictures of every fifth frame) and tracks of boxes; masks are not read.

Source: Yang et al. 2019; https://youtube-vos.org/dataset/vis/
"""

from collections import defaultdict
from pathlib import Path

from pydantic import BaseModel, Field

from streamdet.datasets.coco import Category, index_categories
from streamdet.datasets.files import Box, Identifier, Side, read_json
from streamdet.datasets.frames import ImageFiles, find_pictures
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import Marks, frame_times, xywh_to_xyxy
from streamdet.errors import ConfigError

# Every fifth frame of videos of 30 frames a second.
_RATE = 6.0


class _Video(BaseModel):
    id: Identifier
    width: Side
    height: Side
    file_names: list[str] = Field(min_length=1)


class _Track(BaseModel):
    id: Identifier
    video_id: Identifier
    category_id: Identifier
    bboxes: list[Box | None]
    iscrowd: int | None = None


class _File(BaseModel):
    videos: list[_Video] = Field(min_length=1)
    annotations: list[_Track]
    categories: list[Category]


def read_youtube_vis(path: Path) -> LabelledSet:
    """Read a YouTube-VIS JSON; every frame is annotated, pictures are looked for in JPEGImages/ around it.

    Raises:
        ConfigError: if the file is malformed, has no boxes, or its pictures are not found.
    """
    file = read_json(path, _File)
    classes, class_ids = index_categories(file.categories)
    tracks: dict[Identifier, list[_Track]] = defaultdict(list)
    for track in file.annotations:
        if str(track.category_id) not in class_ids:
            raise ConfigError(f"{path}: annotation {track.id}: no category has id {track.category_id}")
        tracks[track.video_id].append(track)
    below = ("JPEGImages", f"{path.stem}/JPEGImages")
    folder = find_pictures(path, [video.file_names[0] for video in file.videos], more=below)
    videos = []
    for video in file.videos:
        count = len(video.file_names)
        marks = Marks(video.width, video.height)
        for frame in range(count):
            marks.annotated(frame)
        for track in tracks.pop(video.id, ()):
            if len(track.bboxes) != count:
                raise ConfigError(f"{path}: annotation {track.id}: {len(track.bboxes)} bboxes, expected {count}")
            _mark(marks, track, class_ids[str(track.category_id)])
        frames = ImageFiles([folder / name for name in video.file_names], (video.width, video.height))
        name = Path(video.file_names[0]).parent.name or str(video.id)
        videos.append(marks.video(name, frames, frame_times({}, count, _RATE), range(len(classes))))
    if tracks:
        raise ConfigError(f"{path}: annotations refer to video {min(map(str, tracks))}, which is not among the videos")
    return LabelledSet(name=f"{path.parent.name}/{path.stem}", classes=classes, videos=tuple(videos))


def _mark(marks: Marks, track: _Track, class_id: int) -> None:
    for frame, box in enumerate(track.bboxes):
        if box is not None and track.iscrowd:
            marks.ignore(frame, xywh_to_xyxy(box))
        elif box is not None:
            marks.box(frame, xywh_to_xyxy(box), class_id, track.id)
