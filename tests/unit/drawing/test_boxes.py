"""What a viewer sees: every box, labels that hide nothing, the same colour for the same track."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from streamdet.boxes import box_intersection
from streamdet.columns import Detection
from streamdet.detections import Detections
from streamdet.drawing import labels as drawing
from streamdet.drawing.annotators import draw
from streamdet.drawing.labels import label_text
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import colour_of, text_colour_on

CLASSES = ("person", "car", "motorcycle", "bus", "truck")
SIZES = [(160, 120), (320, 240), (768, 432), (1280, 720), (1080, 1920), (3840, 2160)]
GREY = 90


def detections(*rows):
    """Rows of (x1, y1, x2, y2, score, class, identity)."""
    table = np.array(rows, float).reshape(-1, 7)
    return Detections.of(table[:, :4], table[:, 4], table[:, 5], CLASSES, table[:, 6])


def grey(width, height):
    return np.full((height, width, 3), GREY, np.uint8)


def painted(image):
    return (image != GREY).any(axis=2)


def labels_of(found, width, height):
    """Where the labels of a picture are."""
    seen = []
    original = drawing.place_labels

    def spy(*arguments):
        seen.append(original(*arguments))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "place_labels", spy)
        draw(grey(width, height), found)
    return seen[0]


def crowd(width, height, count=40, seed=0):
    random = np.random.default_rng(seed)
    low = random.uniform(0, 0.95, (count, 2))
    high = np.minimum(low + random.uniform(0.005, 0.3, (count, 2)), 1.0)
    boxes = np.concatenate([low, high], axis=1) * [width, height, width, height]
    return Detections.of(boxes, random.uniform(0.2, 1, count), random.integers(0, 5, count), CLASSES, np.arange(count))


def test_the_input_is_not_touched():
    image = grey(320, 240)
    drawn = draw(image, detections((50, 60, 120, 200, 0.9, 0, 7)))
    assert (image == GREY).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8


def test_nothing_found_nothing_drawn():
    image = grey(64, 48)
    drawn = draw(image, Detections.empty(CLASSES))
    np.testing.assert_array_equal(drawn, image)
    assert drawn is not image


@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_same_every_time(size):
    found = crowd(*size)
    np.testing.assert_array_equal(draw(grey(*size), found), draw(grey(*size), found))


@pytest.mark.parametrize("size", SIZES)
def test_a_box_is_drawn_around_its_object_not_over_it(size):
    width, height = size
    box = np.round(np.array([0.3, 0.4, 0.6, 0.9]) * [width, height, width, height]).astype(int)
    drawn = painted(draw(grey(*size), detections((*box, 0.9, 1, 3))))
    x1, y1, x2, y2 = box
    assert not drawn[y1 + height // 10 : y2, x1:x2].any()
    assert drawn[y1:y2, x1 - 1].all()
    assert drawn[y1:y2, x2].all()
    assert drawn[y2, x1:x2].all()


@pytest.mark.parametrize("size", SIZES)
def test_a_box_at_the_edge_of_the_picture_has_all_its_sides(size):
    width, height = size
    drawn = painted(draw(grey(*size), detections((0, 0, width, height, 0.9, 1, 3))))
    for side in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):
        assert side.all()


@pytest.mark.parametrize("size", SIZES)
def test_lines_grow_with_the_picture(size):
    width, height = size
    drawn = painted(draw(grey(*size), detections((0.3 * width, 0.4 * height, 0.6 * width, 0.9 * height, 0.9, 1, 3))))
    thickness = int(drawn[height * 3 // 4, : width // 2].sum())
    assert 1 <= thickness <= 1 + min(size) / 300
    assert thickness >= min(size) / 500


@pytest.mark.parametrize("size", SIZES)
def test_a_label_is_readable(size):
    """At least 8 pixels of letters, at most a twelfth of the picture; dark on light or light on dark."""
    width, height = size
    found = detections((0.3 * width, 0.4 * height, 0.6 * width, 0.9 * height, 0.9, 1, 3))
    x1, y1, x2, y2 = labels_of(found, width, height)[0]
    assert 10 <= y2 - y1 <= max(15, min(size) / 12)
    label = draw(grey(*size), found)[y1:y2, x1:x2]
    luminance = label @ np.array([0.2126, 0.7152, 0.0722])
    assert np.ptp(luminance) > 90


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_labels_stay_inside_the_picture(size, seed):
    width, height = size
    labels = labels_of(crowd(width, height, seed=seed), width, height)
    assert (labels[:, :2] >= 0).all()
    assert (labels[:, 2:] <= [width, height]).all()


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0), (0.5, 1), (0, 0.5), (1, 0.5)])
def test_a_narrow_object_is_not_covered_by_its_label(corner):
    x, y = corner[0] * (640 - 24), corner[1] * (480 - 90)
    found = detections((x, y, x + 24, y + 90, 0.9, 1, 3))
    x1, y1, x2, y2 = labels_of(found, 640, 480)[0]
    covered = max(0, min(x2, x + 24) - max(x1, x)) * max(0, min(y2, y + 90) - max(y1, y))
    assert covered < 0.2 * 24 * 90


def test_labels_of_neighbours_cover_neither_each_other_nor_narrow_objects():
    rows = [(100 + 40 * n, 200, 120 + 40 * n, 300, 0.9 - 0.1 * n, 1, n) for n in range(4)]
    labels = labels_of(detections(*rows), 640, 480)
    areas = (labels[:, 2:] - labels[:, :2]).prod(axis=1)
    assert (box_intersection(labels, labels)[~np.eye(4, dtype=bool)] < 0.08 * areas.min()).all()
    objects = np.array([row[:4] for row in rows], np.float32)
    assert (box_intersection(labels, objects) < 0.15 * 20 * 100).all()


def test_a_label_larger_than_its_box_is_left_out():
    near, far = (100, 50, 200, 200, 0.9, 0, 1), (250, 100, 262, 120, 0.8, 0, 2)
    both, boxes_alone = draw(grey(320, 240), detections(near, far)), AnnotateOptions(labels="none")
    assert len(labels_of(detections(near, far), 320, 240)) == 1
    np.testing.assert_array_equal(
        draw(grey(320, 240), detections(far)), draw(grey(320, 240), detections(far), boxes_alone)
    )
    assert painted(both)[100:121, 262].all(), "its box stays"


def test_a_label_keeps_its_place_while_its_object_moves():
    places = set()
    for step in range(100):
        x, y = 100 + 3.3 * step, 150 + 0.7 * step
        found = detections((x, y, x + 60, y + 120, 0.9, 0, 3))
        label = labels_of(found, 640, 480)[0]
        places.add((label[0] - int(x), label[3] - int(y)))
    assert len(places) <= 4  # rounding only


def test_an_identity_keeps_its_colour():
    def colour(track, class_id, x):
        return tuple(draw(grey(320, 240), detections((x, 100, x + 50, 200, 0.9, class_id, track)))[150, x - 1])

    assert colour(7, 0, 30) == colour(7, 1, 200)
    assert colour(7, 0, 30) != colour(8, 0, 30)


def test_without_identities_a_class_has_a_colour():
    rows = [(30, 100, 60, 200, 0.9, 0, -1), (100, 100, 130, 200, 0.8, 0, -1), (200, 100, 230, 200, 0.9, 1, -1)]
    image = draw(grey(320, 240), detections(*rows))
    first, second, other = (tuple(image[150, x - 1]) for x in (30, 100, 200))
    assert first == second != other


def test_neighbouring_numbers_have_colours_that_differ():
    hues = [cv2.cvtColor(np.array([[colour_of(n)]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0, 0] for n in range(60)]
    for a, b in pairwise(hues):
        apart = abs(int(a) - int(b))
        assert min(apart, 180 - apart) > 40


def test_text_stands_out_from_its_label():
    def luminance(colour):
        linear = [(v / 255 / 12.92) if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for number in range(200):
        background = colour_of(number)
        light, dark = sorted([luminance(background), luminance(text_colour_on(background))], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, number  # WCAG 2.1, AA


@pytest.mark.parametrize(
    ("track", "expected"), [(7, "person 7 0.91"), (-1, "person 0.91"), (123456, "person 123456 0.91")]
)
def test_the_label_says_class_identity_and_score(track, expected):
    assert label_text(Detection((0, 0, 1, 1), 0.913, 0, "person", track), "full") == expected


@pytest.mark.parametrize(
    "row",
    [
        (float("nan"), 0, 10, 10, 0.9, 0, 1),
        (0, 0, float("inf"), 10, 0.9, 0, 1),
        (0, 0, 10, 10, float("nan"), 0, 1),
    ],
)
def test_a_box_that_is_no_number_is_left_out(row):
    np.testing.assert_array_equal(draw(grey(64, 48), detections(row)), grey(64, 48))


@pytest.mark.parametrize(
    "row", [(-50, -50, 900, 900, 0.9, 0, 1), (30, 30, 30, 30, 0.9, 0, 1), (500, 500, 600, 600, 0.9, 0, 1)]
)
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (64, 48)])
def test_any_box_on_any_picture(row, size):
    drawn = draw(grey(*size), detections(row))
    assert drawn.shape == (size[1], size[0], 3)


def test_a_picture_that_is_a_view_of_another():
    image = grey(640, 480)[::2, ::2]
    assert painted(draw(image, detections((50, 60, 120, 200, 0.9, 0, 7)))).any()


def test_the_small_box_in_front_is_whole():
    big, small = (50, 50, 250, 200, 0.95, 1, 1), (240, 100, 280, 160, 0.4, 0, 2)
    alone = draw(grey(320, 240), detections(small))
    both = draw(grey(320, 240), detections(big, small))
    np.testing.assert_array_equal(both[100:160, 280], alone[100:160, 280])
    np.testing.assert_array_equal(both[110:150, 239], alone[110:150, 239])


def test_the_label_can_be_the_track_id_alone_or_nothing():
    assert label_text(Detection((0, 0, 1, 1), 0.9, 0, "person", 7), "id") == "7"
    assert label_text(Detection((0, 0, 1, 1), 0.9, 0, "person", -1), "id") == ""
    found = detections((50, 60, 150, 200, 0.9, 0, 7), (180, 60, 280, 200, 0.9, 0, -1))
    full, ids, none = (
        painted(draw(grey(320, 240), found, AnnotateOptions(labels=labels))).sum() for labels in ("full", "id", "none")
    )
    assert full > ids > none > 0


def test_colours_by_class():
    rows = [(30, 100, 60, 200, 0.9, 0, 1), (100, 100, 130, 200, 0.8, 0, 2), (200, 100, 230, 200, 0.9, 1, 3)]
    image = draw(grey(320, 240), detections(*rows), AnnotateOptions(colour="class"))
    first, second, other = (tuple(image[150, x - 1]) for x in (30, 100, 200))
    assert first == second != other


@pytest.mark.parametrize("width", [1, 5, 100])
def test_lines_are_as_wide_as_asked_for(width):
    found = detections((150, 150, 250, 250, 0.9, 0, 1), (20, 20, 24, 24, 0.9, 0, 2))
    drawn = painted(draw(grey(640, 480), found, AnnotateOptions(line_width=width, labels="none")))
    left = drawn[200, :200]
    assert left.sum() == pytest.approx(width, abs=50 if width == 100 else 0)


def test_letters_grow_by_the_font_scale():
    found = detections((50, 100, 300, 400, 0.9, 0, 7))
    small, large = (
        painted(draw(grey(640, 480), found, AnnotateOptions(font_scale=scale)))[:98].sum() for scale in (1.0, 2.0)
    )
    assert large > 2.5 * small
