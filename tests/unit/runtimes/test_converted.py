"""The whole step of a foreign detector, converted to OpenVINO once, gives what torch gives."""

import logging

import numpy as np
import pytest
from small_fcos import small_fcos as make_small_fcos

from streamdet.errors import ConfigError, ModelError
from streamdet.models.foreign.memory import LevelMemory
from streamdet.models.foreign.model import ForeignModel
from streamdet.models.options import DetectOptions
from streamdet.runtimes import converted
from streamdet.runtimes.foreign import ForeignDetector, TorchStep, check_runtime, ready

EVERYTHING = DetectOptions(conf=0.05, max_detections=50)


@pytest.fixture
def small_fcos():
    """A memory as training starts it, most of it blended in; scores that are spread."""
    model = make_small_fcos(recurrent_channels=16).eval()
    for values in model.network.model.head.classification_head.cls_logits.parameters():
        values.data.normal_(0, 0.3)
    model.memory.of("0").start_as_moving_average(0.5)
    model.set_alpha(0.8)
    return model


def _columns(outputs):
    """Boxes and scores of each frame, by score, which ties do not disturb."""
    rows = [found for stream in outputs.detections(EVERYTHING) for found in stream]
    return [(found.boxes, found.scores) for found in rows]


def test_a_converted_step_is_the_models_and_kept(small_fcos, cache, monkeypatch):
    """Also for images that it was not traced with, and for streams side by side; auto then uses it."""
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 64, 96), np.uint8)
    images[:, :, :, 20:40, 30:50] = 250
    dt_s = np.array([[0.1, 0.3], [0.05, 0.1]], np.float32)
    assert ready(small_fcos, "cpu", "auto").runtime == "torch cpu fp32"
    exact = ForeignDetector(small_fcos, TorchStep(small_fcos, "cpu"))
    expected, state = exact.step(images, None, dt_s)
    detector = ready(small_fcos, "cpu", "openvino")
    assert detector.runtime == "openvino cpu fp32"
    found, after = detector.step(images, None, dt_s)
    assert after.ages.tolist() == [2, 2]
    for name, x in state.to_arrays().items():
        np.testing.assert_allclose(after.to_arrays()[name], x, atol=1e-4)
    assert np.abs(state.to_arrays()["cell.0"]).max() > 0.01
    for (boxes, scores), (own_boxes, own_scores) in zip(_columns(found), _columns(expected), strict=True):
        assert len(scores) == len(own_scores) > 0
        np.testing.assert_allclose(scores, own_scores, atol=1e-4)
        np.testing.assert_allclose(boxes, own_boxes, atol=0.05)

    [graph] = (cache / "converted").glob("*.xml")
    assert graph.name.endswith("-64x96.xml")
    assert graph.with_suffix(".bin").is_file()
    monkeypatch.setattr(converted.ConvertedStep, "_convert", None)
    again = ready(small_fcos, "cpu", "auto")
    assert again.runtime == "openvino cpu fp32"
    for (boxes, scores), (own_boxes, own_scores) in zip(
        _columns(again.step(images)[0]), _columns(exact.step(images)[0]), strict=True
    ):
        np.testing.assert_allclose(scores, own_scores, atol=1e-4)
        np.testing.assert_allclose(boxes, own_boxes, atol=0.05)
    small_fcos.set_alpha(0.5)
    assert ready(small_fcos, "cpu", "auto").runtime == "torch cpu fp32", "another model"


def test_per_frame_detectors_are_converted_without_a_state(small_fcos, cache):
    plain = ForeignModel(small_fcos.network, LevelMemory({}, 1))
    images = np.random.default_rng(1).integers(0, 256, (1, 1, 3, 64, 64), np.uint8)
    found, state = ready(plain, "cpu", "openvino").step(images)
    assert list(state.to_arrays()) == ["age"]
    [(_, scores)], [(_, own)] = (
        _columns(found),
        _columns(ForeignDetector(plain, TorchStep(plain, "cpu")).step(images)[0]),
    )
    np.testing.assert_allclose(scores, own, atol=1e-4)


def test_what_cannot_be_traced_says_so(small_fcos, cache, monkeypatch):
    def fail(image):
        raise RuntimeError("no such thing\nin this\nop is not supported")

    monkeypatch.setattr(small_fcos.network, "find", fail)
    level = logging.getLogger().level
    with pytest.raises(ModelError, match=r"squares cannot be converted to OpenVINO: .*; use runtime torch"):
        ready(small_fcos, "cpu", "openvino").step(np.zeros((1, 1, 3, 64, 64), np.uint8))
    assert list((cache / "converted").iterdir()) == []
    assert logging.getLogger().level == level


def test_other_runtimes_are_refused():
    for runtime, precision in (("onnxruntime", "auto"), ("torch", "int8"), ("openvino", "bf16")):
        with pytest.raises(ConfigError, match="x runs with runtime torch or openvino in fp32"):
            check_runtime("x", "cpu", runtime, precision)
