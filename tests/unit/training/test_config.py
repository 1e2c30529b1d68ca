from pathlib import Path

import pytest

from streamdet.errors import ConfigError
from streamdet.training.classify.config import ClassifyConfig
from streamdet.training.config import TrainingConfig
from streamdet.training.object_memory.config import MemoryConfig
from streamdet.yaml_file import load_yaml

CONFIGS = Path(__file__).parents[3] / "configs"

DETECTOR_RECIPES = sorted(set(CONFIGS.glob("*.yaml")) - {CONFIGS / "object_memory.yaml", CONFIGS / "classify.yaml"})


@pytest.mark.parametrize("path", DETECTOR_RECIPES, ids=lambda path: path.name)
def test_shipped_recipe_is_valid(path):
    config = load_yaml(path, TrainingConfig)
    assert any(part.hold_out or part.role == "validate" for part in config.sets)


def test_shipped_recipe_of_the_object_memory_is_valid():
    config = load_yaml(CONFIGS / "object_memory.yaml", MemoryConfig)
    assert any(part.hold_out for part in config.sets)


def test_shipped_recipe_of_clips_is_valid():
    config = load_yaml(CONFIGS / "classify.yaml", ClassifyConfig)
    assert (config.backbone, config.forgetful) == ("mobilenet_v3_small", False)


def test_fine_tuning_starts_from_the_embedded_model_as_it_is_built():
    config = load_yaml(CONFIGS / "finetune.yaml", TrainingConfig)
    assert str(config.initialise) == "street"
    assert config.model.model_fields_set == {"name", "classes", "image_size"}
    assert config.phases[0].alpha == (1.0, 1.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("validate_every=70", "validate_every.*multiple of 50"),
        ("phases=[]", "phases"),
        ("sets=[]", "sets"),
        ("precision=fp8", "precision"),
        ("gradient_clip=0", "gradient_clip"),
    ],
)
def test_mistake_is_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_yaml(CONFIGS / "finetune.yaml", TrainingConfig, [setting])


def _phase(**changes):
    return {
        "name": "only", "steps": 4, "frames": 1, "lanes": 2, "canvases": [[64, 96]], "learning_rate": 1e-3
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([_phase(), _phase()], "a phase is named twice"),
        ([_phase(streaming_lanes=3)], "streaming_lanes 3 is more than lanes 2"),
        ([_phase(weights={"other": 1})], "phase only weighs other; there is clips"),
    ],
)
def test_phases_that_do_not_fit_fail(phases, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig.model_validate(
            {
                "model": {"name": "m", "classes": ["dog"]},
                "sets": [{"name": "clips", "path": "unused"}],
                "phases": phases,
            }
        )
