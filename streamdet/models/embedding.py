"""What a detector's own features say of a box: numbers that are alike for objects that look alike.

Shapes: H, W places of a map, C channels, N boxes.
"""

import numpy as np
from numpy.typing import NDArray

BANDS = 3
"""Of a box, one below the other, each with its own C numbers, as a person's head, trunk and legs."""
_MIDDLES = (np.arange(BANDS, dtype=np.float32) + np.float32(0.5)) / np.float32(BANDS)


def box_embeddings(map_HWC: NDArray[np.float32], boxes: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """Features in boxes, read between the places of the map by bilinear sampling.

    Args:
        map_HWC: (H, W, C) float32.
        boxes: (N, 4) float32, xyxy, pixels.
        stride: pixels between the places of the map.

    Returns:
        (N, 3 C) float32, of each of a box's three bands the mean over three places side by side.
    """
    height, width, channels = map_HWC.shape
    # x and y at once, (N, 2, 3): the middles of the bands and of as many columns, in places of the map.
    low, sides = boxes[:, :2, None], (boxes[:, 2:] - boxes[:, :2])[:, :, None]
    at = (low + sides * _MIDDLES) * np.float32(1 / stride) - np.float32(0.5)
    last = np.array([[width - 1], [height - 1]], np.float32)
    at = np.maximum(np.minimum(at, last), 0)
    before = np.floor(at)
    share = at - before
    places = np.stack([before, np.minimum(before + 1, last)], axis=-1).astype(np.int64)
    weights = np.stack([1 - share, share], axis=-1)
    # Of each band, (N, 3, 12): three columns of four corners.
    rows = places[:, 1, :, :, None, None] * width + places[:, 0, None, None]
    counts = weights[:, 1, :, :, None, None] * weights[:, 0, None, None] / np.float32(BANDS)
    shape = len(boxes), BANDS, 4 * BANDS
    features = map_HWC.reshape(-1, channels)[rows.reshape(shape)]
    bands: NDArray[np.float32] = counts.reshape(*shape[:2], 1, shape[2]) @ features
    return bands.reshape(len(boxes), BANDS * channels)
