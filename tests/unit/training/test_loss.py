import pytest
import torch

from streamdet.models.recurrent.boxes import cell_centres
from streamdet.models.recurrent.detector import RawOutputs
from streamdet.training.loss import Targets, detection_loss

CENTRES, STRIDES = cell_centres([(8, 8), (4, 4), (2, 2)], [8, 16, 32])
BOX = [16.0, 16.0, 48.0, 48.0]


def _raw(scores=-4.0):
    return RawOutputs(
        torch.full((1, 1, len(CENTRES), 2), scores).requires_grad_(),
        torch.zeros(1, 1, len(CENTRES), 4, 8).requires_grad_(),
        CENTRES,
        STRIDES,
    )


def _target(boxes=(), classes=(), ignore=(), labelled=(True, True)):
    return Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes, dtype=torch.long),
        torch.tensor(ignore, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labelled),
    )


def _score_gradient(target, scores=0.0):
    raw = _raw(scores)
    detection_loss(raw, [[target]])["loss"].backward()
    return raw.score_logits.grad[0, 0]


def test_everything_unlabelled_gives_no_loss():
    raw = _raw(3.0)
    losses = detection_loss(raw, [[_target(labelled=(False, False))]])
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


def test_nothing_inside_an_ignore_region_counts():
    gradient = _score_gradient(_target(ignore=[[0.0, 0.0, 33.0, 65.0]]))
    left = CENTRES[:, 0] < 33
    assert (gradient[left] == 0).all()
    assert (gradient[~left] > 0).all()


def test_object_inside_an_ignore_region_still_counts():
    gradient = _score_gradient(_target([BOX], [0], ignore=[[0.0, 0.0, 64.0, 64.0]]), scores=-4.0)
    assert (gradient[:, 0] < 0).any()
    assert (gradient[:, 1] == 0).all()


def test_gradient_descent_finds_the_object():
    """Logits alone, without a network, learn one box to within half a pixel and its score."""
    raw = _raw()
    optimizer = torch.optim.Adam([raw.score_logits, raw.distance_logits], lr=0.2)
    target = _target([BOX], [1])
    for _ in range(150):
        optimizer.zero_grad()
        losses = detection_loss(raw, [[target]])
        losses["loss"].backward()
        optimizer.step()
    scores = raw.score_logits.detach().sigmoid()[0, 0]
    assert scores[:, 0].max() < 0.1
    best = int(scores[:, 1].argmax())
    assert scores[best, 1] > 0.8
    distances = (raw.distance_logits.detach()[0, 0, best].softmax(-1) * torch.arange(8)).sum(-1) * STRIDES[best]
    box = torch.cat([CENTRES[best] - distances[:2], CENTRES[best] + distances[2:]])
    assert box.tolist() == pytest.approx(BOX, abs=0.5)


def test_parts_sum_to_the_loss():
    losses = detection_loss(_raw(), [[_target([BOX], [0])]])
    total = losses["score"] + losses["box"] + losses["distance"]
    torch.testing.assert_close(losses["loss"], total)
    assert all(float(value.detach()) > 0 for value in losses.values())
