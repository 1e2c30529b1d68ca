"""ImageNet VID: Annotations/VID/<split>/.../<video>/000000.xml and Data/VID/<split>/.../<video>/000000.JPEG.

Source: Russakovsky et al. 2015; ILSVRC2015 development kit, readme.txt, section 3.2.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from streamdet.datasets.files import MAX_SIDE, parse_numbers, read_xml
from streamdet.datasets.frames import DEFAULT_RATE, ImageFiles, list_pictures
from streamdet.datasets.labels import LabelledSet, LabelledVideo
from streamdet.datasets.marks import XYXY, Marks, frame_times
from streamdet.errors import ConfigError

_SYNSETS = {
    "n02691156": "airplane",
    "n02419796": "antelope",
    "n02131653": "bear",
    "n02834778": "bicycle",
    "n01503061": "bird",
    "n02924116": "bus",
    "n02958343": "car",
    "n02402425": "cattle",
    "n02084071": "dog",
    "n02121808": "domestic cat",
    "n02503517": "elephant",
    "n02118333": "fox",
    "n02510455": "giant panda",
    "n02342885": "hamster",
    "n02374451": "horse",
    "n02129165": "lion",
    "n01674464": "lizard",
    "n02484322": "monkey",
    "n03790512": "motorcycle",
    "n02324045": "rabbit",
    "n02509815": "red panda",
    "n02411705": "sheep",
    "n01726692": "snake",
    "n02355227": "squirrel",
    "n02129604": "tiger",
    "n04468005": "train",
    "n01662784": "turtle",
    "n04530566": "watercraft",
    "n02062744": "whale",
    "n02391049": "zebra",
}


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    identity: str | None
    box: XYXY


@dataclass(frozen=True, slots=True)
class _Snippet:
    folder: Path
    size: tuple[int, int]
    pictures: list[Path]
    frames: dict[int, list[_Object]]


def read_imagenet_vid(path: Path, frames_per_second: float = DEFAULT_RATE) -> LabelledSet:
    """Read one split; a picture without an XML is not annotated.

    Names that are not of ImageNet VID are classes of their own, so that sets of one's own in this layout work, too.

    Args:
        path: Annotations/VID/<split>; the pictures are in Data/VID/<split>.
        frames_per_second: the set does not tell.

    Raises:
        ConfigError: if there are no annotations, or one is malformed or without pictures.
    """
    folders = sorted({file.parent for file in path.rglob("*.xml")})
    if not folders or path.parts[-3:-1] != ("Annotations", "VID"):
        raise ConfigError(f"{path}: expected a folder Annotations/VID/<split> with <video>/000000.xml in it")
    data = path.parents[2] / "Data" / "VID" / path.name
    snippets = [_read_snippet(folder, data / folder.relative_to(path)) for folder in folders]
    found = {item.name for snippet in snippets for objects in snippet.frames.values() for item in objects}
    own = tuple(sorted(found - set(_SYNSETS.values())))
    classes = own if own and not found & set(_SYNSETS.values()) else (*_SYNSETS.values(), *own)
    videos = tuple(_to_video(snippet, classes, frames_per_second) for snippet in snippets)
    return LabelledSet(name=f"{path.parents[2].name}/{path.name}", classes=classes, videos=videos)


def _read_snippet(folder: Path, data: Path) -> _Snippet:
    pictures = list_pictures(data)
    positions = {picture.stem: i for i, picture in enumerate(pictures)}
    size = (0, 0)
    frames = {}
    for file in sorted(folder.glob("*.xml")):
        if file.stem not in positions:
            raise ConfigError(f"{file}: expected its picture {file.stem}.JPEG in {data}")
        root = read_xml(file)
        size = _read_size(file, root)
        frames[positions[file.stem]] = [_read_object(file, item) for item in root.findall("object")]
    return _Snippet(folder, size, pictures, frames)


def _read_size(file: Path, root: ElementTree.Element) -> tuple[int, int]:
    texts = [root.findtext("size/width"), root.findtext("size/height")]
    width, height = parse_numbers(f"{file}: size", texts, 2)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ConfigError(f"{file}: size {width:.0f}x{height:.0f}, expected that of the picture")
    return int(width), int(height)


def _read_object(file: Path, item: ElementTree.Element) -> _Object:
    name = item.findtext("name")
    if not name:
        raise ConfigError(f"{file}: expected a name in every object")
    texts = [item.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
    x1, y1, x2, y2 = parse_numbers(f"{file}: object {name}: bndbox", texts, 4)
    return _Object(_SYNSETS.get(name, name), item.findtext("trackid"), (x1, y1, x2, y2))


def _to_video(snippet: _Snippet, classes: tuple[str, ...], frames_per_second: float) -> LabelledVideo:
    marks = Marks(*snippet.size)
    for frame, objects in snippet.frames.items():
        marks.annotated(frame)
        for item in objects:
            marks.box(frame, item.box, classes.index(item.name), item.identity)
    frames = ImageFiles(snippet.pictures, snippet.size)
    times_s = frame_times({}, len(snippet.pictures), frames_per_second)
    return marks.video(snippet.folder.name, frames, times_s, range(len(classes)))
