"""What a detector is made of: the part of a checkpoint or a configs/*.yaml that its architecture is built from."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from streamdet.models.contract import DetectorSpec, InputSpec

PADDING_GREY = 114
"""Value of pixels that only fill up the image."""
CELL_PX = 32
"""Model images are multiples of the coarsest stride."""
Stride = Literal[8, 16, 32]


class ModelConfig(BaseModel):
    """Architecture of one detector."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    classes: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000, strict=False)]
    backbone: Literal["shufflenet_v2_x1_0"] = "shufflenet_v2_x1_0"
    inner_widths: Annotated[
        tuple[Annotated[int, Field(ge=1, le=232)], ...] | None, Field(min_length=16, max_length=16, strict=False)
    ] = None
    """Channels inside each of the backbone's 16 units, first to last; None: not pruned. See models.pruning."""
    channels: Annotated[int, Field(ge=8, le=1024)] = 96
    recurrent_channels: Annotated[int, Field(ge=0, le=1024)] = 48
    """Channels of every level that pass through memory; 0 makes a per-frame detector."""
    recurrent_strides: Annotated[tuple[Stride, ...], Field(strict=False)] = (8, 16, 32)
    distance_bins: Annotated[int, Field(ge=2, le=64)] = 8
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

    def spec(self, sha256: str) -> DetectorSpec:
        """What a detector with this architecture is; sha256: of its file."""
        image = InputSpec(self.image_size, multiple=CELL_PX, padding=PADDING_GREY)
        return DetectorSpec(self.name, self.classes, sha256, image, self.training_dt_s)

    @property
    def memory_strides(self) -> tuple[Stride, ...]:
        """Strides of the levels with memory."""
        return self.recurrent_strides if self.recurrent_channels else ()

    def state_layout(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """(D, H_l, W_l) of every level with memory, for images of this size in pixels, filled up to CELL_PX."""
        height, width = (side + -side % CELL_PX for side in (height, width))
        return tuple((self.recurrent_channels, height // stride, width // stride) for stride in self.memory_strides)
