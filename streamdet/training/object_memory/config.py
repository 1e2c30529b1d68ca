"""The recipe of an object memory."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from streamdet.training.config import SetConfig
from streamdet.yaml_file import Section


class FitConfig(Section):
    """How it is trained.

    Attributes:
        epochs: how often all tracks are seen.
        lanes: tracks that are seen side by side.
        steps: frames of one backpropagation.
        rate, decay: of AdamW; the rate rises and falls in one cycle.
        seed: of weights, order and what is hidden.
        forgetful: train without state: a control.
    """

    epochs: int = Field(default=4, ge=1, le=1000)
    lanes: int = Field(default=128, ge=1, le=4096)
    steps: int = Field(default=40, ge=2, le=1000)
    rate: float = Field(default=6e-4, gt=0, le=1)
    decay: float = Field(default=1e-3, ge=0, le=1)
    seed: int = Field(default=0, ge=0)
    forgetful: bool = False


class MemoryConfig(Section):
    """A recipe.

    Attributes:
        name: of the file that is written.
        detector: a name or a path; what it finds is what the memory learns to refine.
        data: the folder that the sets' paths are relative to.
        sets: labelled videos with track ids; stills teach it nothing.
        initialise: object_memory, the one of the package; a file; None: from nothing.
        strides: every N-th frame is taken as well, so that it knows lower frame rates.
        copies: how often each video is taken with scores, boxes and camera made worse.
        min_px: smaller objects are not learnt from, pixels.
        max_steps: most steps of tracks that are taken of a video, so that none outweighs the others.
        fit: how it is trained.
    """

    name: str = Field(default="object_memory", min_length=1)
    detector: str = Field(default="street", min_length=1)
    data: Annotated[Path, Field(strict=False)] = Path()
    sets: tuple[SetConfig, ...] = Field(min_length=1)
    initialise: str | None = "object_memory"
    strides: tuple[Annotated[int, Field(ge=1, le=100)], ...] = (1, 2, 5)
    copies: int = Field(default=1, ge=0, le=20)
    min_px: float = Field(default=8.0, ge=0)
    max_steps: int = Field(default=16_000, ge=100)
    fit: FitConfig = FitConfig()
