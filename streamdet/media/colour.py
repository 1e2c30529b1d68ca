"""Colour of video frames: Y'CbCr to RGB and back, with the matrix and the range that the tags say.

Reader and writer share the decisions made here, so that what is read and written again looks the same.
A colour is a tuple (matrix, range, primaries, transfer) of FFmpeg's integers (AVCOL_SPC, _RANGE, _PRI, _TRC).
Primaries and transfer are carried along as tags; pixels are never converted between them.

Planar 8 to 12 bit frames take one matrix product in OpenCV, in strips of rows that stay in the processor's cache:
0.6 ms at 720p and within one level of the exact value, where swscale's fast path is 0.3 ms but up to 3 levels too
dark, and its exact path takes 9 ms. All other pixel formats go through swscale's exact path.
"""

from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

from streamdet.frames import Image

Colour = tuple[int, int, int, int]
Plane = NDArray[Any]  # uint8 or uint16

LIMITED, FULL = 1, 2
BT709, BT601 = 1, 6

# Kr, Kb of each AVCOL_SPC; ITU-T H.273, table 4. Constant luminance (10) is read as non-constant, as players do.
_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470BG, the same matrix as BT.601
    6: (0.299, 0.114),  # SMPTE 170M, BT.601
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),
}

# swscale's own numbers where they differ.
_SWSCALE_MATRIX = {BT601: Colorspace.ITU601, 10: Colorspace.BT2020}

# Planar formats of the fast path: (bits a sample, log2 of chroma's horizontal and vertical subsampling).
_PLANAR = {
    "yuv420p": (8, 1, 1),
    "yuvj420p": (8, 1, 1),
    "yuv422p": (8, 1, 0),
    "yuvj422p": (8, 1, 0),
    "yuv444p": (8, 0, 0),
    "yuvj444p": (8, 0, 0),
    "yuv420p10le": (10, 1, 1),
    "yuv422p10le": (10, 1, 0),
    "yuv444p10le": (10, 0, 0),
    "yuv420p12le": (12, 1, 1),
    "yuv422p12le": (12, 1, 0),
    "yuv444p12le": (12, 0, 0),
}

_BIG_ENDIAN = frozenset({"rgb565be", "rgb555be", "bgr565be", "bgr555be"})

# Of which FFmpeg takes the whole range, whatever the tags say.
_GREY = ("gray", "ya8", "ya16")

# Rows that are converted at a time; even, so that no chroma sample is torn.
_STRIP = 64

_EXACT = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def resolve_colour(colour: Colour, width: int, height: int) -> Colour:
    """Decide what the tags leave open: the same tags with a definite matrix and range.

    Untagged video is BT.709 from HD on and BT.601 below, limited range: the rule of mpv and most televisions.
    It does not change when a picture is turned by 90 degrees. RGB sources (matrix 0) are treated as untagged.

    Args:
        colour: (matrix, range, primaries, transfer), FFmpeg's integers.
        width, height: pixels, in either orientation.
    """
    matrix, range_, primaries, transfer = colour
    if matrix not in _LUMA_WEIGHTS:
        hd = max(width, height) >= 1280 or min(width, height) > 576
        range_ = LIMITED if matrix == 0 else range_
        matrix = BT709 if hd else BT601
    return matrix, range_ if range_ in (LIMITED, FULL) else LIMITED, primaries, transfer


def colour_of(frame: av.VideoFrame) -> Colour:
    """The tags of a frame as they are, undecided ones included."""
    full = frame.format.name.startswith("yuvj")
    return (
        int(frame.colorspace),
        FULL if full else int(frame.color_range),
        int(frame.color_primaries),
        int(frame.color_trc),
    )


def rgb_from_frame(frame: av.VideoFrame) -> Image:
    """Convert a decoded frame of any pixel format; alpha is dropped.

    Returns:
        (H, W, 3) uint8 RGB, full range, as stored (rotation not applied).
    """
    matrix, range_, _, _ = resolve_colour(colour_of(frame), frame.width, frame.height)
    layout = _PLANAR.get(frame.format.name)
    if layout is None:
        return _rgb_by_swscale(frame, matrix, range_)
    bits, shift_x, shift_y = layout
    to_rgb = matrix_to_rgb(matrix, range_, bits)
    luma, *chroma = (plane_of(frame, number, bits) for number in range(3))
    image = np.empty((frame.height, frame.width, 3), np.uint8)
    for top in range(0, frame.height, _STRIP):
        strip = image[top : top + _STRIP]
        height, width = strip.shape[:2]
        half = slice(top >> shift_y, (top + _STRIP) >> shift_y)
        doubled = [_doubled(plane[half], shift_x, shift_y)[:height, :width] for plane in chroma]
        yuv = cv2.merge([luma[top : top + _STRIP], *doubled])
        if bits == 8:
            cv2.transform(yuv, to_rgb, strip)
        else:
            # The unsigned 16 bit product clips negative values to 0; those above 255 saturate in the second step.
            cv2.convertScaleAbs(cv2.transform(yuv, to_rgb), strip)
    return image


