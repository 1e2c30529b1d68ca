"""Which format a file of labels is in, by the keys at its start: one that is read, or one that is only known."""

import re
from dataclasses import dataclass
from pathlib import Path

from streamdet.datasets.files import MAX_JSON_BYTES, read_bytes
from streamdet.errors import ConfigError

_HEAD = 1 << 20
_KEY = re.compile(rb'"([^"\\]{1,40})"\s*:')
# Found by a search, not by parsing: large files would take twice as long to open. The reader checks all of it.
_LISTS = re.compile(rb'"(annotations|frames|images|videos)"\s*:\s*\[')
_YAML = frozenset({".yaml", ".yml"})
_EXPORT = "export it as COCO, YOLO or CVAT"


class ForeignFormat(ConfigError):
    """The format is known by name, but not read."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """Keys that all are in files of a format; `format` is a key of READERS, or "" where `advice` says what to do."""

    keys: frozenset[str]
    name: str
    format: str = ""
    advice: str = _EXPORT
    starts: bytes = b""


def _sign(keys: str, name: str, format: str = "", advice: str = _EXPORT, starts: bytes = b"") -> _Sign:  # noqa: A002
    return _Sign(frozenset(keys.split("|")), name, format, advice, starts)


# In this order: the first that fits.
_SIGNS = (
    _sign("type|streamdet", "streamdet's own detections", advice="they are no labels; label the video in CVAT"),
    _sign("image_id|category_id|score", "COCO results", advice="they are detections, no labels", starts=b"["),
    _sign("shapes|imagePath", "LabelMe", "labelme"),
    _sign("shapes|imageHeight", "LabelMe", "labelme"),
    _sign("shapes|tracks|tags", "a CVAT task backup", advice="export the task as CVAT for video 1.1"),
    _sign("_via_img_metadata", "VGG Image Annotator", "via"),
    _sign("regions|shape_attributes", "VGG Image Annotator", "via"),
    _sign("vid|flg|xy", "VGG Image Annotator 3", "via3"),
    _sign("objects|classTitle", "Supervisely", "supervisely"),
    _sign("classes|tags|projectType", "a Supervisely meta.json", advice="name the project's folder"),
    _sign("items|categories", "Datumaro", "datumaro"),
    _sign("image|annotations|coordinates", "CreateML", "createml", starts=b"["),
    _sign("imgHeight|imgWidth|objects", "Cityscapes", advice="convert it to COCO"),
    _sign("data_row", "Labelbox"),
    _sign("Labeled Data", "Labelbox"),
    _sign("data_units|label_hash", "Encord"),
    _sign("item|annotations|schema_ref", "V7 Darwin"),
    _sign("bounding_box|annotations|image", "V7 Darwin"),
    _sign("asset|regions", "VoTT"),
    _sign("assets|tags", "VoTT"),
    _sign("samples|ground_truth", "FiftyOne"),
    _sign("samples|_cls", "FiftyOne"),
    _sign("instances|metadata", "SuperAnnotate"),
    _sign("source-ref", "a SageMaker manifest"),
    _sign("imageGcsUri", "Vertex AI"),
    _sign("openlabel", "OpenLABEL"),
    _sign("gtboxes|ID", "CrowdHuman", advice="convert it to COCO"),
    _sign("sample_token", "nuScenes", advice="convert it to COCO"),
    _sign("response|task_id", "Scale"),
    _sign("data|annotations", "Label Studio", "label-studio", starts=b"["),
    _sign("data|completions", "Label Studio", starts=b"[", advice="export it again, as JSON"),
    _sign("annotator|lead_time", "Label Studio (JSON-MIN)", advice="export it as JSON", starts=b"["),
    _sign("from_name|to_name", "Label Studio", "label-studio"),
    _sign("name|labels", "BDD100K", "bdd100k", starts=b"["),
    _sign("name|frameIndex", "BDD100K", "bdd100k", starts=b"["),
)
# Of files with the lists of COCO: a key that tells, and one that must not be there.
_COCO_SIGNS = (
    ("segments_info", "", "COCO panoptic", "use the instances JSON"),
    ("caption", "bbox", "COCO captions", "use the instances JSON"),
)
_SUFFIXES = {
    ".tfrecord": "TFRecord",
    ".record": "TFRecord",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".mat": "MATLAB",
    ".npz": "NumPy",
    ".pkl": "pickle",
    ".odgt": "CrowdHuman",
    ".manifest": "a SageMaker manifest",
    ".ndjson": "Labelbox",
    ".jsonl": "JSON Lines",
    ".zip": "an archive",
    ".gz": "an archive",
    ".tar": "an archive",
}
_ROOTS = {"sequence": "UA-DETRAC", "dataset": "dlib's imglab", "viper": "ViPER", "opencv_storage": "OpenCV"}
LABEL_SUFFIXES = frozenset({".json", ".xml", ".csv", *_YAML, *_SUFFIXES}) - {".zip", ".gz", ".tar", ".npz", ".pkl"}


def recognise_file(path: Path, expected: str) -> str:
    """The format of a file, as a key of READERS.

    Args:
        path: the file.
        expected: what could be there instead, for messages.

    Raises:
        ForeignFormat: if it is of a format that is known by name only.
        ConfigError: if it cannot be told.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _recognise_json(path, read_bytes(path, MAX_JSON_BYTES))
    if suffix == ".xml":
        return _recognise_xml(path)
    if suffix in _YAML:
        return "yolo"
    if suffix == ".csv":
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        keys = _keys(_head(path))
        for sign in _SIGNS:
            if sign.keys <= keys:
                raise _foreign(path, sign.name, sign.advice)
    if suffix in _SUFFIXES:
        advice = "unpack it first" if _SUFFIXES[suffix] == "an archive" else "convert it to COCO, YOLO or CVAT"
        raise _foreign(path, _SUFFIXES[suffix], advice)
    if path.name.startswith("gt") and suffix == ".txt":
        raise _foreign(path, "MOTChallenge", "name the folder of the sequence, with gt/gt.txt and img1/ in it")
    raise ConfigError(f"{path}: is not a file of labels; expected {expected}")


