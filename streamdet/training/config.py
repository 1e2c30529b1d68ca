"""A training recipe: which footage, which model, which phases."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.recurrent.config import ModelConfig

BLOCK_STEPS = 50
"""A run is saved, and may be evaluated, after this number of steps."""
Share = Annotated[float, Field(ge=0, le=1)]
Area = Annotated[tuple[Share, Share, Share, Share], Field(strict=False)]
Canvas = Annotated[
    tuple[Annotated[int, Field(ge=64, multiple_of=32)], Annotated[int, Field(ge=64, multiple_of=32)]],
    Field(strict=False),
]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SetConfig(_Strict):
    """One labelled set."""

    name: Annotated[str, Field(min_length=1)]
    path: Annotated[Path, Field(strict=False)]
    """A file or folder that streamdet can read as labelled footage; relative to the recipe's data folder."""
    split: str | None = None
    stills: bool | None = None
    """Pictures are stills, or (false) numbered ones are frames of a video; null: their names tell."""
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Numbers a second of pictures that are frames of a video; null: 25."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """How often its clips are drawn, relative to the other sets."""
    hold_out: dict[str, Annotated[tuple[int, int], Field(strict=False)]] = {}
    """Frames (start, stop) of a video that are kept for validation and never trained on."""
    role: Literal["train", "validate"] = "train"
    class_names: dict[str, str] | None = None
    """The set's name of a class: the detector's, or `ignore`; null: the usual names, such as van for car."""
    ignore_below_px: Annotated[float, Field(ge=0)] = 0.0
    ignore_areas: Annotated[tuple[Area, ...], Field(strict=False)] = ()
    """(x1, y1, x2, y2) fractions of the picture where objects are often unmarked."""


class AugmentConfig(_Strict):
    """See streamdet.training.augment.Strength."""

    zoom: Annotated[float, Field(ge=0, le=2)] = 0.35
    drift: Annotated[float, Field(ge=0, le=2)] = 0.1
    colour: Annotated[float, Field(ge=0, le=0.9)] = 0.3
    occluders: Share = 0.4
    spells: Share = 0.5


class SceneConfig(_Strict):
    """Clips of the synthetic street, rendered once into the cache."""

    clips: Annotated[int, Field(ge=1, le=10_000)]
    frames: Annotated[int, Field(ge=2, le=10_000)]
    width: Annotated[int, Field(ge=64, le=4096)] = 384
    height: Annotated[int, Field(ge=64, le=4096)] = 224
    seed: int = 100
    weight: Annotated[float, Field(ge=0)] = 1.0


class PhaseConfig(_Strict):
    """One stretch of training."""

    name: Annotated[str, Field(min_length=1)]
    steps: Annotated[int, Field(ge=1)]
    frames: Annotated[int, Field(ge=1, le=128)]
    """T, frames of a clip; gradients reach this far back."""
    lanes: Annotated[int, Field(ge=1, le=1024)]
    """B, clips a step."""
    streaming_lanes: Annotated[int, Field(ge=0)] = 0
    """Lanes that carry their memory from step to step."""
    canvases: Annotated[tuple[Canvas, ...], Field(strict=False, min_length=1)]
    """(height, width) in pixels; one is drawn every 50 steps."""
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    """After the warm-up; it falls along a cosine to 3 % of this at the phase's end."""
    warm_up_steps: Annotated[int, Field(ge=1)] = 200
    """Steps over which the learning rate rises from 0, at most the phase's."""
    memory_rate: Annotated[float, Field(gt=0)] = 4.0
    """Learning rate of the memory, times learning_rate."""
    backbone_rate: Annotated[float, Field(ge=0)] = 1.0
    """Learning rate of backbone and neck, times learning_rate; 0 freezes them."""
    head_rate: Annotated[float, Field(ge=0)] = 1.0
    """Learning rate of the head, times learning_rate; 0 freezes it: the recurrent cell learns to suit the head."""
    alpha: Annotated[tuple[Share, Share], Field(strict=False)] = (0.0, 0.0)
    """Blend of the memory at the start and from the first third of the phase on."""
    recall: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the loss between recurrent features of a disturbed frame and features of the undisturbed one."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Other weights of sets (`scenes` for the synthetic street) in this phase; 0 leaves a set out."""
    keep_initial: Share = 0.0
    """Fraction of the phase's initial weights in its final ones: brings back what fine-tuning forgets.
    Source: Wortsman et al. 2022 (robust fine-tuning)."""
    augment: AugmentConfig = AugmentConfig()

    @model_validator(mode="after")
    def _lanes_fit(self) -> "PhaseConfig":
        if self.streaming_lanes > self.lanes:
            raise ValueError(f"streaming_lanes {self.streaming_lanes} is more than lanes {self.lanes}")
        return self


class Recipe(_Strict):
    """What recipes for detectors of all kinds hold."""

    data: Annotated[Path, Field(strict=False)] = Path()
    """Folder that the sets' paths are relative to."""
    seed: int = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    gradient_clip: Annotated[float, Field(gt=0)] = 10.0
    validate_every: Annotated[int, Field(ge=0, multiple_of=BLOCK_STEPS)] = 0
    """Evaluate on the held-out frames after this number of steps, and at the end of each phase; 0: only at the end."""
    sets: Annotated[tuple[SetConfig, ...], Field(strict=False, min_length=1)]
    scenes: SceneConfig | None = None
    phases: Annotated[tuple[PhaseConfig, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _names_fit(self) -> "Recipe":
        names = [s.name for s in self.sets] + (["scenes"] if self.scenes else [])
        if len(set(names)) != len(names):
            raise ValueError("a set is named twice")
        if len({phase.name for phase in self.phases}) != len(self.phases):
            raise ValueError("a phase is named twice")
        for phase in self.phases:
            unknown = sorted(set(phase.weights) - set(names))
            if unknown:
                raise ValueError(f"phase {phase.name} weighs {', '.join(unknown)}; there is {', '.join(names)}")
        return self


class TrainingConfig(Recipe):
    """One complete recipe for a detector of streamdet's own."""

    model: ModelConfig
    """What it leaves out is as in the streamdet model of `initialise`, if it starts from one."""
    initialise: Annotated[Path, Field(strict=False)] | None = Path("street")
    """What to start from: `street`, the model in the package, or a file relative to data: a streamdet checkpoint of
    the same architecture, whose classes may be others, or the .onnx of person-vehicle-bike-detection-2003 or -2004.
    null: random weights, which take very much footage."""
    teacher: Annotated[Path, Field(strict=False)] | None = None
    """A detector that says where labels may be incomplete: see streamdet.training.teacher; named as initialise."""


class ForeignRecipe(Recipe):
    """One complete recipe for a detector of another library, with a memory and the library's own losses."""

    model: ForeignConfig
    initialise: str | None = "DEFAULT"
    """Weights to start from: torchvision's by their name, such as DEFAULT, which are downloaded once, or a .pth file
    with a state dict, relative to data; classes that they do not know start from nothing. null: random weights, which
    take very much footage."""

    @model_validator(mode="after")
    def _can_be_trained(self) -> "ForeignRecipe":
        if self.precision != "fp32":
            raise ValueError("precision: detectors of other libraries are trained in fp32")
        for phase in self.phases:
            if phase.recall > 0:
                raise ValueError(f"phase {phase.name}: recall is of streamdet's own detectors, expected 0")
        return self


AnyRecipe = TrainingConfig | ForeignRecipe
