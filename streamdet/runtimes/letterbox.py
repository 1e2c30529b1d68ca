"""A frame made as small as the model wants it."""

from streamdet.boxes import Letterbox
from streamdet.frames import Image, Picture


def shrink(picture: Picture, letterbox: Letterbox, padding: int, out: Image) -> None:
    """Write a frame into a model image.

    Args:
        picture: of the size that the letterbox is for.
        letterbox: how frames of that size are fitted.
        padding: value of the pixels that only fill up, 0 to 255.
        out: (model_height, model_width, 3) uint8, overwritten.
    """
    height, width = letterbox.scaled_height, letterbox.scaled_width
    out[height:] = padding
    out[:, width:] = padding
    out[:height, :width] = picture.scaled(width, height)
