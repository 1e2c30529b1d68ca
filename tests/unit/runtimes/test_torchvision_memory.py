"""A memory that is put into torchvision's detectors from outside."""

import numpy as np
import pytest
import torch
from torchvision.models import detection, get_model, list_models

from streamdet.models.contract import DetectorSpec
from streamdet.models.foreign.memory import LevelMemory
from streamdet.models.foreign.model import ForeignModel, feature_maps
from streamdet.models.options import DetectOptions
from streamdet.runtimes.foreign import ForeignDetector, TorchStep
from streamdet.runtimes.torchvision import TorchvisionNetwork, input_of

NAMES = ("-", "person", "car", "bus")
EVERYTHING = DetectOptions(conf=0.0, max_detections=1000)
COLUMNS = ("boxes", "scores", "class_ids", "class_scores", "masks", "keypoints")


def network_of(builder):
    """Random weights, with scores that are spread."""
    torch.manual_seed(0)
    model = get_model(builder, weights=None, weights_backbone=None, num_classes=len(NAMES)).eval()
    with torch.no_grad():
        for part, values in model.named_parameters():
            if "cls_score" in part or "classification_head" in part or "box_predictor" in part:
                values.normal_(0, 0.05)
    if hasattr(model, "roi_heads"):
        model.roi_heads.detections_per_img = 10
        model.rpn._post_nms_top_n["testing"] = 50  # of 1000: most of the time goes there
    else:
        model.score_thresh = 0.0
    return TorchvisionNetwork(model, DetectorSpec(builder, NAMES[1:], "", input_of(builder)), NAMES)


def with_memory(network, alpha):
    """A memory of all levels, as training starts it."""
    torch.manual_seed(1)
    height, width = network.spec.input.fixed or (64, 96)
    image = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    maps = feature_maps(network, image)
    memory = LevelMemory({name: x.shape[1] for name, x in maps.items()}, 8)
    for name, x in maps.items():
        memory.of(name).start_as_moving_average(float(x.std()))
    memory.set_alpha(alpha)
    model = ForeignModel(network, memory)
    return ForeignDetector(model, TorchStep(model, "cpu"))


def assert_same(found, expected):
    for name in COLUMNS:
        got, wanted = getattr(found, name), getattr(expected, name)
        assert (got is None) == (wanted is None)
        if got is not None:
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("builder", list_models(module=detection))
def test_a_memory_from_outside(builder):
    """With its gate shut nothing changes, to the bit; with it open, clips and batches are frame by frame."""
    network = network_of(builder)
    height, width = network.spec.input.fixed or (64, 96)
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 3, height, width), np.uint8)
    plain = ForeignModel(network, LevelMemory({}, 1))
    expected = ForeignDetector(plain, TorchStep(plain, "cpu")).step(images[:1])[0].detections(EVERYTHING)[0]
    with torch.no_grad():
        own = network.model([torch.from_numpy(images[0, 1]).float() / 255])[0]
    labelled = own["labels"] > 0  # some have a column of the background, which is no class
    assert sorted(expected[1].scores[expected[1].scores > 0]) == sorted(own["scores"][labelled].tolist())
    assert (expected[1].masks is not None, expected[1].keypoints is not None) == ("masks" in own, "keypoints" in own)

    shut = with_memory(network, 0.0)
    found, state = shut.step(images[:1])
    for got, wanted in zip(found.detections(EVERYTHING)[0], expected, strict=True):
        assert_same(got, wanted)
    assert np.abs(state.to_arrays()["cell.0"]).max() > 0

    open_ = with_memory(network, 0.8)
    whole, after = open_.step(images)
    together, state = whole.detections(EVERYTHING), None
    for t in range(2):
        frame, state = open_.step(images[:1, t : t + 1], state)
        assert_same(frame.detections(EVERYTHING)[0][0], together[0][t])
    for name, x in state.to_arrays().items():
        np.testing.assert_array_equal(after.rows([0]).to_arrays()[name], x)
    assert_same(together[0][0], expected[0])  # nothing is remembered yet
    assert any(getattr(together[0][1], name).tolist() != getattr(expected[1], name).tolist() for name in COLUMNS[:2])
    assert not any(module._forward_hooks for module in network.modules())
