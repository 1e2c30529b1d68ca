import pytest
import torch

from streamdet.models.recurrent.boxes import decode_boxes
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RawOutputs
from streamdet.models.recurrent.layout import ANCHOR_SIDES, anchor_boxes, map_sizes
from streamdet.training.loss import Targets, detection_loss

SIZES = map_sizes(128, 128)
ANCHORS = torch.from_numpy(anchor_boxes(SIZES))
LEVELS = tuple(len(ANCHOR_SIDES) * height * width for height, width in SIZES)
CENTRES = (ANCHORS[:, :2] + ANCHORS[:, 2:]) / 2
BOX = [16.0, 16.0, 48.0, 48.0]
TWO = ModelConfig(name="two", classes=("person", "car"))
GROUPED = ModelConfig(
    name="grouped", classes=("person", "car", "bus"), groups={"person": ("person",), "vehicle": ("car", "bus")}
)


def _raw(scores=-4.0, names=0):
    P = len(ANCHORS)
    return RawOutputs(
        torch.full((1, 1, P, 2), scores).requires_grad_(),
        torch.zeros(1, 1, P, names).requires_grad_(),
        torch.zeros(1, 1, P).requires_grad_(),
        torch.zeros(1, 1, P, 4).requires_grad_(),
        ANCHORS,
        LEVELS,
    )


def _target(boxes=(), classes=(), ignore=(), labelled=(True, True)):
    return Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes, dtype=torch.long),
        torch.tensor(ignore, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labelled),
    )


def _score_gradient(target, scores=0.0, config=TWO):
    raw = _raw(scores, len(config.names))
    detection_loss(raw, [[target]], config)["loss"].backward()
    return raw.groups.grad[0, 0]


def test_everything_unlabelled_gives_no_loss():
    raw = _raw(3.0)
    losses = detection_loss(raw, [[_target(labelled=(False, False))]], TWO)
    assert float(losses["loss"].detach()) == 0.0


def test_unlabelled_class_gives_no_negatives():
    gradient = _score_gradient(_target(labelled=(True, False)))
    assert (gradient[:, 0] > 0).all()
    assert (gradient[:, 1] == 0).all()


def test_unlabelled_class_still_learns_from_a_given_object():
    """A teacher's label of a class that the set does not mark."""
    gradient = _score_gradient(_target([BOX], [1], labelled=(True, False)), scores=-4.0)
    assert (gradient[:, 1] < 0).any()
    assert not (gradient[:, 1] > 0).any()


def test_a_group_of_which_one_class_is_unlabelled_gives_no_negatives():
    gradient = _score_gradient(_target(labelled=(True, True, False)), config=GROUPED)
    assert (gradient[:, 0] > 0).all()
    assert (gradient[:, 1] == 0).all()


def test_nothing_inside_an_ignore_region_counts():
    area = torch.tensor([0.0, 0.0, 64.0, 128.0])
    gradient = _score_gradient(_target(ignore=[area.tolist()]))
    inside = ((area[:2].tile(2) <= ANCHORS) & (area[2:].tile(2) >= ANCHORS)).all(dim=1)
    apart = (ANCHORS[:, 0] > 64) | (ANCHORS[:, 2] < 0)
    assert inside.any()
    assert apart.any()
    assert (gradient[inside] == 0).all()
    assert (gradient[apart] > 0).all()


def test_object_inside_an_ignore_region_still_counts():
    gradient = _score_gradient(_target([BOX], [0], ignore=[[0.0, 0.0, 64.0, 64.0]]), scores=-4.0)
    assert (gradient[:, 0] < 0).any()


def test_gradient_descent_finds_the_object_and_its_name():
    """Logits alone, without a network, learn one box to within half a pixel, its score and which class it is."""
    raw = _raw(names=2)
    optimizer = torch.optim.Adam([raw.groups, raw.names, raw.centred, raw.deltas], lr=0.2)
    target = _target([BOX], [2], labelled=(True, True, True))
    for _ in range(150):
        optimizer.zero_grad()
        detection_loss(raw, [[target]], GROUPED)["loss"].backward()
        optimizer.step()
    groups, names, centred, deltas = (x.detach()[0, 0] for x in (raw.groups, raw.names, raw.centred, raw.deltas))
    assert groups[:, 0].sigmoid().max() < 0.1
    best = int((groups[:, 1].sigmoid() * centred.sigmoid()).argmax())
    assert groups[best, 1].sigmoid() > 0.8
    assert names[best].softmax(0)[1] > 0.9
    assert decode_boxes(deltas[best], ANCHORS[best]).tolist() == pytest.approx(BOX, abs=0.5)
    near, far = ((CENTRES[rows] - 32).norm(dim=1).mean() for rows in (centred > 0.5, centred < -0.5))
    assert near < far  # what is trained in the middle of the object says so


def test_an_object_of_a_class_in_two_groups_trains_the_last():
    config = ModelConfig(
        name="x", classes=("car", "motorcycle"), groups={"a": ("car", "motorcycle"), "b": ("motorcycle",)}
    )
    gradient = _score_gradient(_target([BOX], [1]), scores=-4.0, config=config)
    assert not (gradient[:, 0] < 0).any()
    assert (gradient[:, 1] < 0).any()


def test_parts_sum_to_the_loss():
    losses = detection_loss(_raw(names=2), [[_target([BOX], [1], labelled=(True, True, True))]], GROUPED)
    total = losses.pop("loss")
    torch.testing.assert_close(total, torch.stack(list(losses.values())).sum())
    assert set(losses) == {"score", "box", "centred", "name"}
    assert all(float(value.detach()) > 0 for value in losses.values())
