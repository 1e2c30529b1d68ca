"""Opens labelled footage of any format that there is a reader for."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from streamdet.datasets.bdd100k import read_bdd100k
from streamdet.datasets.coco_stills import read_coco_stills
from streamdet.datasets.coco_vid import read_coco_vid
from streamdet.datasets.createml import read_createml
from streamdet.datasets.csv_boxes import is_csv_of_boxes, read_csv_boxes
from streamdet.datasets.cvat_images import read_cvat_images
from streamdet.datasets.cvat_video import read_cvat_video
from streamdet.datasets.datumaro import read_datumaro
from streamdet.datasets.imagenet_vid import read_imagenet_vid
from streamdet.datasets.kitti_object import read_kitti_object
from streamdet.datasets.kitti_tracking import read_kitti_tracking
from streamdet.datasets.label_studio import read_label_studio
from streamdet.datasets.labelme import read_labelme
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.motchallenge import read_motchallenge
from streamdet.datasets.numbering import Order
from streamdet.datasets.pascal_voc import read_pascal_voc
from streamdet.datasets.recognise import LABEL_SUFFIXES, ForeignFormat, recognise_file
from streamdet.datasets.supervisely import read_supervisely
from streamdet.datasets.via import read_via
from streamdet.datasets.via3 import read_via3
from streamdet.datasets.visdrone_vid import read_visdrone_vid
from streamdet.datasets.yolo import NAME_FILES, read_yolo
from streamdet.datasets.youtube_vis import read_youtube_vis
from streamdet.errors import ConfigError

READERS: Mapping[str, Callable[[Path], LabelledSet]] = {
    "bdd100k": read_bdd100k,
    "coco-vid": read_coco_vid,
    "cvat-video": read_cvat_video,
    "imagenet-vid": read_imagenet_vid,
    "kitti-tracking": read_kitti_tracking,
    "motchallenge": read_motchallenge,
    "visdrone-vid": read_visdrone_vid,
    "youtube-vis": read_youtube_vis,
}
"""Formats that say themselves which frames follow each other."""
PICTURE_READERS: Mapping[str, Callable[[Path, Order], LabelledSet]] = {
    "coco": read_coco_stills,
    "createml": read_createml,
    "csv": read_csv_boxes,
    "cvat-images": read_cvat_images,
    "datumaro": read_datumaro,
    "kitti-object": read_kitti_object,
    "label-studio": read_label_studio,
    "labelme": read_labelme,
    "pascal-voc": read_pascal_voc,
    "supervisely": read_supervisely,
    "via": read_via,
    "via3": read_via3,
    "yolo": read_yolo,
}
"""Formats of pictures, which may be stills or frames of a video."""
# One file a picture: a folder of them is one set.
_FILE_A_PICTURE = frozenset({"labelme", "pascal-voc"})
# What a folder holds, where one name in it is enough to tell the format.
_LANDMARKS = (
    ("gt/gt.txt", "motchallenge"),
    ("*/gt/gt.txt", "motchallenge"),
    ("label_02", "kitti-tracking"),
    ("label_2", "kitti-object"),
    ("*/ann/*.json", "supervisely"),
    ("ann/*.json", "supervisely"),
    ("sequences", "visdrone-vid"),
    ("data.yaml", "yolo"),
    *((name, "yolo") for name in NAME_FILES),
)
_VOC_SPLITS = ("train", "val", "trainval", "test", "default")
_Parts = dict[str, tuple[Path, str | None]]
_LOOKED_FOR = (
    "a JSON (COCO, COCO-VID, YouTube-VIS, BDD100K, Label Studio, LabelMe, VIA, Supervisely, Datumaro, CreateML), an "
    "XML (CVAT, Pascal VOC), a YOLO data.yaml, a CSV of boxes, or a folder with one of those, gt/gt.txt "
    "(MOTChallenge), label_02/ or label_2/ (KITTI), sequences/ (VisDrone), Annotations/VID/ (ImageNet VID), "
    "labels/box_track_20/ (BDD100K), or classes.txt (YOLO)"
)
_FILES = ("*.json", "*.xml", "annotations/*.json", "*.csv")


def open_set(
    path: str | Path,
    split: str | None = None,
    format: str | None = None,  # noqa: A002
    order: Order | None = None,
) -> LabelledSet:
    """Open labelled footage, its format recognised from the files.

    Args:
        path: a file or a folder.
        split: which part of a set that has several; its name is that of the split's file or folder.
        format: a key of READERS or PICTURE_READERS, where the files do not tell.
        order: which pictures are frames of a video, for the formats of PICTURE_READERS.

    Raises:
        ConfigError: if it does not exist, is of no format that is known, has several splits and none was chosen, or
            is malformed.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: does not exist; expected {_LOOKED_FOR}")
    known = sorted({**READERS, **PICTURE_READERS})
    if format not in (None, *known):
        raise ConfigError(f"format {format!r}, expected one of {', '.join(known)}")
    parts: _Parts = {"": (path, format)} if format and not split else _find_parts(path)
    chosen, found = _choose(path, parts, split)
    labelled = _read(chosen, format or found or recognise_file(chosen, _LOOKED_FOR), order or Order(), split)
    repeated = [name for name, count in Counter(video.name for video in labelled.videos).items() if count > 1]
    if repeated:
        raise ConfigError(f"{chosen}: {len(repeated)} names belong to several videos, such as {repeated[0]!r}")
    if not any(labels and len(labels.boxes) for video in labelled.videos for labels in video.labels):
        labelled = replace(labelled, notes=(*labelled.notes, "no object is marked in any of its frames"))
    return labelled


