"""What a score is asked to say."""

import pytest
import torch

from streamdet.training.object_memory.losses import losses_of
from streamdet.training.object_memory.network import Refined
from streamdet.training.object_memory.sequences import RIGHT


def best_score(shift_px: float) -> float:
    """The score at which the loss of an object of 100 pixels, found that much to the right, is least."""
    truth = torch.tensor([[[0.0, 0.0, 100.0, 100.0]]])
    boxes = truth + torch.tensor([shift_px, 0.0, shift_px, 0.0])
    step = {
        "state": torch.full((1, 1), RIGHT),
        "truth": truth,
        "truth_class": torch.zeros(1, 1, dtype=torch.int64),
        "matched": torch.ones(1, 1, dtype=torch.bool),
        "starts": torch.ones(1, 1, dtype=torch.bool),
    }
    none = torch.zeros(1, 0)
    scores = torch.linspace(0.01, 0.99, 99)
    losses = [
        losses_of(Refined(torch.logit(score).view(1, 1), boxes, torch.ones(1, 1, 1), (none, none, none)), step)["score"]
        for score in scores
    ]
    return float(scores[torch.stack(losses).argmin()])


def test_an_exact_box_is_to_have_a_higher_score_than_a_poor_one_and_a_miss_the_lowest():
    assert best_score(0) == pytest.approx(0.99)
    # IoU 0.6: a hit, worth a half and a fifth of the other half.
    assert best_score(25) == pytest.approx(0.6, abs=0.011)
    assert best_score(50) == pytest.approx(0.01)
