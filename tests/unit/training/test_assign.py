import torch

from streamdet.models.recurrent.boxes import cell_centres
from streamdet.training.assign import CANDIDATES, assign_aligned

CENTRES, STRIDES = cell_centres([(8, 8), (4, 4), (2, 2)], [8, 16, 32])


def _predictions(boxes, quality=0.5):
    """Every cell predicts the first box, with equal scores of two classes."""
    return torch.full((len(CENTRES), 2), quality), torch.tensor(boxes[0]).expand(len(CENTRES), 4).clone()


def _assign(boxes, classes, predicted=None):
    scores, own = predicted or _predictions(boxes)
    return assign_aligned(scores, own, CENTRES, STRIDES, torch.tensor(boxes), torch.tensor(classes))


def test_object_trains_cells_inside_it():
    found = _assign([[16.0, 16.0, 48.0, 48.0]], [0])
    assert len(found.cells) == CANDIDATES
    inside = CENTRES[found.cells]
    assert (inside >= 16).all()
    assert (inside <= 48).all()


def test_best_cell_aims_at_its_iou_and_others_at_less():
    scores, boxes = _predictions([[16.0, 16.0, 48.0, 48.0]])
    boxes[:, 2] = 40.0  # IoU 0.75 everywhere
    best = int(((CENTRES - 28).abs().sum(1)).argmin())
    scores[best, 0] = 0.9
    found = _assign([[16.0, 16.0, 48.0, 48.0]], [0], (scores, boxes))
    quality = dict(zip(found.cells.tolist(), found.quality.tolist(), strict=True))
    assert abs(quality.pop(best) - 0.75) < 1e-4
    assert max(quality.values()) < 0.75


def test_object_between_cell_centres_still_trains_the_finest_level():
    found = _assign([[15.5, 15.5, 16.5, 16.5]], [1])
    assert (STRIDES[found.cells] == 8).sum() >= 4


def test_shared_cell_goes_to_the_object_it_overlaps_more():
    boxes = [[0.0, 0.0, 32.0, 32.0], [0.0, 0.0, 64.0, 64.0]]
    found = _assign(boxes, [0, 1])
    assert len(set(found.cells.tolist())) == len(found.cells)
    # All cells predict the first object's box: those inside it are its own.
    assert 0 in found.objects.tolist()


def test_no_objects_train_nothing():
    scores, boxes = _predictions([[0.0, 0.0, 1.0, 1.0]])
    found = assign_aligned(scores, boxes, CENTRES, STRIDES, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert len(found.cells) == len(found.quality) == 0