def _read(path: Path, format: str, order: Order, split: str | None) -> LabelledSet:  # noqa: A002
    if format == "yolo":
        return read_yolo(path, order, split)
    if format in PICTURE_READERS:
        return PICTURE_READERS[format](path, order)
    if order != Order():
        raise ConfigError(f"{path}: {format} defines which frames follow each other; stills and fps do not apply")
    return READERS[format](path)


def holds_labels(path: Path) -> bool:
    """Whether there are labels, of a format that is known at least by name; reading them may still show mistakes.

    A file by its ending; a folder by what open_set would find in it, so that a JSON of something else is not enough.
    """
    if path.is_file():
        return path.suffix.lower() in LABEL_SUFFIXES
    return path.is_dir() and any(known or _is_recognised(part) for part, known in _find_parts(path).values())


def _is_recognised(file: Path) -> bool:
    try:
        if file.suffix.lower() == ".csv":
            return is_csv_of_boxes(file)
        recognise_file(file, _LOOKED_FOR)
    except ForeignFormat:
        return True
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
    if whole and (whole[1] == "yolo" or whole[0].suffix in (".yaml", ".yml")):
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
    lists = (path / "ImageSets" / "Main" / f"{split}.txt" for split in _VOC_SPLITS)
    parts.update({file.stem: (file, "pascal-voc") for file in lists if file.is_file()})
    parts.update(
        _find_files(
            path, [*path.glob("*.json"), *path.glob("*.xml"), *path.glob("annotations/*.json"), *path.glob("*.csv")]
        )
    )
    if not parts and any((path.parent / name).is_file() for name in ("data.yaml", *NAME_FILES)):
        return {"": (path, "yolo")}
    if not parts and deeper:
        inside = {folder.name: _find_parts(folder, deeper=False) for folder in path.iterdir() if folder.is_dir()}
        parts = {name: next(iter(part.values())) for name, part in inside.items() if len(part) == 1}
    if not parts and any(path.glob("labels/**/*.txt")):
        return {"": (path, "yolo")}
    return parts


def _find_files(folder: Path, found: Iterable[Path]) -> _Parts:
    """A file a split; or the folder, where its files are one a picture or one a video."""
    files = sorted(found)
    if folder / "labels.json" in files:
        return {"": (folder / "labels.json", None)}
    if files and _is_box_track(files[0]):
        return {"": (folder, "bdd100k")}
    for file in files[:1]:
        try:
            known = recognise_file(file, _LOOKED_FOR)
        except ConfigError:
            continue
        if known in _FILE_A_PICTURE:
            return {"": (folder, known)}
    return {file.stem: (file, None) for file in files}


def _is_box_track(file: Path) -> bool:
    """Whether a JSON is one video of BDD100K, by its start: others are too large to read twice."""
    with file.open("rb") as opened:
        head = opened.read(1 << 16)
    return head.lstrip().startswith(b"[") and b'"frameIndex"' in head
