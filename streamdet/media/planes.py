"""Pictures that stay as the decoder gave them: made small, drawn on and encoded without a detour by RGB.

Most video is 4:2:0: a plane of brightness (luma), and two of colour (chroma) at half its width and height. That is half
the bytes of RGB, and what encoders take; converting to RGB and back would take a fifth of a whole run's time.
"""

import av
import cv2
import numpy as np

from streamdet.frames import Image, Picture, RgbPicture
from streamdet.media.colour import (
    Plane,
    colour_of,
    matrix_to_rgb,
    plane_of,
    resolve_colour,
    rgb_from_frame,
    samples_of,
    tag,
)
from streamdet.media.read.hwaccel import FROM_A_DEVICE
from streamdet.media.read.orientation import UPRIGHT, orientation_of, oriented

_FORMATS = ("yuv420p", "yuvj420p")


class Planes:
    """A picture of 8 bit 4:2:0 planes; both sides are even.

    Attributes:
        width, height: pixels.
        colour: resolved tags.
        luma: (H, W) uint8.
        chroma: Cb and Cr, each (H / 2, W / 2) uint8.
    """

    def __init__(self, frame: av.VideoFrame, *, is_own: bool = False) -> None:
        """Look at a decoded frame, which stays as it is.

        Args:
            frame: 8 bit 4:2:0 with even sides.
            is_own: nobody else has the frame, and it is tagged: it may be drawn on and encoded.
        """
        self._frame, self._is_own = frame, is_own
        self._rgb: Image | None = None
        self.width, self.height = frame.width, frame.height
        self.colour = resolve_colour(colour_of(frame), frame.width, frame.height)
        planes = [plane_of(frame, number, 8) for number in range(3)]
        for plane in planes:
            # The decoder predicts further frames from this one.
            plane.flags.writeable = is_own
        self.luma, self.chroma = planes[0], (planes[1], planes[2])

    def rgb(self) -> Image:
        """(H, W, 3) uint8 RGB, converted at the first call; what is drawn later is not in it."""
        if self._rgb is None:
            self._rgb = rgb_from_frame(self._frame)
        return self._rgb

    def copy(self) -> "Planes":
        """A picture of its own, that can be drawn on and encoded."""
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        tag(frame, self.colour)
        copied = Planes(frame, is_own=True)
        for ours, theirs in zip((copied.luma, *copied.chroma), (self.luma, *self.chroma), strict=True):
            np.copyto(ours, theirs)
        return copied

    def for_encoder(self) -> av.VideoFrame:
        """A frame that has nothing of the decoder's: neither its side data nor its opinion on which frames are keys."""
        return self._frame if self._is_own else self.copy()._frame

    def scaled(self, width: int, height: int) -> Image:
        """The picture at another size.

        Returns:
            (height, width, 3) uint8 RGB.
        """
        planes = [_resized(plane, width, height) for plane in (self.luma, *self.chroma)]
        matrix, range_, _, _ = self.colour
        return np.asarray(cv2.transform(cv2.merge(planes), matrix_to_rgb(matrix, range_, 8)), np.uint8)

    def samples(self, rgb: tuple[int, int, int]) -> tuple[int, int, int]:
        """An RGB colour, 0 to 255 each, as luma, Cb and Cr of this picture."""
        matrix, range_, _, _ = self.colour
        return samples_of(rgb, matrix, range_)


def picture_of(frame: av.VideoFrame) -> Picture:
    """A decoded frame as it is displayed: as planes where it can be, and else as RGB."""
    orientation = orientation_of(frame)
    if frame.format.name in FROM_A_DEVICE:
        frame = _separated(frame)
    is_even = frame.width % 2 == frame.height % 2 == 0
    if frame.format.name in _FORMATS and is_even and orientation == UPRIGHT:
        return Planes(frame)
    return RgbPicture(oriented(rgb_from_frame(frame), orientation))


def _separated(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame of NV12 or P010, where the two of chroma are one plane, with three planes of the same samples."""
    separated = frame.reformat(format=FROM_A_DEVICE[frame.format.name], threads=1)
    tag(separated, colour_of(frame))
    return separated


def _resized(plane: Plane, width: int, height: int) -> Plane:
    smaller = width < plane.shape[1]
    resized: Plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return resized
