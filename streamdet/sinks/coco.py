"""COCO result files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamdet.errors import SinkError
from streamdet.frames import Marker
from streamdet.media.write.part_file import PartFile
from streamdet.result import Result
from streamdet.sinks.lines import GrowingFile, start_file


class CocoFile:
    """COCO results: one JSON array of {image_id, category_id, bbox xywh, score}, and keypoints where there are some.

    image_id is the frame's index + 1, category_id the class's index + 1. Its name appears when it is complete.

    Args:
        path: of the file.
        resume: see open_detection_file.
        masks: whether masks are written, as segmentation.
    """

    def __init__(self, path: Path, resume: Mapping[str, Any] | None = None, *, masks: bool = False) -> None:
        self._masks = masks
        self._separator = "\n" if resume is None else resume["separator"]
        resume_at = None if resume is None else int(resume["mark"]["length"])
        self._part = PartFile(path, resumes=resume is not None)
        self._rows = GrowingFile(self._part.path, path, b"\n]\n", resume_at)
        try:
            start_file(self._rows, b"[" if resume is None else b"")
        except SinkError:
            self._part.discard()
            raise

    def write(self, item: Result | Marker) -> None:
        """See DetectionFile."""
        if not isinstance(item, Result):
            return
        masks_of = (item.width, item.height) if self._masks else None
        rows = item.detections.finite().to_coco(item.index + 1, masks_of=masks_of)
        if not rows:
            return
        text = ",\n".join(json.dumps(row, allow_nan=False, separators=(",", ":")) for row in rows)
        self._rows.append(f"{self._separator}{text}".encode())
        self._separator = ",\n"

    def checkpoint(self) -> dict[str, Any]:
        """See DetectionFile."""
        return {**self._rows.checkpoint(), "separator": self._separator}

    def close(self) -> None:
        """See DetectionFile."""
        self._rows.close()
        self._part.publish(self._part.path)
