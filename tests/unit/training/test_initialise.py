import pytest
import torch

from streamdet.errors import CheckpointError
from streamdet.models.compress.pruning import prune
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import load_checkpoint, save_checkpoint
from streamdet.models.recurrent.config import ModelConfig
from streamdet.training.config import TrainingConfig
from streamdet.training.initialise import complete_recipe, open_model, open_teacher

OLD = ModelConfig(name="old", classes=("person", "car"), channels=16, recurrent_channels=8)
IMAGES = torch.randint(0, 256, (1, 3, 3, 64, 96), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A detector whose scores are not those of the start."""
    torch.manual_seed(5)
    detector = build_detector(OLD)
    for conv in detector.head.score_convs:
        conv.bias.data = torch.tensor([-1.0, -2.0])
    path = tmp_path_factory.mktemp("old") / "old.safetensors"
    save_checkpoint(path, detector, {})
    return path


def _with(**changes):
    return ModelConfig.model_validate(OLD.model_dump() | changes)


def _scores(detector):
    outputs, _ = detector.eval().step(IMAGES)
    return outputs.scores, outputs.boxes


def test_same_classes_give_the_same_detector(old):
    said = []
    detector = open_model(
        old.relative_to(old.parent), _with(name="new", image_size=96), data=old.parent, say=said.append
    )
    original = open_model(old, OLD)
    for mine, other in zip(_scores(detector), _scores(original), strict=True):
        assert torch.equal(mine, other)
    assert detector.name == "new"
    assert said == []


def test_classes_that_both_know_keep_their_scores_wherever_they_stand(old):
    said = []
    detector = open_model(old, _with(classes=("dog", "car")), say=said.append)
    scores, boxes = _scores(detector)
    original_scores, original_boxes = _scores(open_model(old, OLD))
    assert torch.equal(boxes, original_boxes)
    assert torch.equal(scores[..., 1], original_scores[..., 1])
    assert scores[..., 0].max() < 0.1  # as every class at its start
    assert said == [f"{old} knows car; new classes, trained from nothing: dog"]


def test_only_other_classes_are_said_to_be_new(old):
    said = []
    open_model(old, _with(classes=("dog", "cat")), say=said.append)
    assert "knows none of the classes" in said[0]


def test_new_weights_repeat_with_their_seed(old):
    one, again, other = (open_model(old, _with(classes=("dog",)), seed=seed).state_dict() for seed in (1, 1, 2))
    weight = "head.score_convs.0.weight"
    assert torch.equal(one[weight], again[weight])
    assert not torch.equal(one[weight], other[weight])


def _recipe(old, **model):
    phase = {"name": "only", "steps": 4, "frames": 1, "lanes": 2, "canvases": [[64, 96]], "learning_rate": 1e-3}
    return TrainingConfig.model_validate(
        {
            "model": {"name": "new", "classes": ["dog"]} | model,
            "initialise": old.name,
            "data": str(old.parent),
            "sets": [{"name": "clips", "path": "unused"}],
            "phases": [phase],
        }
    )


def test_recipe_need_not_say_how_the_model_is_built(old):
    model = complete_recipe(_recipe(old)).model
    assert model == _with(name="new", classes=("dog",))
    assert complete_recipe(_recipe(old, image_size=96)).model == _with(name="new", classes=("dog",), image_size=96)
    # What it does say stays, so that a mistake is found.
    assert complete_recipe(_recipe(old, recurrent_channels=4)).model.recurrent_channels == 4


@pytest.fixture(scope="module")
def lean(old):
    """The same, pruned."""
    path = old.with_name("lean.safetensors")
    save_checkpoint(path, prune(open_model(old, OLD), 0.4), {})
    return path


def test_recipe_need_not_say_that_the_model_is_pruned(lean):
    model = complete_recipe(_recipe(lean, channels=16)).model
    assert sum(model.inner_widths) < 0.65 * 2088
    detector = open_model(lean, model)
    assert detector.config == model
    weight = "backbone.stage4.1.branch2.5.weight"
    assert torch.equal(detector.state_dict()[weight], load_checkpoint(lean)[0].state_dict()[weight])


@pytest.mark.parametrize("widths", [None, [16] * 16])
def test_recipe_with_other_widths_fails(lean, widths):
    model = complete_recipe(_recipe(lean, inner_widths=widths)).model
    with pytest.raises(CheckpointError, match=r"lean\.safetensors has inner_widths .*, the recipe's model "):
        open_model(lean, model)


def test_teacher_and_who_learns_need_not_both_be_pruned(old, lean):
    pruned = complete_recipe(_recipe(lean)).model
    assert open_teacher(old, pruned).config.inner_widths is None
    assert open_teacher(lean, OLD).config.inner_widths == pruned.inner_widths


def test_nanodet_is_not_pruned(lean):
    with pytest.raises(CheckpointError, match="NanoDet-m is not pruned, the recipe's model has inner_widths; leave"):
        open_model(lean.with_name("nanodet.ckpt"), complete_recipe(_recipe(lean, classes=["car"])).model)


def test_recipe_that_starts_from_nothing_or_nanodet_is_complete(old):
    for start in (None, "nanodet.ckpt"):
        recipe = TrainingConfig.model_validate(_recipe(old).model_dump(mode="json") | {"initialise": start})
        assert complete_recipe(recipe) is recipe


def test_another_architecture_fails(old):
    with pytest.raises(CheckpointError, match="recurrent_channels 8, the recipe's model 4"):
        open_model(old, _with(recurrent_channels=4))


def test_missing_file_fails(tmp_path):
    with pytest.raises(CheckpointError, match="not found"):
        open_model(tmp_path / "none.safetensors", OLD)


def test_nanodet_has_no_weights_for_other_classes_than_cocos(tmp_path):
    with pytest.raises(CheckpointError, match="no weights for dragon; start from street instead"):
        open_model(tmp_path / "nanodet.ckpt", _with(classes=("person", "dragon")))
