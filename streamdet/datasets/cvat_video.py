"""CVAT for video 1.1: tracks of keyframes in one XML, beside its video or the pictures of its frames.

Between two listed boxes of a track the box moves linearly; after the last it stays until the task ends; `outside`
ends it. Of polygons, masks, skeletons and other shapes the boxes around them are read. A label named `ignore` marks
regions in which nothing counts. Frames that the task skipped (start, stop, step) are not annotated.

Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/; CVAT, get_interpolated_shapes.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import isfile
from pathlib import Path
from xml.etree import ElementTree

from streamdet.datasets.cvat_shapes import NO_SHAPES, shape_box
from streamdet.datasets.files import MAX_FRAMES, parse_numbers, read_xml
from streamdet.datasets.frames import (
    DEFAULT_RATE,
    ImageFiles,
    VideoFile,
    list_pictures,
    list_videos,
    picture_size,
)
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import IGNORE, XYXY, Marks, frame_times
from streamdet.errors import ConfigError
from streamdet.media.locations import VIDEO_SUFFIXES


@dataclass(frozen=True, slots=True)
class _Shape:
    frame: int
    box: XYXY
    outside: bool


def read_cvat_video(path: Path) -> LabelledSet:
    """Read a CVAT-for-video XML; its video is the one that it names, or the only one beside it.

    Raises:
        ConfigError: if the file is malformed or neither video nor pictures are found.
    """
    root = read_xml(path)
    task = next((task for name in ("task", "job") if (task := root.find(f"meta/{name}")) is not None), None)
    if root.tag != "annotations" or task is None:
        raise ConfigError(f"{path}: expected <annotations> with <meta> of one <task> or <job>, as CVAT for video 1.1")
    names = [label.findtext("name") or "" for label in task.iterfind("labels/label")]
    classes = tuple(name for name in dict.fromkeys(names) if name != IGNORE)
    frames = _find_frames(path, task.findtext("source"))
    count = len(frames.paths) if isinstance(frames, ImageFiles) else len(frames.times_s)
    _check_size(path, task, frames.size)
    marks = Marks(*frames.size)
    annotated = _annotated_frames(path, task, count)
    for frame in annotated:
        marks.annotated(frame)
    for track in root.iterfind("track"):
        _mark(path, track, marks, classes, annotated)
    times_s = frames.times_s if isinstance(frames, VideoFile) else frame_times({}, count, DEFAULT_RATE)
    name = frames.path.stem if isinstance(frames, VideoFile) else path.parent.name
    video = marks.video(name, frames, times_s, range(len(classes)))
    return LabelledSet(name=name, classes=classes, videos=(video,))


def _find_frames(path: Path, source: str | None) -> VideoFile | ImageFiles:
    folder = path.parent
    # Only the name: the source is a path on the machine that made the task.
    named = folder / Path(source or "").name
    if isfile(named) and named.suffix.lower() in VIDEO_SUFFIXES:
        return VideoFile(named)
    videos = list_videos(folder)
    same_stem = [video for video in videos if video.stem == path.stem] or videos
    if len(same_stem) == 1:
        return VideoFile(same_stem[0])
    pictures = list_pictures(folder / "images")
    if pictures:
        return ImageFiles(pictures, picture_size(pictures[0]))
    wanted = f"{named.name} or " if source else ""
    raise ConfigError(f"{path}: expected {wanted}exactly one video beside it, or its frames in images/")


def _check_size(path: Path, task: ElementTree.Element, size: tuple[int, int]) -> None:
    original = task.find("original_size")
    if original is None:
        return
    width, height = parse_numbers(f"{path}: original_size", [original.findtext(k) for k in ("width", "height")], 2)
    if (width, height) != size:
        raise ConfigError(f"{path}: is for {width:.0f}x{height:.0f} pixels, its video has {size[0]}x{size[1]}")


def _annotated_frames(path: Path, task: ElementTree.Element, count: int) -> range:
    """Frames of the video that the task shows to its annotators."""
    start = _integer(path, task, "start_frame", 0)
    stop = _integer(path, task, "stop_frame", count - 1)
    step = re.fullmatch(r"\s*step\s*=\s*(\d{1,8})\s*", task.findtext("frame_filter") or "step=1")
    if step is None or not int(step[1]) or not 0 <= start <= stop:
        raise ConfigError(f"{path}: expected start_frame <= stop_frame and a frame_filter like step=5")
    if stop >= count:
        raise ConfigError(f"{path}: covers frames up to {stop}, but its video has {count} frames")
    return range(start, stop + 1, int(step[1]))


def _mark(path: Path, track: ElementTree.Element, marks: Marks, classes: tuple[str, ...], annotated: range) -> None:
    identity, label = track.get("id", ""), track.get("label", "")
    where = f"{path}: track {identity}"
    if label not in (*classes, IGNORE):
        raise ConfigError(f"{where}: label {label!r} is not among the labels of the task: {classes}")
    shapes = [_read_shape(where, item) for item in track if item.tag not in NO_SHAPES]
    for frame, box in _interpolate(shapes, annotated):
        if label == IGNORE:
            marks.ignore(frame, box)
        else:
            marks.box(frame, box, classes.index(label), identity)


def _interpolate(shapes: list[_Shape], annotated: range) -> Iterator[tuple[int, XYXY]]:
    """The track's box in every annotated frame where it is seen."""
    shapes = sorted(shapes, key=lambda shape: shape.frame)
    for shape, following in itertools.zip_longest(shapes, shapes[1:]):
        end = following.frame if following else annotated.stop
        if shape.outside:
            continue
        for frame in range(shape.frame, min(end, annotated.stop)):
            if frame in annotated:
                share = (frame - shape.frame) / (end - shape.frame) if following else 0.0
                target = following.box if following else shape.box
                x1, y1, x2, y2 = (a + (b - a) * share for a, b in zip(shape.box, target, strict=True))
                yield frame, (x1, y1, x2, y2)


def _read_shape(where: str, item: ElementTree.Element) -> _Shape:
    """Every shape as the box around it; boxes move linearly as outlines do, near enough."""
    frame = parse_numbers(f"{where}: {item.tag}: frame", [item.get("frame")], 1)[0]
    if not 0 <= frame < MAX_FRAMES:
        raise ConfigError(f"{where}: {item.tag} of frame {frame:.0f}, expected 0 or more")
    box = shape_box(where, item)
    return _Shape(int(frame), box or (0.0, 0.0, 0.0, 0.0), box is None or item.get("outside", "0") == "1")


def _integer(path: Path, task: ElementTree.Element, key: str, default: int) -> int:
    text = task.findtext(key)
    return default if text is None else int(parse_numbers(f"{path}: {key}", [text], 1)[0])