def frame_from_rgb(image: Image, colour: Colour) -> av.VideoFrame:
    """Convert an image to what encoders take, tagged with the resolved colour; pts is left to the caller.

    Args:
        image: (H, W, 3) uint8 RGB; odd sizes are fine here, though most encoders refuse them.
        colour: (matrix, range, primaries, transfer), FFmpeg's integers; undecided ones are resolved.

    Returns:
        A yuv420p frame of the same size.
    """
    height, width = image.shape[:2]
    matrix, range_, primaries, transfer = resolve_colour(colour, width, height)
    even = image
    if height % 2 or width % 2:
        even = np.asarray(cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)
    frame = av.VideoFrame(width, height, "yuv420p")
    planes = [plane_of(frame, number, 8) for number in range(3)]
    for top in range(0, height, _STRIP):
        luma, *chroma = cv2.split(cv2.transform(even[top : top + _STRIP], _from_rgb(matrix, range_)))
        planes[0][top : top + _STRIP] = luma[: height - top, :width]
        half_size = (luma.shape[1] // 2, luma.shape[0] // 2)
        for plane, samples in zip(planes[1:], chroma, strict=True):
            plane[top // 2 : (top + _STRIP) // 2] = cv2.resize(samples, half_size, interpolation=cv2.INTER_AREA)
    tag(frame, (matrix, range_, primaries, transfer))
    return frame


def tag(frame: av.VideoFrame, colour: Colour) -> None:
    """Say what a frame's samples mean."""
    frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = colour


@lru_cache(maxsize=4096)
def samples_of(rgb: tuple[int, int, int], matrix: int, range_: int) -> tuple[int, int, int]:
    """An RGB colour, 0 to 255 each, as 8 bit Y, Cb and Cr."""
    y, cb, cr = (_from_rgb(matrix, range_) @ (*rgb, 1)).round().clip(0, 255).astype(int).tolist()
    return y, cb, cr


def _rgb_by_swscale(frame: av.VideoFrame, matrix: int, range_: int) -> Image:
    """RGB formats pass unchanged; all others are converted with the matrix and range given."""
    if frame.format.name in _BIG_ENDIAN:  # swscale as it is in av 18 mixes their bytes up
        frame = frame.reformat(format=frame.format.name.removesuffix("be") + "le")
    if frame.format.name.startswith(_GREY):
        range_ = FULL
    if frame.format.is_rgb or frame.format.has_palette:
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    rgb = frame.to_ndarray(
        format="rgb24",
        src_colorspace=_SWSCALE_MATRIX.get(matrix, matrix),
        src_color_range=range_,
        dst_color_range=FULL,
        interpolation=_EXACT,
    )
    return np.asarray(rgb, np.uint8)


def plane_of(frame: av.VideoFrame, number: int, bits: int) -> Plane:
    """View a plane's samples without copying: (H, W) of the plane, padding cut off."""
    plane = frame.planes[number]
    samples: Plane = np.frombuffer(memoryview(plane), "u1" if bits == 8 else "<u2")
    return samples.reshape(plane.height, -1)[:, : plane.width]


def _doubled(plane: Plane, shift_x: int, shift_y: int) -> Plane:
    """Repeat chroma samples to luma's grid; averaging 2 x 2 pixels, as the writer does, undoes it."""
    height, width = plane.shape
    if shift_x:
        plane, width = np.reshape(cv2.merge([plane, plane]), (height, 2 * width)), 2 * width
    if shift_y:
        plane = np.broadcast_to(plane[:, None], (height, 2, width)).reshape(2 * height, width)
    return plane


@lru_cache
def matrix_to_rgb(matrix: int, range_: int, bits: int) -> NDArray[np.float64]:
    """(3, 4) affine map from Y'CbCr samples of that many bits to R'G'B' in 0..255.

    Source: ITU-T H.273, equations 38 to 43.
    """
    kr, kb = _LUMA_WEIGHTS[matrix]
    kg = 1 - kr - kb
    linear = np.array(
        [[1, 0, 2 * (1 - kr)], [1, -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg], [1, 2 * (1 - kb), 0]]
    )
    step = 2 ** (bits - 8)
    if range_ == LIMITED:
        scale, zero = np.array([219, 224, 224]) * step, np.array([16, 128, 128]) * step
    else:
        scale, zero = np.full(3, 2**bits - 1), np.array([0, 128, 128]) * step
    linear = 255 * linear / scale
    return np.column_stack([linear, -linear @ zero])


@lru_cache
def _from_rgb(matrix: int, range_: int) -> NDArray[np.float64]:
    """The inverse for 8 bit: (3, 4) affine map from R'G'B' in 0..255 to Y'CbCr samples."""
    to_rgb = matrix_to_rgb(matrix, range_, 8)
    linear = np.linalg.inv(to_rgb[:, :3])
    return np.column_stack([linear, -linear @ to_rgb[:, 3]])
