"""What a detector is made of: the part of a checkpoint or a configs/*.yaml that its architecture is built from."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.embedding import BANDS

PADDING_GREY = 114
"""Value of pixels that only fill up the image."""
CELL_PX = 32
"""Model images are multiples of the coarsest stride of the backbone."""
Stride = Literal[8, 16, 32]
Name = Annotated[str, Field(min_length=1)]


class ModelConfig(BaseModel):
    """Architecture of one detector."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Name
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000, strict=False)]
    groups: dict[Name, Annotated[tuple[Name, ...], Field(min_length=1, strict=False)]] | None = None
    """Classes that the head finds together, and then tells apart; null: each class by itself. A class may be in several
    groups, as motorcycles look like cars to some and like bicycles to others; objects of it train the last of them."""
    backbone: Literal["mobilenet_v2"] = "mobilenet_v2"
    channels: Annotated[int, Field(ge=8, le=1024)] = 32
    recurrent_channels: Annotated[int, Field(ge=0, le=1024)] = 0
    """Channels of every level that pass through memory; 0 makes a per-frame detector."""
    recurrent_strides: Annotated[tuple[Stride, ...], Field(strict=False)] = (8, 16, 32)
    image_size: Annotated[int, Field(ge=64, le=4096)] = 320
    """Longer side of the letterboxed image in pixels, unless a run asks for another."""
    training_dt_s: Annotated[float, Field(gt=0)] = 0.1
    """Time between frames at which the memory's decay is exactly the trained one."""

    @field_validator("classes")
    @classmethod
    def _unique(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("a class is named twice")
        return classes

    @model_validator(mode="after")
    def _grouped(self) -> "ModelConfig":
        wrong = set(self.classes) ^ {name for members in self.members.values() for name in members}
        if wrong:
            raise ValueError(f"{min(wrong)} is not both a class and in a group")
        return self

    def spec(self, sha256: str) -> DetectorSpec:
        """What a detector with this architecture is; sha256: of its file."""
        image = InputSpec(self.image_size, multiple=CELL_PX, padding=PADDING_GREY)
        embedding_size = BANDS * self.channels
        return DetectorSpec(self.name, self.classes, sha256, image, self.training_dt_s, embedding_size)

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """The groups, of one class each where none are given."""
        return self.groups if self.groups is not None else {name: (name,) for name in self.classes}

    @property
    def names(self) -> tuple[tuple[int, str], ...]:
        """What the head tells apart: number of the group, and the class; for each group of several classes."""
        groups = enumerate(self.members.values())
        return tuple((number, name) for number, group in groups if len(group) > 1 for name in group)

    @property
    def group_of_class(self) -> NDArray[np.int64]:
        """(K,) number of the group that objects of each class train, and that their scores belong to."""
        groups = list(self.members.values())
        return np.array([max(g for g, group in enumerate(groups) if name in group) for name in self.classes], np.int64)

    @property
    def memory_strides(self) -> tuple[Stride, ...]:
        """Strides of the levels with memory."""
        return self.recurrent_strides if self.recurrent_channels else ()

    def state_layout(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """(D, H_l, W_l) of every level with memory, for images of this size in pixels, filled up to CELL_PX."""
        height, width = (side + -side % CELL_PX for side in (height, width))
        return tuple((self.recurrent_channels, height // stride, width // stride) for stride in self.memory_strides)
