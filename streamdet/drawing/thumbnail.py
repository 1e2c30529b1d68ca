"""A small JPEG of what an event is about."""

from typing import Any

import cv2
import numpy as np

from streamdet.result import Result, ZoneEvent

_WIDTH, _QUALITY = 320, 75


def encode_jpeg(rgb: Any) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def thumbnail(result: Result, event: ZoneEvent) -> bytes:
    """A JPEG of the object, with what is around it; of the whole picture where it is not there any more."""
    image = result.image
    wanted = -2 if event.track_id is None else event.track_id
    rows = np.flatnonzero(result.detections.track_ids == wanted)
    if len(rows):
        left, top, right, bottom = result.detections.boxes[rows[0]].tolist()
        half = max(right - left, bottom - top, 48) * 0.9
        x, y = (left + right) / 2, (top + bottom) / 2
        low = np.clip([x - half, y - half], 0, None).astype(int)
        high = np.ceil([x + half, y + half]).astype(int)
        image = image[low[1] : high[1], low[0] : high[0]]
    height, width = image.shape[:2]
    size = (_WIDTH, max(round(height * _WIDTH / max(width, 1)), 1))
    return encode_jpeg(cv2.resize(image, size, interpolation=cv2.INTER_AREA) if width else result.image)
