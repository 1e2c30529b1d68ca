"""What a network shows of itself when it runs on one grey image: the ground on which its layout is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.models.onnx.names import COCO_80, COCO_91

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Outputs for one grey image.

    Attributes:
        arrays: by name, in the file's order.
        height, width: of the image, pixels.
        inputs: names of the inputs besides the image.
        metadata: what the file says of itself.
        names: of the columns of scores, where the file or the user tells.
        said: the layout is known from elsewhere, so that values need not tell it.
    """

    arrays: Mapping[str, Array]
    height: int
    width: int
    inputs: Sequence[str]
    metadata: Mapping[str, str]
    names: tuple[str, ...] | None
    said: bool = False

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the outputs, in their order."""
        return [array.shape for array in self.arrays.values()]

    @property
    def values(self) -> list[Array]:
        """The outputs, in their order."""
        return list(self.arrays.values())

    def cells(self, strides: Sequence[int]) -> int:
        """How many cells these strides have on the image."""
        return sum(-(-self.height // stride) * -(-self.width // stride) for stride in strides)

    def could_have(self, columns: int) -> bool:
        """Whether this number of classes agrees with the names that are known."""
        return columns > 0 and (self.names is None or len(self.names_of(columns)) == columns)

    def names_of(self, columns: int) -> tuple[str, ...]:
        """The known names, for this number of columns: COCO's 80 classes may stand at the places of their ids."""
        if self.names == COCO_80 and columns == len(COCO_91):
            return COCO_91
        return self.names or ()

    def describe(self) -> str:
        """Shapes of the outputs, as one line."""
        shown = [f"{name} {'x'.join(map(str, array.shape))} {array.dtype}" for name, array in self.arrays.items()]
        return f"for an image of {self.height}x{self.width}: {', '.join(shown)}"


def are_fractions(array: Array) -> bool:
    """Whether all values are 0 to 1."""
    return bool(array.size) and bool(np.isfinite(array).all()) and 0 <= float(array.min()) <= float(array.max()) <= 1


def are_whole(array: Array) -> bool:
    """Whether all values are whole numbers, as those of classes are."""
    return bool((array == np.floor(array)).all())
