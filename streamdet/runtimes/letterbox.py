"""A frame made as small as the model wants it."""

from streamdet.boxes import Letterbox
from streamdet.frames import Image, Picture

PADDING_GREY = 114


def shrink(picture: Picture, letterbox: Letterbox, out: Image) -> None:
    """Write a frame into a model image.

    Args:
        picture: of the size that the letterbox is for.
        letterbox: how frames of that size are fitted.
        out: (model_height, model_width, 3) uint8, overwritten.
    """
    height, width = letterbox.scaled_height, letterbox.scaled_width
    out[height:] = PADDING_GREY
    out[:, width:] = PADDING_GREY
    out[:height, :width] = picture.scaled(width, height)
