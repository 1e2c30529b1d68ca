"""crops: writes what is inside the boxes as pictures: of each track the best one, or of every box."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from streamdet.columns import Detection
from streamdet.errors import SinkError
from streamdet.flow import Stage
from streamdet.frames import Frame, Image, Marker, StreamInfo, StreamStarted
from streamdet.media.locations import SourceSpec
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.part_file import write_at_once, write_error
from streamdet.result import Result
from streamdet.stages.entry import OutputEntry, OutputPlan, StageContext, StageEntry
from streamdet.stages.outputs import Output, Target, output_stage
from streamdet.yaml_file import Section

# A track that is not seen for so long is over, and its picture can be written.
_OVER_AFTER_S = 5.0
# Another picture of a track must be better by so much: each costs a conversion of the frame.
_BETTER = 1.05


class CropsSettings(Section):
    """Pictures of what is found.

    Attributes:
        path: a folder; with several sources, each has a folder of its own in it.
        keep: "best": of each track the picture of the surest and largest box; "all": every box of every frame. Of
            still pictures, and where there is no track stage, it is always every box.
    """

    path: str = Field(default="crops", min_length=1)
    keep: Literal["best", "all"] = "best"


@dataclass(slots=True)
class _Best:
    """The best picture of a track so far.

    Attributes:
        value: of its box.
        image: (H, W, 3) uint8 RGB; None where it is written.
        class_name: of its box.
        seen_s: when the track was seen last, seconds.
    """

    value: float
    image: Image | None
    class_name: str
    seen_s: float


class _Crops:
    """An `Output` that is a folder of pictures."""

    def __init__(self, folder: Path, keeps_all: bool, delivery: Delivery) -> None:
        self._folder, self._keeps_all, self._delivery = folder, keeps_all, delivery
        self._best: dict[int, _Best] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in _written_before(folder):
                old.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error

    def write(self, item: Result | Marker) -> None:
        if not isinstance(item, Result):
            return
        for number, found in enumerate(item.detections.finite()):
            if self._keeps_all:
                if (image := _inside(item.frame, found)) is not None:
                    self._save(f"{found.class_name}-frame{item.index:06}-{number}", image)
            elif found.track_id >= 0:
                self._compare(item.frame, found)
        self._write_those_before(item.pts_s - _OVER_AFTER_S)

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        self._write_those_before(float("inf"))

    def _compare(self, frame: Frame, found: Detection) -> None:
        left, top, right, bottom = found.box
        value = found.score * sqrt(max(0.0, right - left) * max(0.0, bottom - top))
        best = self._best.setdefault(found.track_id, _Best(0.0, None, found.class_name, frame.pts_s))
        best.seen_s = frame.pts_s
        if value > _BETTER * best.value and (image := _inside(frame, found)) is not None:
            best.value, best.image, best.class_name = value, image, found.class_name

    def _write_those_before(self, time_s: float) -> None:
        for track_id, best in self._best.items():
            if best.image is not None and best.seen_s < time_s:
                self._save(f"{best.class_name}-{track_id}", best.image)
                best.image = None

    def _save(self, name: str, image: Image) -> None:
        path = self._folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}.jpg"
        try:
            encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        except cv2.error as error:
            raise SinkError(f"{path}: cannot be written: {image.shape[1]}x{image.shape[0]} pixels") from error
        write_at_once(path, encoded.tobytes())
        self._delivery.sent += 1


def _inside(frame: Frame, found: Detection) -> Image | None:
    """What is inside a box, as it is seen: pixels that are not square are stretched; None of an empty box."""
    left, top = (max(0, int(edge)) for edge in found.box[:2])
    right, bottom = (int(np.ceil(edge)) for edge in found.box[2:])
    image = frame.image[top:bottom, left:right]
    if min(image.shape[:2]) == 0:
        return None
    if frame.pixel_aspect == 1:
        return image.copy()
    width = max(1, round(image.shape[1] * frame.pixel_aspect))
    return np.asarray(cv2.resize(image, (width, image.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)


def _written_before(folder: Path) -> Iterator[Path]:
    name = re.compile(r".+-(frame\d{6,}-)?\d+\.jpg")
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if name.fullmatch(path.name))


def plan_crops(settings: CropsSettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    """Where the pictures of each source go."""
    path = Path(settings.path)
    folders = {source.name: path / source.name if len(sources) > 1 else path for source in sources}
    return OutputPlan(
        {name: f"{folder}/" for name, folder in folders.items()},
        folder=settings.path,
        named=False,
        earlier=[old for folder in folders.values() for old in list(_written_before(folder))[:1]],
        not_resumable="the pictures of crops cannot be continued; expected a job without them",
    )


def crops(settings: CropsSettings, context: StageContext) -> Stage:
    """Write the pictures of every stream into its folder; everything passes through."""

    def keeps_all(info: StreamInfo) -> bool:
        return settings.keep == "all" or not context.tracked or bool(info.pictures)

    def open_output(started: StreamStarted | None, target: Target) -> Output:
        if started is None:
            raise ValueError("pictures came before their stream's start")
        return _Crops(Path(target), keeps_all(started.info), context.log.delivery(str(target), "pictures"))

    return output_stage("crops", open_output, context.log)


STAGE = StageEntry(
    "crops",
    crops,
    settings=CropsSettings,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids", "anonymity"}),
    output=OutputEntry("crops", plan_crops),
)
