"""Makes training pictures on the CPU, with OpenCV.

Shapes: T frames, H, W pixels of the training image ("canvas").
"""

from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdet.frames import Image
from streamdet.models.recurrent.detector import PADDING_GREY
from streamdet.training.augment import FramePlan, Generator
from streamdet.training.footage import Footage


class Painter(Protocol):
    """Turns frames and plans into training pictures."""

    def add(self, footage: Footage, video: int, index: int, plan: FramePlan, rng: Generator) -> None:
        """The next frame of a clip: which one, and what is done to it. Grain is drawn from rng."""
        ...

    def finish(self) -> Tensor:
        """(T, 3, H, W) uint8 RGB: the clip of the frames that were added."""
        ...


class HostPainter:
    """Paints each frame as it is added, from the footage in the file that the operating system keeps in memory."""

    def __init__(self) -> None:
        self._painted: list[Image] = []

    def add(self, footage: Footage, video: int, index: int, plan: FramePlan, rng: Generator) -> None:
        """See Painter.add."""
        self._painted.append(paint(footage.frame(video, index), plan, rng))

    def finish(self) -> Tensor:
        """See Painter.finish."""
        clip, self._painted = np.stack(self._painted), []
        return torch.from_numpy(clip).permute(0, 3, 1, 2)


def paint(image: Image, plan: FramePlan, rng: Generator) -> Image:
    """One training picture.

    Args:
        image: (h, w, 3) uint8 RGB.
        plan: what is done to it.
        rng: draws the grain.

    Returns:
        (H, W, 3) uint8 RGB of the plan's canvas.
    """
    if plan.halved:
        image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = plan.canvas
    grey = (PADDING_GREY,) * 3
    warped = cv2.warpAffine(image, plan.matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=grey)
    out = np.asarray(cv2.LUT(warped, plan.colours), np.uint8)
    if abs(plan.saturation - 1) > 0.05:
        faded = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        out = np.asarray(cv2.addWeighted(out, plan.saturation, faded, 1 - plan.saturation, 0), np.uint8)
    for occluder in plan.occluders:
        x1, y1, x2, y2 = occluder.box
        out[y1:y2, x1:x2] = cv2.resize(occluder.texture, (x2 - x1, y2 - y1))
    if plan.blur is not None:
        out = np.asarray(cv2.filter2D(out, -1, plan.blur), np.uint8)
    if plan.brightness is not None:
        out = np.asarray(cv2.convertScaleAbs(out, alpha=plan.brightness), np.uint8)
    if plan.jpeg_quality is not None:
        out = compress(out, plan.jpeg_quality)
    if plan.noise:
        grain: NDArray[np.int16] = (rng.standard_normal(out.shape, np.float32) * plan.noise).astype(np.int16)
        out = np.asarray(cv2.add(out, grain, dtype=cv2.CV_8U), np.uint8)
    return out


def compress(image: Image, jpeg_quality: int) -> Image:
    """(H, W, 3) uint8, with the marks that compression at a quality of 1 to 100 leaves."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
