"""How clips are changed in training: one draw a clip, the same for all its frames."""

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.training.classify.config import AugmentConfig

Frames = NDArray[np.uint8]


def change_clip(frames: Frames, config: AugmentConfig, rng: np.random.Generator) -> Frames:
    """Turn, shift and mirror a clip.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        config: how much.
        rng: draws.

    Returns:
        (T, H, W, 3) uint8 RGB; what comes into view repeats the picture's edge.
    """
    height, width = frames.shape[1:3]
    angle_deg = rng.uniform(-config.rotation_deg, config.rotation_deg)
    matrix = np.array(cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0), np.float64)
    matrix[:, 2] += rng.uniform(-config.shift, config.shift, 2) * (width, height)
    if rng.random() < config.flip:
        matrix = matrix @ np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]])
    changed = [cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE) for frame in frames]
    return np.asarray(np.stack(changed), np.uint8)
