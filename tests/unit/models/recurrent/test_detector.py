import numpy as np
import pytest
import torch

from streamdet.models.options import DetectOptions
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.neck import FeaturePyramid

TOLERANCE = {"rtol": 0, "atol": 2e-5}


def test_test_model_has_an_opinion(detector, images):
    """Else equal scores would prove nothing."""
    outputs, _ = detector.step(images)
    assert outputs.scores.std() > 0.05


def test_chunk_equals_frame_by_frame(detector, images):
    dt_s = torch.tensor([[0.1, 0.2, 0.04, 0.1, 0.5, 0.1], [0.03] * 6])
    whole, last = detector.step(images, None, dt_s)
    state, boxes, scores = None, [], []
    for t in range(images.shape[1]):
        outputs, state = detector.step(images[:, t : t + 1], state, dt_s[:, t : t + 1])
        boxes.append(outputs.boxes)
        scores.append(outputs.scores)
    torch.testing.assert_close(torch.cat(scores, 1), whole.scores, **TOLERANCE)
    torch.testing.assert_close(torch.cat(boxes, 1), whole.boxes, rtol=0, atol=1e-2)
    torch.testing.assert_close(state.cell, last.cell, **TOLERANCE)


def test_batch_of_streams_equals_single_streams(detector, images):
    both, state = detector.step(images)
    for row in range(2):
        single, own = detector.step(images[row : row + 1])
        torch.testing.assert_close(both.scores[row : row + 1], single.scores, **TOLERANCE)
        torch.testing.assert_close(state.rows([row]).hidden, own.hidden, **TOLERANCE)


def test_memory_changes_what_is_seen(detector, images):
    """The same frame after another past gives other scores; without a memory it would not."""
    frame = images[:1, :1]
    _, past = detector.step(images[1:, :5])
    fresh, _ = detector.step(frame)
    remembering, _ = detector.step(frame, past)
    assert (fresh.scores - remembering.scores).abs().max() > 1e-3


def test_alpha_zero_is_the_per_frame_detector(detector, images):
    """Bit for bit, whatever the memory holds."""
    detector.set_alpha(0.0)
    config = detector.config.model_copy(update={"recurrent_channels": 0})
    per_frame = build_detector(config).eval()
    per_frame.load_state_dict({k: v for k, v in detector.state_dict().items() if not k.startswith("memory.")})
    expected, _ = per_frame.step(images)
    _, past = detector.step(images)
    outputs, _ = detector.step(images, past)
    assert torch.equal(outputs.scores, expected.scores)
    assert torch.equal(outputs.boxes, expected.boxes)


def test_ramp_begins_as_a_moving_average_of_the_features(detector, images):
    """At its start the memory gives back a still scene's features, so that the head's input is not destroyed."""
    fusion = detector.memory["16"]
    fusion.cell.peephole.data.zero_()
    with torch.no_grad():
        still = torch.randn(1, 1, 32, 4, 6).expand(1, 12, 32, 4, 6) * 0.5
        fusion.start_as_moving_average(0.5)
        fusion.cell.hidden_pointwise.weight.zero_()
        zeros = torch.zeros(1, 16, 4, 6)
        remembered, _, _ = fusion.remember(still, zeros, zeros, torch.ones(1, 12), torch.tensor([True]))
        fused = fusion.blend(still, remembered)
    replaced, original = fused[0, -1, 16:].flatten(), still[0, -1, 16:].flatten()
    assert torch.corrcoef(torch.stack([replaced, original]))[0, 1] > 0.9
    assert torch.equal(fused[0, :, :16], still[0, :, :16])


def test_a_first_frame_is_seen_as_the_per_frame_detector_sees_it(detector, images):
    """Bit for bit, whatever alpha and gate: a still has nothing to remember, and neither has a stream's beginning."""
    detector.set_alpha(1.0)
    first, _ = detector.step(images[:, :1])
    clip, _ = detector.step(images)
    detector.set_alpha(0.0)
    first_expected, _ = detector.step(images[:, :1])
    expected, _ = detector.step(images)
    assert torch.equal(first.scores, first_expected.scores)
    assert torch.equal(clip.scores[:, :1], expected.scores[:, :1])
    assert not torch.allclose(clip.scores[:, 1:], expected.scores[:, 1:])


