"""Masks are what other tools read: COCO's runs bit for bit, and planes where the box is."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import supervision
from pycocotools import mask as coco

from streamdet.boxes import Letterbox
from streamdet.detections import Detections
from streamdet.masks import grid_of, packed_runs, pasted, plane_of, runs_of, unpacked_runs

CLASSES = ("person",)
RNG = np.random.default_rng(0)


def disc(inside=0.9):
    """A grid over a box that holds an ellipse."""
    y, x = np.mgrid[:28, :28]
    far = np.hypot(x - 13.5, y - 13.5) / 14
    return np.clip(128 + 400 * (inside - far), 0, 255).astype(np.uint8)


def found(*boxes, masks=None):
    grids = [disc()] * len(boxes) if masks is None else masks
    return Detections.of(boxes, [0.9] * len(boxes), [0] * len(boxes), CLASSES, masks=grids)


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_runs_are_those_of_pycocotools(density):
    for _ in range(60):
        height, width = RNG.integers(1, 50, 2).tolist()
        left, top = int(RNG.integers(0, width)), int(RNG.integers(0, height))
        right, bottom = int(RNG.integers(left, width)) + 1, int(RNG.integers(top, height)) + 1
        whole = np.zeros((height, width), bool)
        whole[top:bottom, left:right] = RNG.random((bottom - top, right - left)) < density
        counts = runs_of(whole[top:bottom, left:right], left, top, width, height)
        text = coco.encode(np.asfortranarray(whole.astype(np.uint8)))["counts"].decode()
        assert packed_runs(counts) == text
        assert unpacked_runs(text) == counts.tolist()
        np.testing.assert_array_equal(plane_of(counts, height, (0, 0, width, height)), whole)
        x, y = int(RNG.integers(0, width)), int(RNG.integers(0, height))
        np.testing.assert_array_equal(plane_of(counts, height, (x, y, width, height)), whole[y:, x:])


def test_long_runs_are_those_of_pycocotools():
    for digits in range(24):
        counts = RNG.integers(0, 2**digits, 9) + 1
        height = int(counts.sum())
        expected = coco.frPyObjects({"counts": counts.tolist(), "size": [height, 1]}, height, 1)
        assert packed_runs(counts) == expected["counts"].decode()
        assert unpacked_runs(packed_runs(counts)) == counts.tolist()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_mask_of_the_whole_picture_its_runs_and_its_outline_agree():
    objects = found((10.4, 20, 110, 80), (0, 0, 33, 41), (600, 300, 640, 360))
    runs, outlines = objects.rles(640, 360), objects.polygons()
    for row in range(3):
        plane = objects.mask(row, 640, 360)
        assert plane.shape == (360, 640)
        assert runs[row]["size"] == [360, 640]
        np.testing.assert_array_equal(coco.decode(runs[row]).astype(bool), plane)
        rows, columns = np.nonzero(plane)
        inside = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        np.testing.assert_allclose(inside, objects.boxes[row], atol=0.08 * 110)
        [outline] = outlines[row]
        filled = np.zeros((360, 640), np.uint8)
        cv2.fillPoly(filled, [np.floor(outline).astype(np.int32)], 1)
        np.testing.assert_array_equal(filled.astype(bool), plane)


def test_parts_have_outlines_of_their_own():
    grid = np.zeros((28, 28), np.uint8)
    grid[:10], grid[18:] = 255, 255
    assert len(found((0, 0, 56, 56), masks=[grid]).polygons()[0]) == 2
    assert found((0, 0, 56, 56), masks=[np.zeros((28, 28))]).polygons() == [[]]


def test_without_masks_the_error_says_so():
    bare = Detections.of([[0, 0, 1, 1]], [0.9], [0], CLASSES)
    for ask in (bare.polygons, lambda: bare.rles(10, 10), lambda: bare.mask(0, 10, 10)):
        with pytest.raises(ValueError, match="have no masks: their detector gives boxes alone"):
            ask()


@pytest.mark.parametrize("size", [(9, 7), (28, 28), (40, 100), (900, 500)])
def test_pixels_survive_their_grid(size):
    width, height = size
    plane = pasted(disc(), (0, 0, width, height))
    again = pasted(grid_of(plane), (0, 0, width, height))
    assert (plane & again).sum() / (plane | again).sum() > 0.96


def test_boxes_that_are_clipped_keep_the_part_of_the_mask_that_is_inside():
    """The model image is padded below: a box that reaches there is cut, and its mask with it."""
    box = Letterbox.fit(200, 90, 200)
    objects = found((20, 50, 80, 96))
    assert objects.restored(box).boxes.tolist() == [[20, 50, 80, 90]]
    whole, cut = objects.mask(0, 200, 96), objects.restored(box).mask(0, 200, 90)
    assert (whole[:90] & cut).sum() / (whole[:90] | cut).sum() > 0.97
    inside = found((20, 10, 80, 40))
    assert inside.restored(box).masks is inside.masks


def test_rows_of_coco_results_come_back():
    objects = found((10, 20, 110, 80), (0, 0, 33, 41))
    objects = replace(objects, keypoints=RNG.random((2, 3, 3)).astype(np.float32))
    back = Detections.from_coco(objects.to_coco(1, masks_of=(640, 360)), CLASSES)
    np.testing.assert_allclose(back.keypoints, objects.keypoints, atol=1e-4)
    for row in range(2):
        plane, again = objects.mask(row, 640, 360), back.mask(row, 640, 360)
        assert (plane & again).sum() / (plane | again).sum() > 0.96
    bare = Detections.from_coco(objects.to_coco(1), CLASSES)
    assert bare.masks is None
    assert Detections.from_coco([], CLASSES).keypoints is None


def test_supervision_gets_pixels_where_the_size_is_said():
    objects = found((10, 20, 110, 80), (0, 0, 33, 41))
    assert objects.to_supervision().mask is None
    other = objects.to_supervision((640, 360))
    assert other.mask.shape == (2, 360, 640)
    np.testing.assert_array_equal(other.mask[1], objects.mask(1, 640, 360))
    bare = supervision.Detections(xyxy=other.xyxy, mask=other.mask, class_id=other.class_id)
    back = Detections.from_supervision(bare, CLASSES)
    for row in range(2):
        plane, again = objects.mask(row, 640, 360), back.mask(row, 640, 360)
        assert (plane & again).sum() / (plane | again).sum() > 0.96
