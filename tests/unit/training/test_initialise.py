import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from streamdet.errors import CheckpointError
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import save_checkpoint
from streamdet.models.recurrent.config import ModelConfig
from streamdet.training.config import TrainingConfig
from streamdet.training.initialise import complete_recipe, open_model, open_teacher
from streamdet.training.intel import GROUPS, name_there

OLD = ModelConfig(name="old", classes=("person", "car"), channels=16, recurrent_channels=8)
IMAGES = torch.randint(0, 256, (1, 3, 3, 64, 96), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A detector whose scores are not those of the start."""
    torch.manual_seed(5)
    detector = build_detector(OLD)
    detector.head.groups.bias.data = torch.tensor([-1.0, -2.0] * 3)
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
    weight = "head.groups.weight"
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


STREET = ModelConfig(
    name="grouped",
    classes=("person", "bicycle", "car", "motorcycle", "bus"),
    groups={"vehicle": ("car", "bus", "motorcycle"), "person": ("person",), "cycle": ("bicycle", "motorcycle")},
    channels=16,
)


@pytest.fixture(scope="module")
def grouped(old):
    torch.manual_seed(6)
    detector = build_detector(STREET)
    for part in (detector.head.groups, detector.head.names.out):
        part.bias.data.uniform_(-2, 2)
    path = old.with_name("grouped.safetensors")
    save_checkpoint(path, detector, {})
    return path


def test_recipe_takes_the_groups_of_its_classes(grouped):
    def groups(*classes):
        return complete_recipe(_recipe(grouped, classes=classes)).model.groups

    assert groups(*STREET.classes) == STREET.groups
    assert groups("bus", "car", "dog") == {"vehicle": ("car", "bus"), "dog": ("dog",)}
    assert groups("person", "vehicle") is None  # each by itself


def test_a_class_with_the_name_of_a_group_starts_as_the_group(grouped):
    said = []
    recipe = complete_recipe(_recipe(grouped, classes=("vehicle", "dog", "person"))).model
    scores, _ = _scores(open_model(grouped, recipe, say=said.append))
    raw = open_model(grouped, STREET).eval()
    whole = raw.read(raw.features(IMAGES))
    expected = whole.groups.sigmoid() * whole.centred.sigmoid()[..., None]
    torch.testing.assert_close(scores[..., [0, 2]], expected[..., [0, 1]])
    assert said == [f"{grouped} knows vehicle, person; new classes, trained from nothing: dog"]


def test_names_keep_their_weights_in_a_smaller_group(grouped):
    recipe = complete_recipe(_recipe(grouped, classes=("motorcycle", "bus", "bicycle"))).model
    mine, theirs = open_model(grouped, recipe), open_model(grouped, STREET)
    rows = (
        mine.head.names.out.bias.detach().unflatten(0, (3, -1)),
        theirs.head.names.out.bias.detach().unflatten(0, (3, -1)),
    )
    assert torch.equal(rows[0], rows[1][:, [1, 2, 3, 4]])


def test_a_per_frame_model_may_get_a_memory(grouped):
    model = STREET.model_copy(update={"recurrent_channels": 8})
    detector = open_model(grouped, model)
    assert detector.config.recurrent_channels == 8
    for got, expected in zip(_scores(detector), _scores(open_model(grouped, STREET)), strict=True):
        torch.testing.assert_close(got, expected)


def test_teacher_is_built_as_it_is_itself(old, grouped):
    assert open_teacher(old, STREET).config.recurrent_channels == 8
    assert open_teacher(grouped, OLD).config.groups == {"vehicle": ("car",), "person": ("person",)}


def test_recipe_that_starts_from_nothing_or_onnx_is_complete(old):
    for start in (None, "other.onnx"):
        recipe = TrainingConfig.model_validate(_recipe(old).model_dump(mode="json") | {"initialise": start})
        assert complete_recipe(recipe) is recipe


def test_another_architecture_fails(old):
    with pytest.raises(CheckpointError, match="recurrent_channels 8, the recipe's model 4"):
        open_model(old, _with(recurrent_channels=4))


def test_missing_file_fails(tmp_path):
    with pytest.raises(CheckpointError, match="not found"):
        open_model(tmp_path / "none.safetensors", OLD)


def _intel_file(path, drop=""):
    """An ONNX file with the names and shapes of person-vehicle-bike-detection's, and weights of our own."""
    torch.manual_seed(8)
    detector = build_detector(ModelConfig(name="intel", classes=GROUPS)).eval()
    detector.head.delta_scales.data = torch.tensor([1.0, 0.9, 0.8, 0.7, 0.1])
    tensors = {f"m.{name_there(name)}": value.numpy() for name, value in detector.state_dict().items()}
    tensors["m.features.0.0.weight"] = tensors["m.features.0.0.weight"][:, ::-1]
    del tensors["m."]
    tensors |= {f"scale.{level}": scale for level, scale in enumerate(detector.head.delta_scales.detach().numpy())}
    values = [numpy_helper.from_array(np.array(x), name) for name, x in tensors.items() if name != drop]
    image = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])]
    graph = helper.make_graph([], "other", image, image, values)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return detector


def test_intels_network_is_ours(tmp_path):
    theirs = _intel_file(tmp_path / "pvb.onnx")
    ours = open_model(tmp_path / "pvb.onnx", ModelConfig(name="new", classes=("person", "vehicle")))
    scores, boxes = _scores(ours)
    expected_scores, expected_boxes = _scores(theirs)
    assert torch.equal(boxes, expected_boxes)
    assert torch.equal(scores, expected_scores[..., [1, 0]])


def test_another_onnx_file_fails(tmp_path):
    _intel_file(tmp_path / "pvb.onnx", drop="m.head.ctr.bias")
    with pytest.raises(CheckpointError, match=r"is not person-vehicle-bike-detection-2003 or -2004: head\.centred"):
        open_model(tmp_path / "pvb.onnx", OLD)
