import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.models.contract import InputSpec
from streamdet.models.options import DetectOptions
from streamdet.models.outputs import ListedOutputs

CLASSES = ("person", "car")


def _rows(*rows):
    table = np.array(rows, float).reshape(-1, 6)
    return Detections.of(table[:, :4], table[:, 4], table[:, 5], CLASSES)


def test_lists_of_any_length_are_filtered_and_cut():
    one = _rows((0, 0, 9, 9, 0.9, 0), (0, 0, 9, 9, 0.8, 0), (1, 1, 5, 5, 0.3, 1), (1, 1, 5, 5, 0.1, 1))
    outputs = ListedOutputs([[one, _rows()]], overlapping=False)
    [[found, nothing]] = outputs.detections(DetectOptions(conf=0.2))
    assert found.scores.tolist() == pytest.approx([0.9, 0.8, 0.3])
    assert len(nothing) == 0
    [[of_class, _]] = outputs.detections(DetectOptions(conf=0.0, classes=("car",), max_detections=1))
    assert of_class.scores.tolist() == pytest.approx([0.3])
    [[best, _]] = ListedOutputs([[one, _rows()]], overlapping=True).detections(DetectOptions(conf=0.2))
    assert best.scores.tolist() == pytest.approx([0.9, 0.3])


def test_lists_are_regrouped():
    frames = [_rows((0, 0, n, n, 0.9, 0)) for n in range(1, 7)]
    grouped = ListedOutputs([[frame] for frame in frames], overlapping=False).regroup(2, 3)
    widths = [[found.boxes[0, 2] for found in stream] for stream in grouped.detections()]
    assert widths == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(ValueError, match="6 frames are not 2 streams of 2 frames"):
        grouped.regroup(2, 2)


@pytest.mark.parametrize(
    ("spec", "scaled", "model"),
    [
        (InputSpec(320), (320, 180), (320, 192)),
        (InputSpec(320, multiple=56), (320, 180), (336, 224)),
        (InputSpec(320, fit="square"), (320, 180), (320, 320)),
        (InputSpec(320, fit="stretch"), (320, 320), (320, 320)),
        (InputSpec(448, multiple=56, fit="stretch"), (448, 448), (448, 448)),
        (InputSpec(320, fixed=(256, 320)), (320, 180), (320, 256)),
        (InputSpec(320, fit="stretch", fixed=(256, 320)), (320, 256), (320, 256)),
    ],
)
def test_a_frame_becomes_the_image_that_the_detector_takes(spec, scaled, model):
    box = spec.letterbox(1280, 720)
    assert (box.scaled_width, box.scaled_height) == scaled
    assert (box.model_width, box.model_height) == model
    corner = np.array([[0, 0, *scaled]], np.float32)
    assert box.restore(corner).tolist() == [[0, 0, 1280, 720]]


def test_only_a_fixed_size_cannot_be_chosen():
    assert InputSpec(320).letterbox(1280, 720, 640).model_width == 640
    fixed = InputSpec(320, fixed=(256, 320))
    assert fixed.letterbox(1280, 720, (256, 320)).model_height == 256
    with pytest.raises(Exception, match="takes images of 256x320 pixels only"):
        fixed.letterbox(1280, 720, 640)


def test_images_are_brought_to_the_networks_order_and_scale():
    images = np.arange(2 * 3 * 1 * 1, dtype=np.uint8).reshape(2, 3, 1, 1) * 51
    network = InputSpec(320, channel_order="bgr", scale=1 / 255).to_network(images)
    assert network.dtype == np.float32
    np.testing.assert_allclose(network[..., 0, 0], [[0.4, 0.2, 0.0], [1.0, 0.8, 0.6]], rtol=1e-6)
    np.testing.assert_array_equal(InputSpec(320).to_network(images), images)
