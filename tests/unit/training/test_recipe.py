"""What `streamdet train` is given."""

from pathlib import Path

import pytest
import yaml

from streamdet.errors import ConfigError
from streamdet.training.config import TrainingConfig
from streamdet.training.recipe import FINETUNE, read_recipe
from streamdet.yaml_file import load_yaml

CONFIGS = Path(__file__).parents[3] / "configs"
DATA = "path: .\ntrain: images/train\nval: images/val\nnames: {0: person, 1: forklift, 2: ignore}\nnc: 3\n"


@pytest.fixture
def data(tmp_path):
    (tmp_path / "yard").mkdir()
    (tmp_path / "yard/data.yaml").write_text(DATA)
    return tmp_path / "yard/data.yaml"


def test_a_recipe_is_read_as_it_stands():
    path = CONFIGS / "finetune.yaml"
    assert read_recipe(path) == load_yaml(path, TrainingConfig)


def test_a_name_is_a_recipe_in_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_recipe(Path("finetune")) == load_yaml(CONFIGS / "finetune.yaml", TrainingConfig)
    with pytest.raises(ConfigError, match=r"finetun: .*one of classify, finetune, object_memory, street"):
        read_recipe(Path("finetun"))


def test_a_data_set_gets_the_recipe_of_finetune(data):
    recipe = read_recipe(data)
    assert (recipe.model.name, recipe.model.classes) == ("yard", ("person", "forklift"))
    assert [(part.name, part.split, part.role) for part in recipe.sets] == [
        ("train", "train", "train"),
        ("val", "val", "validate"),
    ]
    assert all(recipe.data / part.path == data for part in recipe.sets)
    assert recipe.initialise == Path("street")


def test_finetune_is_one_recipe_in_two_places():
    (phase,) = yaml.safe_load((CONFIGS / "finetune.yaml").read_text())["phases"]
    phase["learning_rate"] = float(phase["learning_rate"])
    assert phase == FINETUNE


@pytest.mark.parametrize("name", ["finetune.yaml", None])
def test_steps_are_set_in_a_word(data, name):
    path = CONFIGS / name if name else data
    assert read_recipe(path, ["seed=7", "steps=50"]).phases[0].steps == 50
    assert read_recipe(path, ["phases.0.steps=60"]).phases[0].steps == 60
    assert read_recipe(path).phases[0].steps == 250


def test_steps_of_several_phases_are_named(tmp_path):
    path = CONFIGS / "street.yaml"
    with pytest.raises(ConfigError, match=r"--set steps=50: the recipe has \d phases; expected phases\.0\.steps=N \("):
        read_recipe(path, ["steps=50"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.json", "{}", r"labels\.json: expected a recipe such as .*, or a YOLO data\.yaml"),
        ("data.yaml", "names: [person]\nval: images", "is a data set without `train`"),
        ("recipe.yaml", "model: {}\nsteps: 3\n", "model.name: missing"),
    ],
)
def test_what_is_neither_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_recipe(tmp_path / name)
