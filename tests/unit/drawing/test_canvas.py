"""Drawing on planes looks like drawing on RGB."""

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.drawing.annotators import StreamAnnotator, draw
from streamdet.drawing.options import AnnotateOptions
from streamdet.media.colour import frame_from_rgb
from streamdet.media.planes import Planes, picture_of

CLASSES = ("person", "car")
GREY = 90
COLOURS = [(1, 1, 1, 1), (6, 1, 6, 6), (1, 2, 1, 1), (6, 2, 6, 6)]


def found(*boxes):
    count = len(boxes)
    return Detections.of(np.array(boxes, float), np.full(count, 0.9), np.zeros(count), CLASSES, np.arange(count))


def on_planes(image, colour, detections, **options):
    planes = picture_of(frame_from_rgb(image, colour))
    assert isinstance(planes, Planes)
    return StreamAnnotator(AnnotateOptions(**options)).annotate(planes, detections, 0.0)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("corner", [(100, 80), (101, 80), (100, 81), (101, 81), (0, 0), (540, 250)])
def test_looks_like_drawing_on_rgb(colour, corner):
    left, top = corner
    detections = found((left, top, left + 98.7, top + 108.3), (left + 30, top + 30, left + 38, top + 41))
    image = np.full((360, 640, 3), GREY, np.uint8)
    expected = draw(image, detections)
    planes = on_planes(image, colour, detections)
    drawn = planes.rgb()
    # Brightness, pixel by pixel; and the colours of all but the pixels around an edge, which share their chroma.
    assert np.abs(drawn.mean(axis=2) - expected.mean(axis=2)).mean() < 1
    blocks = expected.reshape(180, 2, 320, 2, 3).transpose(0, 2, 1, 3, 4).reshape(180, 320, 4, 3).astype(int)
    even = np.ptp(blocks, axis=2).max(axis=2) == 0
    assert even.sum() > 50_000
    assert np.abs(drawn[::2, ::2].astype(int) - expected[::2, ::2])[even].max() <= 3
    changed = (np.abs(drawn.astype(int) - GREY) > 8).any(axis=2)
    ys, xs = np.nonzero((expected != GREY).any(axis=2))
    ours_y, ours_x = np.nonzero(changed)
    assert (ours_y.min(), ours_x.min()) == pytest.approx((ys.min(), xs.min()), abs=1)
    assert (ours_y.max(), ours_x.max()) == pytest.approx((ys.max(), xs.max()), abs=1)


def test_labels_can_be_read():
    detections = found((100, 80, 300, 280))
    planes = on_planes(np.full((360, 640, 3), GREY, np.uint8), COLOURS[0], detections)
    expected = draw(np.full((360, 640, 3), GREY, np.uint8), detections)
    label = slice(60, 80), slice(98, 220)
    ink = expected[label].max(axis=2) < 40
    assert ink.sum() > 40
    assert np.median(planes.rgb()[label].max(axis=2)[ink]) < 100
