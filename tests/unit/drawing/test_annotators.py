"""Masks, keypoints, paths and what is made unrecognisable, on RGB and on planes."""

from dataclasses import replace

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.drawing.annotators import StreamAnnotator, draw
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.script import ScriptCanvas
from streamdet.frames import RgbPicture
from streamdet.media.colour import frame_from_rgb
from streamdet.media.planes import picture_of
from streamdet.result import ZoneReport
from streamdet.skeleton import Skeleton

CLASSES = ("person", "car")
GREY = 90
BT709 = (1, 1, 1, 1)


def found(*rows, **optional):
    """Rows of (x1, y1, x2, y2, class, track)."""
    table = np.array(rows, float).reshape(-1, 6)
    return Detections.of(table[:, :4], np.full(len(table), 0.9), table[:, 4], CLASSES, table[:, 5], **optional)


def grey():
    return np.full((240, 320, 3), GREY, np.uint8)


def noise():
    return np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)


@pytest.fixture(params=["rgb", "planes"])
def to_picture(request):
    return RgbPicture if request.param == "rgb" else lambda image: picture_of(frame_from_rgb(image, BT709))


def changed(image, other=GREY):
    return (np.abs(image.astype(int) - other) > 12).any(axis=2)


def test_a_mask_tints_its_object_and_nothing_else(to_picture):
    mask = np.zeros((1, 28, 28), np.uint8)
    mask[:, :, :14] = 255
    detections = found((100, 50, 200, 150, 0, 3), masks=mask)
    picture = to_picture(grey())
    with_mask = StreamAnnotator(AnnotateOptions(labels="none")).annotate(picture, detections, 0.0).rgb()
    inside = changed(with_mask)[55:145]
    assert inside[:, 105:145].all()
    assert not inside[:, 155:195].any()


def test_a_subtitle_has_the_hole_of_a_mask():
    ring = np.full((1, 28, 28), 255, np.uint8)
    ring[:, 9:19, 9:19] = 0
    canvas = ScriptCanvas(320, 240)
    shown = StreamAnnotator(AnnotateOptions(labels="none"))
    shown.draw(canvas, found((100, 50, 212, 162, 0, 3), masks=ring), 0.0, ZoneReport())
    outer, inner = canvas.drawn[0].text.partition("p1}")[2].split("m ")[1:]
    corners = [np.array(path.replace("l", "").split(), float).reshape(-1, 2) for path in (outer, inner)]
    areas = [float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2) for x, y in (path.T for path in corners)]
    assert areas[0] * areas[1] < 0
    assert abs(areas[0]) > 5 * abs(areas[1]) > 5000


def test_a_mask_may_stay_undrawn(to_picture):
    detections = found((100, 50, 200, 150, 0, 3), masks=np.full((1, 28, 28), 255))
    options = AnnotateOptions(labels="none", masks=False)
    assert not changed(StreamAnnotator(options).annotate(to_picture(grey()), detections, 0.0).rgb())[
        60:140, 110:190
    ].any()


def test_a_mask_as_large_as_the_picture_is_mixed_alike_everywhere(to_picture):
    detections = found((0, 0, 320, 240, 0, 3), masks=np.full((1, 28, 28), 255))
    inside = StreamAnnotator(AnnotateOptions(labels="none")).annotate(to_picture(grey()), detections, 0.0).rgb()
    inside = inside[8:-8, 8:-8].reshape(-1, 3).astype(int)
    assert np.ptp(inside, axis=0).max() <= 2
    assert changed(inside[None]).all()


def test_keypoints_are_joined_where_both_are_sure(to_picture):
    points = [[(60, 50, 0.9), (60, 150, 0.8), (150, 150, 0.1), (150, 50, 0.9), (-500, np.nan, 0.9)]]
    skeleton = Skeleton(("a", "b", "c", "d", "e"), ((0, 1), (1, 2), (2, 3), (3, 0), (3, 4)))
    rows = found((40, 30, 200, 200, 0, 3), keypoints=points)
    shown = StreamAnnotator(AnnotateOptions(labels="none"))
    drawn = changed(shown.annotate(to_picture(grey()), replace(rows, skeleton=skeleton), 0.0).rgb())
    assert drawn[50, 70:140].all()
    assert drawn[60:140, 60].all()
    assert not drawn[60:140, 150].any()
    assert not drawn[150, 70:195].any()
    assert drawn[49:52, 149:151].all()
    loose = changed(shown.annotate(to_picture(grey()), rows, 0.0).rgb())
    assert loose[50, 60]
    assert not loose[50, 70:140].any()
    hidden = StreamAnnotator(AnnotateOptions(labels="none", keypoints=False))
    assert not changed(hidden.annotate(to_picture(grey()), rows, 0.0).rgb())[40:190, 50:190].any()


