"""What is known of a classifier of clips without its weights, and what every one of them offers, whatever runs it."""

from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from streamdet.errors import CheckpointError
from streamdet.models.safetensors_file import FORMAT, read_header
from streamdet.yaml_file import Section

CLIPS = "streamdet clip classifier 1"
"""The format of its files."""
Side = Annotated[int, Field(ge=32, le=1024)]
Name = Annotated[str, Field(min_length=1)]


class ClassifierSpec(Section):
    """A classifier of clips: frames, a backbone, an LSTM, dense layers, classes.

    Attributes:
        name: of the model.
        classes: their names.
        backbone: street, or the name of a torchvision classification model, whose last layer is left out.
        size: (height, width) in pixels that pictures are scaled to, their proportions lost.
        fps: frames a second that it looks at.
        frames: of a clip in training.
        hidden: size of the LSTM.
        dense: sizes of the layers between the LSTM and the classes.
        dropout: before each of these, in training.
        forgetful: the state is emptied before every frame: a control.
    """

    name: Name = "clips"
    classes: tuple[Name, ...] = Field(min_length=2)
    backbone: Name = "mobilenet_v3_small"
    size: tuple[Side, Side] = (224, 224)
    fps: float = Field(default=8.0, gt=0, le=240)
    frames: int = Field(default=16, ge=1, le=1000)
    hidden: int = Field(default=256, ge=1, le=4096)
    dense: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = (1024, 512)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    forgetful: bool = False


class Classifier(Protocol):
    """A classifier that is ready to run.

    Attributes:
        spec: what it is.
        sha256: hash of its file.
        runtime: what runs it, such as "torch cpu fp32".
    """

    spec: ClassifierSpec
    sha256: str
    runtime: str

    def step(
        self, image: NDArray[np.uint8], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Look at the next frame of a stream.

        Args:
            image: (H, W, 3) uint8 RGB, of `spec.size`.
            state: (2, hidden) float32, what the step before returned; zeros at the stream's start.

        Returns:
            (K,) float32 probabilities of the classes, of sum 1, and the next state.
        """
        ...


def read_spec(path: Path) -> ClassifierSpec | None:
    """What a .safetensors file is, without its tensors; None where it is no classifier.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    header = read_header(path)
    return spec_of(header, path) if header.get(FORMAT) == CLIPS else None


def spec_of(header: dict[str, str], path: Path) -> ClassifierSpec:
    """The description in the header of a file.

    Raises:
        CheckpointError: it is none.
    """
    try:
        return ClassifierSpec.model_validate_json(header.get("model", ""))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path} has a wrong description of its model: {where}: {first['msg']}") from error
