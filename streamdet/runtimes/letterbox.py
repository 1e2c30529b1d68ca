"""A frame made as small as the model wants it, and boxes brought back."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image, Picture
from streamdet.media.planes import Planes

PADDING_GREY = 114
CELL_PX = 32
"""Model images are multiples of the coarsest stride."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How frames of one size become model images: scaled, then filled up at the right and the bottom.

    Attributes:
        width, height: pixels of the frame.
        scaled_width, scaled_height: pixels of the frame inside the model image.
        model_width, model_height: pixels of the model image.
    """

    width: int
    height: int
    scaled_width: int
    scaled_height: int
    model_width: int
    model_height: int

    @classmethod
    def fit(cls, width: int, height: int, image_size: int | tuple[int, int]) -> "Letterbox":
        """Fit a frame.

        Args:
            width, height: pixels of the frame.
            image_size: the longer side in pixels, or (height, width) that the frame must fit into. Only as much is
                filled up as the stride needs, so that 16:9 at 320 is 192 x 320, not 320 x 320.
        """
        box_height, box_width = (image_size, image_size) if isinstance(image_size, int) else image_size
        scale = min(box_width / width, box_height / height)
        scaled_width, scaled_height = max(1, round(width * scale)), max(1, round(height * scale))
        return cls(
            width,
            height,
            scaled_width,
            scaled_height,
            -(-scaled_width // CELL_PX) * CELL_PX,
            -(-scaled_height // CELL_PX) * CELL_PX,
        )

    def shrink(self, picture: Image | Picture, out: Image) -> None:
        """Write a frame into a model image.

        Args:
            picture: (height, width, 3) uint8 RGB, or planes of that size.
            out: (model_height, model_width, 3) uint8, overwritten.
        """
        out[self.scaled_height :] = PADDING_GREY
        out[:, self.scaled_width :] = PADDING_GREY
        inside = out[: self.scaled_height, : self.scaled_width]
        inside[:] = self._scaled(picture)

    def _scaled(self, picture: Image | Picture) -> Image:
        if isinstance(picture, Planes):
            return picture.scaled(self.scaled_width, self.scaled_height)
        image = picture if isinstance(picture, np.ndarray) else picture.rgb()
        smaller, size = self.scaled_width < self.width, (self.scaled_width, self.scaled_height)
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        return np.asarray(scaled, np.uint8)

    def restore(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes of the model image as boxes of the frame, clipped to it: (N, 4) float32, xyxy, pixels."""
        scale = np.array([self.width / self.scaled_width, self.height / self.scaled_height] * 2, np.float32)
        limit = np.array([self.width, self.height] * 2, np.float32)
        return np.asarray(np.clip(boxes * scale, 0, limit), np.float32)
