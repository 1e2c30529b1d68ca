"""CVAT for images 1.1: one XML of images with shapes, beside the pictures, or beside the video of the task.

Every image that the file lists was reviewed. Shapes have no identities here. Of polygons, masks, skeletons and
other shapes the boxes around them are read.

Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from os.path import isfile
from pathlib import Path
from xml.etree import ElementTree

from streamdet.datasets.cvat_shapes import NO_SHAPES, shape_box
from streamdet.datasets.files import MAX_FRAMES, MAX_SIDE, parse_numbers, read_xml
from streamdet.datasets.frames import VideoFile, list_videos
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import Marks
from streamdet.datasets.numbering import Order
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures, put_marks
from streamdet.errors import ConfigError


def read_cvat_images(path: Path, order: Order) -> LabelledSet:
    """Read a CVAT-for-images XML; pictures are found by the names of its images, with or without an ending.

    Raises:
        ConfigError: if the file is malformed, or neither pictures nor a video are found.
    """
    root = read_xml(path)
    images = root.findall("image")
    if not images:
        raise ConfigError(f"{path}: expected <image> with shapes, as CVAT for images 1.1")
    names = [label.findtext("name") or "" for label in root.iterfind("meta//labels/label")]
    finder = PictureFinder(path)
    pictures = [_read_image(path, image, finder) for image in images]
    videos = list_videos(path.parent)
    if len(videos) == 1 and not any(isfile(picture.path) for picture in pictures):
        return _in_video(path, videos[0], images, pictures, names)
    return labelled_pictures(path, path.parent.name, pictures, order, names)


def _read_image(path: Path, image: ElementTree.Element, finder: PictureFinder) -> Picture:
    name = image.get("name") or ""
    where = f"{path}: image {name}"
    width, height = parse_numbers(where, [image.get("width"), image.get("height")], 2)
    if not (name and 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ConfigError(f"{where}: expected its name, width and height")
    marks = []
    for item in image:
        box = None if item.tag in NO_SHAPES else shape_box(where, item)
        if box:
            marks.append(Mark(item.get("label") or "", box))
    if not marks and image.find("tag") is not None:
        raise ConfigError(f"{where}: has tags for whole pictures but no shapes; expected boxes or outlines")
    return Picture(name, finder.find(name), marks, (int(width), int(height)))


def _in_video(
    path: Path, file: Path, images: list[ElementTree.Element], pictures: list[Picture], names: list[str]
) -> LabelledSet:
    """The images of a task on a video: their ids are its frames."""
    frames = VideoFile(file)
    found = {mark.class_name for picture in pictures for mark in picture.marks or ()}
    classes = tuple(dict.fromkeys([*names, *sorted(found)]))
    marks, count = Marks(*frames.size), len(frames.times_s)
    for image, picture in zip(images, pictures, strict=True):
        frame = int(parse_numbers(f"{path}: image {picture.name}: id", [image.get("id")], 1)[0])
        if not 0 <= frame < min(count, MAX_FRAMES) or picture.size != frames.size:
            raise ConfigError(f"{path}: image {picture.name} is no frame of {file.name}: {frames.size}, {count} frames")
        put_marks(marks, frame, picture.marks, classes)
    video = marks.video(file.stem, frames, frames.times_s, range(len(classes)))
    return LabelledSet(file.stem, classes, (video,), (f"the images are read as frames of {file.name}, by their ids",))