def test_memory_of_coarse_levels_helps_the_finest(images):
    """It lies before the neck, which hands it down: small objects are remembered although stride 8 has no memory."""
    config = ModelConfig(name="coarse", classes=("person",), recurrent_channels=16, recurrent_strides=(16, 32))
    model = build_detector(config).eval()
    model.set_alpha(1.0)
    _, past = model.step(images[:, :5])
    fresh, _ = model.step(images[:, 5:])
    remembering, _ = model.step(images[:, 5:], past)
    finest = 3 * (images.shape[-2] // 8) * (images.shape[-1] // 8)
    assert not torch.equal(fresh.scores[:, :, :finest], remembering.scores[:, :, :finest])


def test_memory_replaces_what_is_seen_as_far_as_the_gate_is_open(detector):
    """Shut, the features are the per-frame ones; open, they are memory alone."""
    fusion = detector.memory["16"]
    seen, remembered = torch.randn(1, 2, 32, 4, 6), torch.randn(1, 2, 16, 4, 6)
    detector.set_alpha(1.0)
    for bias, expected in ((-50.0, seen[:, :, 16:]), (50.0, remembered)):
        with torch.no_grad():
            fusion.gate.weight.zero_()
            fusion.gate.bias.fill_(bias)
            fused = fusion.blend(seen, remembered)
        torch.testing.assert_close(fused[:, :, 16:], expected)
        assert torch.equal(fused[:, :, :16], seen[:, :, :16])


def test_every_channel_can_pass_through_memory(images):
    config = ModelConfig(name="all", classes=("person",), channels=32, recurrent_channels=32)
    model = build_detector(config).eval()
    model.set_alpha(1.0)
    outputs, state = model.step(images)
    assert outputs.scores.shape[:2] == (2, 6)
    assert state.hidden[0].shape[1] == 32


def test_step_takes_any_size_and_clips_boxes(detector):
    image = torch.randint(0, 256, (1, 1, 3, 50, 77), dtype=torch.uint8)
    outputs, state = detector.step(image)
    assert outputs.boxes[..., 0::2].max() <= 77
    assert outputs.boxes[..., 1::2].max() <= 50
    assert outputs.boxes.min() >= 0
    detector.step(image, state)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8),
        torch.zeros(1, 1, 3, 64, 64),
    ],
)
def test_step_fails_on_other_shapes_and_types(detector, wrong):
    with pytest.raises(ValueError, match=r"images must be \(B, T, 3, H, W\) uint8"):
        detector.step(wrong)


def test_detections_are_sorted_and_named(detector, images):
    outputs, _ = detector.step(images)
    rows = outputs.detections(DetectOptions(conf=0.0, iou=0.5, max_detections=7))
    assert [len(row) for row in rows] == [6, 6]
    found = rows[1][5]
    assert len(found) == 7
    assert (found.scores[:-1] >= found.scores[1:]).all()
    assert set(found.class_names) <= {"person", "car", "bus"}


def test_default_model_is_small():
    model = build_detector(ModelConfig(name="street", classes=("person", "car", "motorcycle", "bus", "truck")))
    assert sum(p.numel() for p in model.parameters()) < 2_000_000


def test_classes_of_a_group_share_out_its_score(detector, images):
    """Of the tested model, car and bus are of one group: together they have what the head says of vehicles."""
    raw = detector.read(detector.features(images))
    scores = detector.scores(raw)
    vehicle, person = (raw.groups.sigmoid() * raw.centred.sigmoid()[..., None]).unbind(-1)
    torch.testing.assert_close(scores[..., 1] + scores[..., 2], vehicle)
    torch.testing.assert_close(scores[..., 0], person)


def test_detections_have_the_scores_of_all_classes_and_embeddings(detector, images):
    outputs, _ = detector.step(images)
    found = outputs.detections(DetectOptions(conf=0.2))[0][0]
    assert len(found) > 0
    assert found.class_scores.shape == (len(found), 3)
    vehicles = found.class_ids != 0
    expected = np.where(vehicles, found.class_scores[:, 1:].sum(1), found.class_scores[:, 0])
    np.testing.assert_allclose(found.scores, expected, rtol=1e-6)
    assert found.embeddings.shape == (len(found), detector.spec.embedding_size)
    again = detector.step(images[:, :1])[0].detections(DetectOptions(conf=0.2))[0][0]
    np.testing.assert_allclose(again.embeddings, found.embeddings, atol=1e-4)


@torch.inference_mode()
def test_the_smallest_image_is_looked_at(detector):
    """One cell at strides 32 to 128, whose norms have nothing to compare it with."""
    outputs, _ = detector.step(torch.zeros(1, 1, 3, 32, 32, dtype=torch.uint8))
    assert outputs.scores.shape == (1, 1, 3 * (16 + 4 + 1 + 1 + 1), 3)
    assert torch.isfinite(outputs.scores).all()


def test_another_backbone_is_put_in_from_outside(images):
    """Its maps have the strides and channels of the neck's laterals; nothing else asks what made them."""

    class Means(torch.nn.Module):
        def forward(self, x):
            return tuple(torch.nn.functional.avg_pool2d(x, stride) for stride in (8, 16, 32))

    config = ModelConfig(name="means", classes=("person",), channels=16, recurrent_channels=8)
    usual = build_detector(config)
    neck, memory = FeaturePyramid((3, 3, 3), 16, 5), dict(usual.memory.items())
    model = RecurrentDetector(config, Means(), neck, memory, usual.head).eval()
    model.set_alpha(1.0)
    outputs, state = model.step(images)
    assert outputs.scores.shape == (2, 6, 3 * (8 * 12 + 4 * 6 + 2 * 3 + 1 * 2 + 1), 1)
    assert state.ages.tolist() == [6, 6]
