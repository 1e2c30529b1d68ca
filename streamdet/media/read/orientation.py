"""Turning and mirroring of pictures as the display matrix beside them says (phones, cameras mounted on their side)."""

from contextlib import suppress

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer

from streamdet.frames import Image

# Columns of the new picture follow rows of the old one if `transposed`; then it is mirrored.
Orientation = tuple[bool, bool, bool]  # transposed, mirrored left-right, mirrored top-bottom
UPRIGHT: Orientation = (False, False, False)

# By quarters of a turn, counterclockwise.
_ROTATIONS: tuple[Orientation, ...] = (UPRIGHT, (True, False, True), (False, True, True), (True, True, False))


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Read a frame's display matrix, rounded to the nearest of the eight ways to lay down a picture.

    Source: libavutil/display.h; x' = a x + c y, y' = b x + d y with a, b, _, c, d the first five of nine int32.
    """
    matrix = _display_matrix(frame)
    if matrix is None:
        return _ROTATIONS[round(frame.rotation / 90) % 4]
    a, b, _, c, d = np.frombuffer(memoryview(matrix), np.int32)[:5].tolist()
    transposed = abs(b) > abs(a)
    return (True, c < 0, b < 0) if transposed else (False, a < 0, d < 0)


def _display_matrix(frame: av.VideoFrame) -> SideData | None:
    """The display matrix beside a frame; None where there is none, or where it stands behind side data of a kind that
    PyAV has no name for, at which it stops (EXIF, views of a stereo picture)."""
    # frame.side_data would stay with the frame and point back to it: such a picture is only freed when Python collects
    # garbage, dozens of pictures later.
    beside = SideDataContainer.__new__(SideDataContainer)
    with suppress(ValueError):
        beside.__init__(frame)  # type: ignore[misc]  # what it has read before it fails stays
    matrix = beside.get("DISPLAYMATRIX")
    return matrix if isinstance(matrix, SideData) else None


def rotation_of(orientation: Orientation) -> int:
    """Degrees clockwise of an orientation: 0, 90, 180 or 270; a mirrored picture counts by its rotation alone."""
    transposed, left_right, top_bottom = orientation
    if transposed:
        return 270 if top_bottom else 90
    return 180 if left_right and top_bottom else 0


def oriented(image: Image, orientation: Orientation) -> Image:
    """Lay a (H, W, 3) uint8 picture as it is displayed; H and W change places if it is transposed."""
    transposed, left_right, top_bottom = orientation
    if transposed:
        image = np.asarray(cv2.transpose(image), np.uint8)
    if left_right or top_bottom:
        image = np.asarray(cv2.flip(image, -1 if left_right and top_bottom else int(left_right)), np.uint8)
    return image
