"""Writes the frames of still pictures as pictures again, each with the name of its own."""

from fractions import Fraction
from pathlib import Path

import cv2

from streamdet.errors import SinkError
from streamdet.frames import Picture, StreamInfo
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.part_file import write_at_once, write_error

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def picture_name(name: str) -> str:
    """The name of the picture that is made of one: the same, but .jpg where that kind is not written."""
    path = Path(name)
    return name if path.suffix.lower() in PICTURE_SUFFIXES else f"{path.stem}.jpg"


class PictureWriter:
    """Writes every frame as a picture file, which appears under its name when it is whole.

    Args:
        target: a file for a single picture, or a folder, which is made where it is missing.
        info: of the stream; its `pictures` name the files in a folder.
        delivery: counts the pictures in a folder.
    """

    def __init__(self, target: Path, info: StreamInfo, delivery: Delivery | None = None) -> None:
        self._target, self._names, self._delivery = target, info.pictures, delivery

    def write(self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0) -> None:
        """Write a picture; those of a folder have their number as pts.

        Raises:
            SinkError: it cannot be written.
        """
        path = self._target if self._delivery is None else self._target / picture_name(self._names[pts])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            encoded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture.rgb(), cv2.COLOR_RGB2BGR))[1]
        except OSError as error:
            raise write_error(path, error) from error
        except cv2.error as error:
            raise SinkError(f"{path}: cannot be written: {picture.width}x{picture.height} pixels") from error
        write_at_once(path, encoded.tobytes())
        if self._delivery is not None:
            self._delivery.sent += 1

    def close(self) -> None:
        """Nothing is left to be written."""