@pytest.mark.parametrize("how", ["blur", "pixelate"])
def test_what_is_hidden_cannot_be_recognised(to_picture, how):
    options = AnnotateOptions(hide=("person",), hide_by=how, labels="none")
    picture = to_picture(noise())
    image = (
        StreamAnnotator(options).annotate(picture, found((21, 31, 80, 120, 0, 1), (200, 31, 280, 120, 1, 2)), 0.0).rgb()
    )
    before = picture.rgb()
    hidden, shown = (slice(40, 110), slice(30, 70)), (slice(40, 110), slice(210, 270))
    assert image[hidden].std() < 0.35 * before[hidden].std()
    np.testing.assert_allclose(image[shown].astype(int), before[shown].astype(int), atol=2)


def test_a_track_leaves_its_path(to_picture):
    annotator = StreamAnnotator(AnnotateOptions(traces_s=1.0, labels="none"))
    for step in range(5):
        left = 40 + 50 * step
        detections = found((left, 100, left + 20, 150, 0, 1), (40, 10, 60, 30, 1, -1))
        image = annotator.annotate(to_picture(grey()), detections, 0.2 * step).rgb()
    assert changed(image)[149:152, 60:230].any(axis=0).all()
    gone = annotator.annotate(to_picture(grey()), Detections.empty(CLASSES), 1.5).rgb()
    row = changed(gone)[149:152].any(axis=0)
    assert row[200:250].all(), "for a second"
    assert not row[:180].any(), "and no longer"
    picture = to_picture(grey())
    assert annotator.annotate(picture, Detections.empty(CLASSES), 60.0).rgb().std() == picture.rgb().std()
    assert annotator.annotate(picture, Detections.empty(CLASSES), 60.1) is picture


def test_a_gap_ends_all_paths_and_a_saved_one_continues():
    def frame(left):
        return found((left, 100, left + 20, 150, 0, 1))

    first, second = (StreamAnnotator(AnnotateOptions(traces_s=5.0, labels="none")) for _ in range(2))
    first.annotate(RgbPicture(grey()), frame(40), 0.0)
    second.load_state_dict(first.state_dict())
    image = first.annotate(RgbPicture(grey()), frame(200), 1.0).rgb()
    assert changed(image)[150, 60:200].all()
    np.testing.assert_array_equal(second.annotate(RgbPicture(grey()), frame(200), 1.0).rgb(), image)
    first.reset()
    assert not changed(first.annotate(RgbPicture(grey()), frame(60), 2.0).rgb())[150, 90:].any()


def test_the_picture_itself_stays(to_picture):
    picture = to_picture(grey())
    options = AnnotateOptions(hide=("person",), traces_s=1.0)
    masks = np.full((1, 28, 28), 255, np.uint8)
    StreamAnnotator(options).annotate(picture, found((10, 10, 100, 100, 0, 1), masks=masks), 0.0)
    assert not changed(picture.rgb()).any()


@pytest.mark.parametrize("box", [(-50, -50, 900, 900), (30, 30, 30, 30), (500, 500, 600, 600)])
@pytest.mark.parametrize("size", [(2, 2), (16, 16), (64, 48)])
def test_any_box_on_any_picture(to_picture, box, size):
    options = AnnotateOptions(hide=("person",), traces_s=1.0, line_width=7)
    picture = to_picture(np.full((size[1], size[0], 3), GREY, np.uint8))
    masks = np.full((1, 28, 28), 255, np.uint8)
    drawn = StreamAnnotator(options).annotate(picture, found((*box, 0, 1), masks=masks), 0.0)
    assert (drawn.width, drawn.height) == size


def test_classes_that_are_not_there_are_not_hidden():
    detections = found((10, 10, 100, 100, 0, 1))
    np.testing.assert_array_equal(draw(grey(), detections, AnnotateOptions(hide=("bus",))), draw(grey(), detections))
