"""A frame made as small as the model wants it."""

import cv2
import numpy as np

from streamdet.boxes import Letterbox
from streamdet.frames import Image, Picture
from streamdet.media.planes import Planes

PADDING_GREY = 114


def shrink(picture: Image | Picture, letterbox: Letterbox, out: Image) -> None:
    """Write a frame into a model image.

    Args:
        picture: (height, width, 3) uint8 RGB, or planes of that size.
        letterbox: how frames of that size are fitted.
        out: (model_height, model_width, 3) uint8, overwritten.
    """
    height, width = letterbox.scaled_height, letterbox.scaled_width
    out[height:] = PADDING_GREY
    out[:, width:] = PADDING_GREY
    out[:height, :width] = _scaled(picture, width, height)


def _scaled(picture: Image | Picture, width: int, height: int) -> Image:
    if isinstance(picture, Planes):
        return picture.scaled(width, height)
    image = picture if isinstance(picture, np.ndarray) else picture.rgb()
    interpolation = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