def _recognise_json(path: Path, content: bytes) -> str:
    start, keys = content.lstrip()[:1], _keys(content[:_HEAD])
    lists = {key.decode() for key in _LISTS.findall(content)}
    if {"videos", "annotations"} <= lists:
        return "coco-vid" if "images" in lists else "youtube-vis"
    if {"images", "annotations"} <= lists:
        for key, other, name, advice in _COCO_SIGNS:
            if key in keys and other not in keys:
                raise _foreign(path, name, advice)
        return "coco"
    for sign in _SIGNS:
        if sign.keys <= keys and start.startswith(sign.starts):
            if sign.format:
                return sign.format
            raise _foreign(path, sign.name, sign.advice)
    if "frames" in lists:
        return "bdd100k"
    if start == b"[" and not keys:
        return "bdd100k"
    found = f"; it has {', '.join(sorted(keys)[:8])}" if keys else ""
    raise ConfigError(
        f"{path}: expected the keys images and annotations (COCO), videos, or frames (BDD100K), or those of another "
        f"format that is read{found}"
    )


def _recognise_xml(path: Path) -> str:
    head = _head(path)
    if b"<annotations" in head:
        # CVAT's two formats differ below the meta data, which may be long.
        content = read_bytes(path, MAX_JSON_BYTES)
        return "cvat-images" if b"<image " in content and b"<track " not in content else "cvat-video"
    if b"<annotation>" in head or b"<annotation " in head:
        return "pascal-voc"
    root = re.search(rb"<([A-Za-z_][\w.-]*)", head)
    name = root[1].decode() if root else "nothing"
    if name in _ROOTS:
        raise _foreign(path, _ROOTS[name], "convert it to COCO, YOLO or CVAT")
    raise ConfigError(f"{path}: starts with <{name}>; expected <annotations> (CVAT) or <annotation> (Pascal VOC)")


def _foreign(path: Path, name: str, advice: str) -> ForeignFormat:
    return ForeignFormat(f"{path}: is in the format of {name}, which is not read: {advice}")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 16)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _keys(content: bytes) -> frozenset[str]:
    return frozenset(key.decode("utf-8", "replace") for key in _KEY.findall(content))
