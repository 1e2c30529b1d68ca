"""How the camera moved from frame to frame, from the images: sparse optical flow and a partial affine map."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

WIDTH = 320  # pixels; wider images are made this small first
_MAX_CORNERS = 300
_MIN_CORNERS = 12
_STILL_PX = 0.35  # of the small image: a smaller shift is noise
_RETURN_PX = 0.7  # how far a corner that was followed forward and back may miss its start
_MIN_INLIERS = 0.4


class CameraMotion:
    """Follows the corners of one stream's images.

    Most of the image is taken for background. Where too few corners agree, the camera is taken to have stood still.
    """

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def step(self, image: Image) -> Floats:
        """Take the next image.

        Args:
            image: (H, W, 3) uint8 RGB; all of one size.

        Returns:
            (2, 3) float64, the affine map of places, pixels, from the image before to this one; the identity for the
            first.
        """
        scale = min(1.0, WIDTH / image.shape[1])
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        motion = identity() if self._before is None else _motion(self._before, small)
        motion[:, 2] /= scale
        self._before = small
        return motion


def identity() -> Floats:
    """(2, 3) float64, the map of a camera that stands still."""
    return np.eye(2, 3)


def inverse(motion: Floats) -> Floats:
    """(2, 3) float64, the map back."""
    back = np.linalg.inv(motion[:, :2])
    return np.concatenate([back, -back @ motion[:, 2:]], axis=1)


def _motion(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Floats:
    corners = cv2.goodFeaturesToTrack(before, _MAX_CORNERS, 0.01, 6)
    if corners is None or len(corners) < _MIN_CORNERS:
        return identity()
    there, seen = _follow(before, after, corners)
    back, seen_back = _follow(after, before, there)
    stable = seen & seen_back & (np.abs(back - corners)[:, 0].max(axis=1) < _RETURN_PX)
    if np.count_nonzero(stable) < _MIN_CORNERS:
        return identity()
    source, target = corners[stable, 0], there[stable, 0]
    # Most of the image stands still before a fixed camera, whatever moves in it.
    if np.mean(np.abs(target - source).max(axis=1) < _STILL_PX) >= 0.5:
        return identity()
    cv2.setRNGSeed(0)
    motion, inliers = cv2.estimateAffinePartial2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=1.5)
    if motion is None or inliers.mean() < _MIN_INLIERS:
        return identity()
    return np.asarray(motion, np.float64)


def _follow(before: NDArray[np.uint8], after: NDArray[np.uint8], corners: NDArray[Any]) -> tuple[Floats, Flags]:
    """Where (N, 1, 2) corners are in the other image, float32 of this shape, and (N,) whether they were found."""
    there, seen, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, corners.copy(), winSize=(15, 15), maxLevel=3)
    return np.asarray(there), np.asarray(seen)[:, 0] > 0
