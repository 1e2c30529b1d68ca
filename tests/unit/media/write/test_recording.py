"""Pictures are made to fit: even sizes, and the first frame's size."""

import numpy as np
import pytest

from streamdet.media.write.recording import letterboxed, padded


@pytest.mark.parametrize(
    ("size", "smallest", "expected"),
    [((4, 6), 2, (4, 6)), ((5, 6), 2, (6, 6)), ((5, 7), 2, (6, 8)), ((1, 1), 2, (2, 2)), ((3, 300), 64, (64, 300))],
)
def test_padding_repeats_the_last_row_and_column(size, smallest, expected):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    result = padded(image, smallest)
    assert result.shape == (*expected, 3)
    assert (result[: size[0], : size[1]] == image).all()
    assert (result[size[0] :, : size[1]] == image[-1]).all()
    assert (result[: size[0], size[1] :] == image[:, -1:]).all()


def test_even_pictures_are_not_copied():
    image = np.zeros((4, 6, 3), np.uint8)
    assert padded(image, 2) is image
    assert letterboxed(image, 6, 4) is image


@pytest.mark.parametrize(
    ("size", "into", "bars"),
    [
        ((10, 20), (40, 40), (10, 0)),
        ((20, 10), (40, 40), (0, 10)),
        ((100, 100), (20, 10), (0, 5)),
        ((1, 1), (8, 4), (0, 2)),
        ((1, 1000), (8, 4), (1, 0)),
    ],
)
def test_letterboxing_keeps_the_aspect_between_bars(size, into, bars):
    image = np.full((*size, 3), 200, np.uint8)
    result = letterboxed(image, *into)
    assert result.shape == (into[1], into[0], 3)
    top, left = bars
    assert (result[: top or 0] == 0).all()
    assert (result[:, : left or 0] == 0).all()
    assert (result[into[1] // 2, into[0] // 2] == 200).all() or min(size) == 1
    assert result.max() == 200
