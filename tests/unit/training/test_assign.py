import torch

from streamdet.models.recurrent.layout import ANCHOR_SIDES, anchor_boxes, map_sizes
from streamdet.training.assign import assign_anchors

SIZES = map_sizes(128, 128)
ANCHORS = torch.from_numpy(anchor_boxes(SIZES))
LEVELS = [len(ANCHOR_SIDES) * height * width for height, width in SIZES]


def _assign(boxes):
    return assign_anchors(ANCHORS, LEVELS, len(ANCHOR_SIDES), torch.tensor(boxes).reshape(-1, 4))


def _centres(rows):
    return (ANCHORS[rows, :2] + ANCHORS[rows, 2:]) / 2


def test_object_trains_anchors_like_it_whose_middle_is_inside():
    owner = _assign([[32.0, 16.0, 64.0, 80.0]])
    trained = (owner == 0).nonzero()[:, 0]
    assert 1 <= len(trained) <= 9 * 3 * 5
    x, y = _centres(trained).unbind(1)
    assert ((x > 32) & (x < 64) & (y > 16) & (y < 80)).all()
    sides = ANCHORS[trained, 2:] - ANCHORS[trained, :2]
    assert not (sides[:, 0] > sides[:, 1]).any()  # it is tall, and so none that it trains is wide


def test_a_small_object_trains_the_finest_level():
    trained = (_assign([[40.0, 40.0, 58.0, 56.0]]) == 0).nonzero()[:, 0]
    assert len(trained)
    assert (trained < LEVELS[0]).any()


def test_an_anchor_that_two_want_goes_to_the_one_it_overlaps_more():
    owner = _assign([[0.0, 0.0, 64.0, 64.0], [8.0, 8.0, 56.0, 64.0]])
    assert set(owner.tolist()) == {-1, 0, 1}
    at = int((_centres(torch.arange(LEVELS[0])) - 32).abs().sum(1).argmin()) // 3 * 3 + 1
    assert ANCHORS[at].tolist() == [0, 0, 64, 64]
    assert owner[at] == 0


def test_no_objects_train_nothing():
    assert (_assign([]) == -1).all()
