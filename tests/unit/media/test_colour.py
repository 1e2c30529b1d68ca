"""Colour against the equations of ITU-T H.273, written out anew, and against swscale's exact path."""

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from streamdet.media.colour import colour_of, frame_from_rgb, resolve_colour, rgb_from_frame

LUMA_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
BARS = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]])


def bars_and_ramp(width=64, height=48):
    """Colour bars above a grey ramp; patches are 2 x 2 or more, so that chroma subsampling loses nothing."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 4 * 2] = BARS.repeat(10, axis=0)[:width][None]
    image[height // 4 * 2 :] = (np.arange(width) // 2 * 8 % 256).astype(np.uint8)[None, :, None]
    return image


def yuv_frame(image, pix_fmt, matrix, range_, bits=8, chroma=(2, 2)):
    """Encode a picture by the equations, in float, plane by plane."""
    kr, kb = LUMA_WEIGHTS[matrix]
    red, green, blue = np.moveaxis(image / 255.0, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    scale = 2 ** (bits - 8)
    if range_ == 2:
        gains, zeros = [2**bits - 1] * 3, [0, 128 * scale, 128 * scale]
    else:
        gains, zeros = [219 * scale, 224 * scale, 224 * scale], [16 * scale, 128 * scale, 128 * scale]
    planes = [luma, (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))]
    frame = av.VideoFrame(image.shape[1], image.shape[0], pix_fmt)
    frame.colorspace, frame.color_range = matrix, range_
    for number, (plane, gain, zero) in enumerate(zip(planes, gains, zeros, strict=True)):
        if number:
            plane = plane[:: chroma[0], :: chroma[1]]  # noqa: PLW2901
        samples = np.clip(np.rint(plane * gain + zero), 0, 2**bits - 1)
        view = np.frombuffer(memoryview(frame.planes[number]), np.uint8 if bits == 8 else "<u2")
        view.reshape(frame.planes[number].height, -1)[:, : samples.shape[1]] = samples
    return frame


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max()


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize(
    ("pix_fmt", "bits", "chroma"),
    [
        ("yuv420p", 8, (2, 2)),
        ("yuv422p", 8, (1, 2)),
        ("yuv444p", 8, (1, 1)),
        ("yuv420p10le", 10, (2, 2)),
        ("yuv422p10le", 10, (1, 2)),
        ("yuv420p12le", 12, (2, 2)),
    ],
)
def test_reads_what_the_equations_wrote(matrix, range_, pix_fmt, bits, chroma):
    image = bars_and_ramp(64, 132)
    frame = yuv_frame(image, pix_fmt, matrix, range_, bits, chroma)
    rgb = rgb_from_frame(frame)
    assert rgb.shape == image.shape
    assert rgb.dtype == np.uint8
    assert difference(rgb, image) <= 2
    exact = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    by_swscale = frame.to_ndarray(
        format="rgb24", src_colorspace=5 if matrix == 6 else matrix, src_color_range=range_, interpolation=exact
    )
    assert difference(rgb, by_swscale) <= 1


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize("size", [(64, 48), (65, 49), (64, 49), (1, 1), (66, 131), (65, 128)])
def test_written_and_read_again_looks_the_same(matrix, range_, size):
    image = bars_and_ramp(*size)
    frame = frame_from_rgb(image, (matrix, range_, 1, 13))
    assert (frame.format.name, frame.width, frame.height) == ("yuv420p", *size)
    assert colour_of(frame) == (matrix, range_, 1, 13)
    assert difference(rgb_from_frame(frame), image) <= (2 if size[1] % 2 == 0 else 3)


def test_writer_follows_the_equations():
    image = bars_and_ramp()
    ours, expected = frame_from_rgb(image, (1, 1, 1, 1)), yuv_frame(image, "yuv420p", 1, 1)
    for one, other in zip(ours.planes, expected.planes, strict=True):
        assert difference(np.frombuffer(bytes(one), np.uint8), np.frombuffer(bytes(other), np.uint8)) <= 1


def test_untagged_frame_is_read_as_it_is_written():
    for size in [(64, 48), (1280, 720)]:
        image = bars_and_ramp(*size) if size[0] == 64 else np.full((720, 1280, 3), (200, 30, 90), np.uint8)
        frame = frame_from_rgb(image, (2, 0, 2, 2))
        frame.colorspace, frame.color_range = 2, 0
        assert difference(rgb_from_frame(frame), image) <= 2


@pytest.mark.parametrize(
    ("tags", "width", "height", "expected"),
    [
        ((2, 0, 2, 2), 640, 480, (6, 1, 2, 2)),
        ((2, 0, 2, 2), 720, 576, (6, 1, 2, 2)),
        ((2, 0, 2, 2), 1280, 720, (1, 1, 2, 2)),
        ((2, 0, 2, 2), 720, 1280, (1, 1, 2, 2)),  # the same picture, turned
        ((2, 0, 2, 2), 432, 768, (6, 1, 2, 2)),
        ((2, 2, 2, 2), 640, 480, (6, 2, 2, 2)),
        ((9, 0, 9, 16), 640, 480, (9, 1, 9, 16)),
        ((0, 2, 1, 13), 1920, 1080, (1, 1, 1, 13)),  # RGB
        ((3, 3, 2, 2), 640, 480, (6, 1, 2, 2)),  # reserved values
    ],
)
def test_untagged_colour_is_decided_by_size(tags, width, height, expected):
    assert resolve_colour(tags, width, height) == expected


def test_old_full_range_formats_count_as_full():
    frame = av.VideoFrame(16, 16, "yuvj420p")
    assert colour_of(frame)[1] == 2


@pytest.mark.parametrize("pix_fmt", ["nv12", "yuyv422", "p010le", "yuv410p"])
@pytest.mark.parametrize(("matrix", "range_"), [(1, 1), (6, 1), (9, 2)])
def test_other_yuv_formats_get_the_same_matrix(pix_fmt, matrix, range_):
    flat = np.broadcast_to(np.array([180, 60, 220], np.uint8), (48, 64, 3))
    frame = yuv_frame(flat, "yuv420p", matrix, range_).reformat(format=pix_fmt, dst_color_range=range_)
    frame.colorspace, frame.color_range = matrix, range_
    assert difference(rgb_from_frame(frame), flat) <= 3


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgra", "gbrp", "rgb48le"])
def test_rgb_formats_pass_unchanged(pix_fmt):
    image = bars_and_ramp()
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
    assert difference(rgb_from_frame(frame), image) == 0


@pytest.mark.parametrize(("pix_fmt", "bits"), [("gray", 8), ("gray10le", 10), ("gray12le", 12), ("gray16le", 16)])
@pytest.mark.parametrize("range_", [0, 1, 2])
def test_grey_has_its_whole_range_as_ffmpeg_shows_it(pix_fmt, bits, range_):
    ramp = np.arange(256).repeat(2 * 64 // 256 + 1)[:64] * 4
    frame = av.VideoFrame(64, 16, pix_fmt)
    frame.color_range = range_
    view = np.frombuffer(memoryview(frame.planes[0]), np.uint8 if bits == 8 else "<u2").reshape(16, -1)
    view[:, :64] = ramp * (2**bits - 1) // 255
    image = rgb_from_frame(frame)
    assert np.abs(image.astype(int) - ramp[None, :, None]).max() <= 1


@pytest.mark.parametrize(
    ("pix_fmt", "shifts", "widths"),
    [
        ("rgb565be", (11, 5, 0), (5, 6, 5)),
        ("rgb555be", (10, 5, 0), (5, 5, 5)),
        ("bgr565be", (0, 5, 11), (5, 6, 5)),
        ("rgb565le", (11, 5, 0), (5, 6, 5)),
    ],
)
def test_packed_pixels_of_either_byte_order(pix_fmt, shifts, widths):
    image = bars_and_ramp()
    packed = sum(
        (image[..., c].astype(np.uint16) >> (8 - width)) << shift
        for c, (shift, width) in enumerate(zip(shifts, widths, strict=True))
    )
    frame = av.VideoFrame(64, 48, pix_fmt)
    view = np.frombuffer(memoryview(frame.planes[0]), ">u2" if pix_fmt.endswith("be") else "<u2").reshape(48, -1)
    view[:, :64] = packed
    assert difference(rgb_from_frame(frame), image) <= 8
