import pytest
import torch
from torchvision.ops import batched_nms, nms

from streamdet.models.boxes import ONE_OBJECT_IOU, cell_centres, decode_boxes, expected_distances, select_boxes


def test_centres_lie_in_the_middle_of_cells():
    centres, strides = cell_centres([(2, 3), (1, 1)], [8, 16])
    assert centres.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12], [8, 8]]
    assert strides.tolist() == [8] * 6 + [16]


def test_distances_are_the_mean_of_their_distribution():
    logits = torch.full((1, 4, 8), -100.0)
    for side, (a, b) in enumerate([(0, 0), (7, 7), (2, 3), (1, 5)]):
        logits[0, side, a] = logits[0, side, b] = 0.0
    distances = expected_distances(logits, torch.tensor([16.0]))
    torch.testing.assert_close(distances, torch.tensor([[0.0, 112.0, 40.0, 48.0]]))


def test_boxes_are_centre_minus_and_plus_distances():
    boxes = decode_boxes(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[10.0, 20.0]]))
    assert boxes.tolist() == [[9, 18, 13, 24]]


def test_decode_boxes_fails_on_other_shapes():
    with pytest.raises(ValueError, match="expected"):
        decode_boxes(torch.zeros(1, 3), torch.zeros(1, 2))


def _candidates():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60], [0, 2, 10, 10]])
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.0], [0.3, 0.0], [0.0, 0.7]])
    return boxes, scores


def test_overlapping_boxes_of_a_class_leave_the_best():
    boxes, scores, classes = select_boxes(*_candidates(), conf=0.25, iou=0.6, max_detections=10)
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.3])
    assert classes.tolist() == [0, 1, 0]
    assert boxes[2].tolist() == [50, 50, 60, 60]


def test_most_boxes_kept_are_the_best():
    _, scores, _ = select_boxes(*_candidates(), conf=0.05, iou=0.99, max_detections=2)
    assert scores.tolist() == pytest.approx([0.9, 0.8])


def test_what_two_classes_see_in_one_place_is_one_object():
    boxes = torch.tensor([[0.0, 0, 10, 20], [0, 0, 10, 19], [0, 0, 10, 12]])
    scores = torch.tensor([[0.5, 0.0], [0.0, 0.8], [0.6, 0.0]])
    _, kept, classes = select_boxes(boxes, scores, conf=0.25, iou=0.7, max_detections=10)
    assert classes.tolist() == [1, 0]
    assert kept.tolist() == pytest.approx([0.8, 0.6])


def test_unwanted_classes_are_left_out():
    _, _, classes = select_boxes(
        *_candidates(), conf=0.25, iou=0.6, max_detections=10, classes=torch.tensor([False, True])
    )
    assert classes.tolist() == [1]


def test_nothing_found_is_three_empty_columns():
    boxes, scores, classes = select_boxes(*_candidates(), conf=0.95, iou=0.6, max_detections=10)
    assert boxes.shape == (0, 4)
    assert len(scores) == len(classes) == 0


@pytest.mark.parametrize(("count", "spread"), [(1, 50), (40, 60), (200, 100), (257, 100)])
def test_suppression_is_torchvisions(count, spread):
    """Few boxes take another way than many; both give what torchvision's operators give."""
    generator = torch.Generator().manual_seed(count)
    corners = torch.rand(count, 2, generator=generator) * spread
    boxes = torch.cat((corners, corners + 5 + 40 * torch.rand(count, 2, generator=generator)), dim=1)
    best, ids = torch.rand(count, generator=generator), torch.randint(0, 3, (count,), generator=generator)
    scores = torch.zeros(count, 3).scatter(1, ids[:, None], best[:, None])
    got_boxes, got_scores, got_ids = select_boxes(boxes, scores, conf=1e-6, iou=0.5, max_detections=1000)
    keep = batched_nms(boxes, best, ids, 0.5)
    keep = keep[nms(boxes[keep], best[keep], ONE_OBJECT_IOU)]
    torch.testing.assert_close(got_boxes, boxes[keep])
    torch.testing.assert_close(got_scores, best[keep])
    assert got_ids.tolist() == ids[keep].tolist()
