"""Opens labelled footage of any format that there is a reader for."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from streamdet.datasets.bdd100k import read_bdd100k
from streamdet.datasets.coco_stills import read_coco_stills
from streamdet.datasets.coco_vid import read_coco_vid
from streamdet.datasets.cvat_video import read_cvat_video
from streamdet.datasets.files import MAX_JSON_BYTES, read_bytes
from streamdet.datasets.imagenet_vid import read_imagenet_vid
from streamdet.datasets.kitti_tracking import read_kitti_tracking
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.motchallenge import read_motchallenge
from streamdet.datasets.visdrone_vid import read_visdrone_vid
from streamdet.datasets.yolo import read_yolo
from streamdet.datasets.youtube_vis import read_youtube_vis
from streamdet.errors import ConfigError

READERS: Mapping[str, Callable[[Path], LabelledSet]] = {
    "bdd100k": read_bdd100k,
    "coco": read_coco_stills,
    "coco-vid": read_coco_vid,
    "cvat-video": read_cvat_video,
    "imagenet-vid": read_imagenet_vid,
    "kitti-tracking": read_kitti_tracking,
    "motchallenge": read_motchallenge,
    "visdrone-vid": read_visdrone_vid,
    "yolo": read_yolo,
    "youtube-vis": read_youtube_vis,
}
# What a folder holds, where one name in it is enough to tell the format.
_LANDMARKS = (
    ("gt/gt.txt", "motchallenge"),
    ("*/gt/gt.txt", "motchallenge"),
    ("label_02", "kitti-tracking"),
    ("sequences", "visdrone-vid"),
    ("data.yaml", "yolo"),
    ("classes.txt", "yolo"),
)
# Found by a search, not by parsing: large files would take twice as long to open. The reader checks all of it.
_KEYS = re.compile(rb'"(annotations|frames|images|videos)"\s*:\s*\[')
_YAML = (".yaml", ".yml")
_LABEL_SUFFIXES = (".json", ".xml", *_YAML)
_Parts = dict[str, tuple[Path, str | None]]
_LOOKED_FOR = (
    "a JSON (COCO, COCO-VID, YouTube-VIS, BDD100K), a CVAT-for-video XML, a YOLO data.yaml, or a folder with one of "
    "those, gt/gt.txt (MOTChallenge), label_02/ (KITTI), sequences/ (VisDrone), Annotations/VID/ (ImageNet VID), "
    "labels/box_track_20/ (BDD100K), or classes.txt (YOLO)"
)


def open_set(path: str | Path, split: str | None = None, format: str | None = None) -> LabelledSet:  # noqa: A002
    """Open labelled footage, its format recognised from the files.

    Args:
        path: a file or a folder.
        split: which part of a set that has several; its name is that of the split's file or folder.
        format: a key of READERS, where the files do not tell.

    Raises:
        ConfigError: if it does not exist, is of no format that is known, has several splits and none was chosen, or
            is malformed.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: does not exist; expected {_LOOKED_FOR}")
    if format not in (None, *READERS):
        raise ConfigError(f"format {format!r}, expected one of {', '.join(READERS)}")
    parts: _Parts = {"": (path, format)} if format and not split else _find_parts(path)
    chosen, found = _choose(path, parts, split)
    format = format or found or _recognise_file(chosen)  # noqa: A001
    labelled = read_yolo(chosen, split) if format == "yolo" else READERS[format](chosen)
    repeated = [name for name, count in Counter(video.name for video in labelled.videos).items() if count > 1]
    if repeated:
        raise ConfigError(f"{chosen}: {len(repeated)} names belong to several videos, such as {repeated[0]!r}")
    return labelled


def holds_labels(path: Path) -> bool:
    """Whether there are labels of a known format; reading them may still show mistakes.

    A file by its ending; a folder by what open_set would find in it, so that a JSON of something else is not enough.
    """
    if path.is_file():
        return path.suffix.lower() in _LABEL_SUFFIXES
    return path.is_dir() and any(known or _is_recognised(part) for part, known in _find_parts(path).values())


def _is_recognised(file: Path) -> bool:
    try:
        _recognise_file(file)
    except ConfigError:
        return False
    return True


def _choose(path: Path, parts: _Parts, split: str | None) -> tuple[Path, str | None]:
    """The part that is asked for; the splits of data.yaml are left to its own reader."""
    names = ", ".join(sorted(filter(None, parts)))
    if not parts:
        raise ConfigError(f"{path}: no labels found; looked for {_LOOKED_FOR}")
    if split is None and len(parts) > 1:
        raise ConfigError(f"{path}: choose one of its splits: {names}")
    if split is None:
        return next(iter(parts.values()))
    if split in parts:
        return parts[split]
    whole = parts.get("")
    if whole and (whole[1] == "yolo" or whole[0].suffix in _YAML):
        return whole
    raise ConfigError(f"{path}: has no split {split!r}; it has {names or 'none'}")


def _find_parts(path: Path, *, deeper: bool = True) -> _Parts:
    """What there is to read by split, "" where there are none: the file or folder, and its format if it shows."""
    if path.is_file():
        return {"": (path, None)}
    for landmark, known in _LANDMARKS:
        if any(path.glob(landmark)):
            return {"": (path, known)}
    parts: _Parts = {folder.name: (folder, "imagenet-vid") for folder in path.glob("Annotations/VID/*")}
    parts.update({folder.name: (folder, "bdd100k") for folder in path.glob("labels/box_track_20/*")})
    parts.update({file.stem: (file, "bdd100k") for file in path.glob("labels/det_20/*.json")})
    files = sorted([*path.glob("*.json"), *path.glob("*.xml"), *path.glob("annotations/*.json")])
    if path / "labels.json" in files:
        return {"": (path / "labels.json", None)}
    if files and _is_box_track(files[0]):
        return {"": (path, "bdd100k")}
    parts.update({file.stem: (file, None) for file in files})
    if not parts and any((path.parent / name).is_file() for name in ("data.yaml", "classes.txt")):
        return {"": (path, "yolo")}
    if not parts and deeper:
        inside = {folder.name: _find_parts(folder, deeper=False) for folder in path.iterdir() if folder.is_dir()}
        parts = {name: next(iter(part.values())) for name, part in inside.items() if len(part) == 1}
    return parts


def _is_box_track(file: Path) -> bool:
    """Whether a JSON is one video of BDD100K, by its beginning: others are too large to read twice."""
    with file.open("rb") as opened:
        head = opened.read(1 << 16)
    return head.lstrip().startswith(b"[") and b'"frameIndex"' in head


def _recognise_file(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return "cvat-video"
    if suffix in _YAML:
        return "yolo"
    if suffix != ".json":
        raise ConfigError(f"{path}: is no file of labels; expected {_LOOKED_FOR}")
    content = read_bytes(path, MAX_JSON_BYTES)
    keys = {key.decode() for key in _KEYS.findall(content)}
    if content.lstrip().startswith(b"["):
        return "bdd100k"
    if "frames" in keys:
        return "bdd100k"
    if {"videos", "annotations"} <= keys:
        return "coco-vid" if "images" in keys else "youtube-vis"
    if {"images", "annotations"} <= keys:
        return "coco"
    raise ConfigError(f"{path}: expected the keys images and annotations (COCO), videos, or frames (BDD100K)")
