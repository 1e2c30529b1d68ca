"""The file formats of labels, which of them a file name means, and writing them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from streamdet.errors import ConfigError, SinkError
from streamdet.hindsight.write.coco_vid import coco_vid
from streamdet.hindsight.write.cvat import cvat_video
from streamdet.hindsight.write.label_studio import label_studio
from streamdet.hindsight.write.labelled_file import LabelledFile

_WRITERS: Mapping[str, Callable[[Sequence[LabelledFile], Sequence[str], Path], Iterator[str]]] = {
    "coco-vid": coco_vid,
    "cvat": cvat_video,
    "label-studio": label_studio,
}
FORMATS = tuple(_WRITERS)
_ENDINGS = {"coco-vid": ".json", "cvat": ".xml", "label-studio": ".json"}


def label_format(path: Path, wanted: str | None, videos: int) -> str:
    """The format of a file of labels.

    Args:
        path: the file.
        wanted: one of FORMATS; None: by the ending, `.json` is COCO-VID and `.xml` CVAT.
        videos: how many it is for.

    Raises:
        ConfigError: if the ending is another, or the format cannot hold as many videos.
    """
    if wanted not in (None, *FORMATS):
        raise ConfigError(f"--format: expected one of {', '.join(FORMATS)}, got {wanted}")
    chosen = wanted or next((name for name, ending in _ENDINGS.items() if ending == path.suffix.lower()), None)
    if chosen is None or path.suffix.lower() != _ENDINGS[chosen]:
        endings = f"{_ENDINGS[chosen]} for {chosen}" if chosen else ".json (COCO-VID, Label Studio) or .xml (CVAT)"
        raise ConfigError(f"output {path}: expected the ending {endings}")
    if chosen == "cvat" and videos > 1:
        raise ConfigError(f"output {path}: CVAT keeps one video in a file, got {videos}; label them one by one")
    return chosen


def write_labels(files: Sequence[LabelledFile], classes: Sequence[str], path: Path, chosen: str) -> None:
    """Write a file of labels; it is there whole or not at all.

    Raises:
        SinkError: if it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(_WRITERS[chosen](files, classes, path))
        part.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
