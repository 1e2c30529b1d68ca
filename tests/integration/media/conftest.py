"""Clips made on the spot: real codecs and containers, pictures that say which frame they are."""

from fractions import Fraction

import av
import numpy as np
import pytest

BITS = 8


def numbered_picture(number, width=160, height=96):
    """A dark picture whose upper half is a row of black and white blocks: the number in binary."""
    image = np.full((height, width, 3), 64, np.uint8)
    block = width // BITS
    for bit in range(BITS):
        image[: height // 2, bit * block : (bit + 1) * block] = 235 if number >> bit & 1 else 16
    return image


def number_in(image):
    """Read the number back from a picture, whatever its codec did to it."""
    height, width = image.shape[:2]
    block = width // BITS
    rows = image[height // 8 : height * 3 // 8]
    return sum(int(rows[:, bit * block + 4 : (bit + 1) * block - 4].mean() > 125) << bit for bit in range(BITS))


def write_clip(
    path,
    frames=50,
    *,
    codec="libx264",
    pix_fmt="yuv420p",
    rate=25,
    options=None,
    pts=None,
    time_base=None,
    picture=numbered_picture,
    size=(160, 96),
    format=None,  # noqa: A002  (FFmpeg's word)
    mux_options=None,
    prepare=lambda stream: None,
):
    """Encode pictures; `pts` are in units of `time_base`. Pictures may be av frames already."""
    with av.open(str(path), "w", format=format, options=mux_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base or 1 / Fraction(rate)
        prepare(stream)
        for number in range(frames):
            image = picture(number, *size)
            if isinstance(image, np.ndarray):
                image = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            image.pts = pts[number] if pts else number
            image.time_base = time_base or 1 / Fraction(rate)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def make_clip(tmp_path):
    """write_clip() into the test's folder."""

    def make(name="clip.mp4", frames=50, **options):
        return write_clip(tmp_path / name, frames, **options)

    return make


@pytest.fixture
def make_hiding_clip(make_clip):
    """An mp4 of 50 frames whose edit list hides the first ones: what cutting without encoding leaves."""

    def make(hidden):
        return make_clip(
            pts=[40 * (number - hidden) for number in range(50)],
            time_base=Fraction(1, 1000),
            options={"x264-params": "keyint=10:scenecut=0:bframes=2"},
            mux_options={"avoid_negative_ts": "disabled"},
        )

    return make


@pytest.fixture
def make_picture():
    return numbered_picture


@pytest.fixture
def read_number():
    return number_in
