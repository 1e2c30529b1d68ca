"""The recipe of a classifier of clips."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from streamdet.models.classify.spec import ClassifierSpec
from streamdet.yaml_file import Section

Share = Annotated[float, Field(ge=0, le=1)]


class AugmentConfig(Section):
    """How a clip is changed, all its frames alike.

    Attributes:
        rotation_deg: largest turn, degrees.
        shift: largest shift, as a fraction of the picture's width and height.
        flip: how often it is mirrored; 0 where left and right mean something.
    """

    rotation_deg: float = Field(default=20.0, ge=0, le=180)
    shift: Share = 0.2
    flip: Share = 0.5


class ClassifyConfig(Section):
    """A recipe.

    Attributes:
        name: of the model.
        data: a folder with train/CLASS/... and val/CLASS/..., or CLASS/... alone. In the folder of a class, each video,
            each folder of pictures and each picture is a clip.
        hold_out: fraction of each class's clips that is kept for validation where there is no val.
        backbone, size, fps, frames, hidden, dense, dropout, forgetful: see `ClassifierSpec`.
        weights: of the backbone, see `Backbone`; a file is relative to data.
        freeze: leave the backbone as it is.
        copies: of a frozen backbone: how many changed versions of each clip have their features computed, once; 0: new
            ones every epoch.
        epochs: how often all clips are seen.
        batch: clips a step.
        rate, decay: of AdamW; the rate rises and falls in one cycle.
        backbone_rate: of a backbone that is not frozen, times rate.
        carry: how often a batch starts with the state that another one left, as events of a stream follow each other.
        augment: how clips are changed.
        seed: of everything that is drawn.
    """

    name: str = Field(default="clips", pattern=r"^[\w.-]+$")
    data: Annotated[Path, Field(strict=False)] = Path()
    hold_out: float = Field(default=0.2, ge=0, lt=1)
    backbone: str = Field(default="mobilenet_v3_small", min_length=1)
    weights: str | None = Field(default="DEFAULT", min_length=1)
    freeze: bool = False
    copies: int = Field(default=0, ge=0, le=100)
    size: tuple[int, int] = (224, 224)
    fps: float = 8.0
    frames: int = 16
    hidden: int = 256
    dense: tuple[int, ...] = (1024, 512)
    dropout: float = 0.5
    forgetful: bool = False
    epochs: int = Field(default=30, ge=1, le=10_000)
    batch: int = Field(default=8, ge=1, le=1024)
    rate: float = Field(default=1e-3, gt=0, le=1)
    decay: float = Field(default=1e-2, ge=0, le=1)
    backbone_rate: float = Field(default=0.3, gt=0, le=10)
    carry: Share = 0.25
    augment: AugmentConfig = AugmentConfig()
    seed: int = Field(default=0, ge=0)

    @field_validator("copies")
    @classmethod
    def _of_frozen(cls, copies: int, info: object) -> int:
        if copies and not getattr(info, "data", {}).get("freeze"):
            raise ValueError("copies are of the features of a frozen backbone: expected freeze: true, or copies: 0")
        return copies

    def spec(self, classes: tuple[str, ...]) -> ClassifierSpec:
        """What is trained; raises pydantic's ValidationError, a ValueError, where a value is out of its range."""
        shared = {name: getattr(self, name) for name in ClassifierSpec.model_fields if name != "classes"}
        return ClassifierSpec(classes=classes, **shared)
