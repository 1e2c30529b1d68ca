"""What a detector of another library with a memory is made of: the part of a checkpoint or recipe it is built from."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from streamdet.models.recurrent.config import Name


class ForeignConfig(BaseModel):
    """A detector of another library, its classes and its memory."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Name
    detector: Name
    """As in --model, such as torchvision/fcos_resnet50_fpn, without weights."""
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000, strict=False)]
    recurrent_channels: Annotated[int, Field(ge=1, le=1024)] = 64
    """Channels of every level that pass through memory, at most as many as there are."""
    levels: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)] | None = None
    """Names of the feature maps that get a memory; null: all that the detector's heads read."""
    image_size: Annotated[int, Field(ge=64, le=4096)] | None = None
    """Longer side of the model image in pixels, unless a run asks for another; null: the detector's own."""
    training_dt_s: Annotated[float, Field(gt=0)] = 0.1
    """Time between frames at which the memory's decay is exactly the trained one."""

    @field_validator("classes", "levels")
    @classmethod
    def _unique(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) != len(names):
            raise ValueError("a name stands twice")
        return names
