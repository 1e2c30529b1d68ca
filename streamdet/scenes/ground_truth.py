"""Ground truth of rendered scenes as a COCO-VID file, boxes with identities and visible shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from streamdet.boxes import xywh_from_xyxy
from streamdet.scenes.scene import CLASSES, SceneFrame


class GroundTruth:
    """Collects the rows of one or more videos and writes them as one labels.json.

    An annotation's bbox is the whole object, hidden or not, clipped to the picture; visible_fraction says how much of
    it is seen. What is seen less than iscrowd_below is marked iscrowd: found or not found, it does not count.
    """

    def __init__(self, iscrowd_below: float = 0.15) -> None:
        self._iscrowd_below = iscrowd_below
        self._videos: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add_video(self, file_name: str, width: int, height: int) -> None:
        """Start a video; the frames that follow belong to it."""
        number = len(self._videos) + 1
        self._videos.append(
            {
                "id": number,
                "name": Path(file_name).stem,
                "file_name": file_name,
                "width": width,
                "height": height,
                "frames": 0,
                "labelled": list(CLASSES),
            }
        )

    def add(self, frame: SceneFrame) -> None:
        """Add the next frame of the video started last.

        Raises:
            ValueError: if no video was started, or the frame's size is another.
        """
        if not self._videos:
            raise ValueError("add_video must come before the first frame")
        video = self._videos[-1]
        if frame.image.shape[:2] != (video["height"], video["width"]):
            raise ValueError(
                f"frame is {frame.image.shape[1]} x {frame.image.shape[0]}, "
                f"{video['name']} is {video['width']} x {video['height']}"
            )
        image_id = len(self._images) + 1
        self._images.append(
            {"id": image_id, "video_id": video["id"], "frame_id": video["frames"], "time_s": round(frame.time_s, 6)}
        )
        video["frames"] += 1
        for row in range(len(frame.boxes)):
            self._annotations.append(self._annotation(frame, row, image_id, video["id"]))

    def _annotation(self, frame: SceneFrame, row: int, image_id: int, video_id: int) -> dict[str, Any]:
        fraction = float(frame.visible_fraction[row])
        boxes = np.stack([frame.boxes[row], frame.visible_boxes[row]]).astype(np.float64)
        bbox, visible_bbox = xywh_from_xyxy(boxes).round(2).tolist()
        return {
            "id": len(self._annotations) + 1,
            "image_id": image_id,
            "video_id": video_id,
            "category_id": int(frame.class_ids[row]) + 1,
            "track_id": int(frame.track_ids[row]),
            "bbox": bbox,
            "area": round(bbox[2] * bbox[3], 2),
            "visible_bbox": visible_bbox,
            "visible_fraction": round(fraction, 4),
            "iscrowd": int(fraction < self._iscrowd_below),
        }

    def to_dict(self) -> dict[str, Any]:
        """The file's content."""
        categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
        return {
            "videos": self._videos,
            "images": self._images,
            "annotations": self._annotations,
            "categories": categories,
        }

    def write(self, path: str | Path) -> None:
        """Write labels.json."""
        Path(path).write_text(json.dumps(self.to_dict(), separators=(",", ":")), encoding="utf-8")
