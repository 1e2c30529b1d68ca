import numpy as np
import pytest

from streamdet.models.embedding import box_embeddings


def test_bands_are_read_where_the_box_is():
    """On a map whose channels are its own coordinates, a band is its middle."""
    rows, columns = np.mgrid[0:20, 0:30].astype(np.float32)
    boxes = np.array([[40, 24, 100, 120], [161, 33, 175, 51]], np.float32)
    found = box_embeddings(np.stack([columns, rows], axis=-1), boxes, stride=8).reshape(2, 3, 2)
    for (x1, y1, x2, y2), bands in zip(boxes, found, strict=True):
        for number, (x, y) in enumerate(bands):
            assert 8 * (x + 0.5) == pytest.approx((x1 + x2) / 2, abs=1e-3)
            assert 8 * (y + 0.5) == pytest.approx(y1 + (y2 - y1) * (number + 0.5) / 3, abs=1e-3)


def test_boxes_at_the_edge_are_read_at_the_edge():
    rows = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((4, 6, 1), np.float32)
    found = box_embeddings(rows, np.array([[0, -50, 48, 0], [0, 30, 48, 90]], np.float32), stride=8)
    np.testing.assert_allclose(found, [[0, 0, 0], [3, 3, 3]])


def test_no_boxes_have_no_embeddings():
    assert box_embeddings(np.zeros((4, 6, 5), np.float32), np.zeros((0, 4), np.float32), 8).shape == (0, 15)
