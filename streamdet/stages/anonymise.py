"""anonymise: makes objects of some classes unrecognisable in every picture that the stages after it get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streamdet.drawing.canvas import canvas_of
from streamdet.flow import Stage
from streamdet.frames import StateSection, StreamGap
from streamdet.result import Result
from streamdet.stages.classes import check_classes
from streamdet.stages.entry import StageContext, StageEntry
from streamdet.stages.per_stream import StreamWorker, per_stream
from streamdet.yaml_file import Section


class AnonymiseSettings(Section):
    """Who is made unrecognisable; a list of classes is enough: `anonymise: [person]`.

    Attributes:
        classes: objects of these are pixelated.
        top: the share of a box, from its upper edge down, that is hidden; 1 is all of it, 0.35 the head of who stands.
        grow: a box is larger by this share of its width and height on each side.
        hold_s: a box that is not found again stays hidden for so long.
    """

    classes: tuple[str, ...] = ()
    top: float = Field(default=1.0, gt=0, le=1)
    grow: float = Field(default=0.1, ge=0, le=1)
    hold_s: float = Field(default=0.5, ge=0, le=60)

    @model_validator(mode="before")
    @classmethod
    def _list_of_classes(cls, value: Any) -> Any:
        values = {"classes": value} if isinstance(value, list) else value
        if isinstance(values, dict) and isinstance(values.get("classes"), list):
            return {**values, "classes": tuple(values["classes"])}  # what comes from here is not JSON any more
        return values


@dataclass(frozen=True)
class AnonymiseState(StateSection):
    """What is hidden in one stream.

    Attributes:
        held: `seen_s` (N,) seconds, `tracks` (N,), and `boxes` (N, 4) in pixels.
    """

    held: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class _Hiding(StreamWorker[AnonymiseState]):
    def __init__(self, settings: AnonymiseSettings) -> None:
        self._settings = settings
        self._forget()

    def _forget(self) -> None:
        self._seen_s, self._tracks = np.empty(0), np.empty(0, np.int64)
        self._boxes = np.empty((0, 4), np.float32)

    def process(self, result: Result) -> Result:
        self._note(result)
        if not len(self._boxes):
            return result
        picture = result.frame.picture.copy()
        canvas = canvas_of(picture)
        for left, top, right, bottom in self._rectangles(result.width, result.height):
            if right > left and bottom > top:
                canvas.hide((left, top, right, bottom), smooth=False)
        return result.with_picture(picture)

    def _note(self, result: Result) -> None:
        """Hold the boxes of this frame, and earlier ones whose objects are not in it."""
        found = result.detections.finite()
        found = found.of_class(*(name for name in self._settings.classes if name in found.classes))
        there = (self._tracks >= 0) & np.isin(self._tracks, found.track_ids)
        kept = ~there & (result.pts_s - self._seen_s <= self._settings.hold_s) & (result.pts_s >= self._seen_s)
        self._seen_s = np.concatenate([self._seen_s[kept], np.full(len(found), result.pts_s)])
        self._tracks = np.concatenate([self._tracks[kept], found.track_ids])
        self._boxes = np.concatenate([self._boxes[kept], found.boxes])

    def _rectangles(self, width: int, height: int) -> list[list[int]]:
        """What is hidden: left, top, right and bottom in whole pixels, inside the picture."""
        low, high = self._boxes[:, :2], self._boxes[:, 2:]
        more = self._settings.grow * (high - low)
        bottom = low[:, 1] + self._settings.top * (high[:, 1] - low[:, 1]) + more[:, 1]
        corners = np.concatenate([np.floor(low - more), np.ceil(np.stack([high[:, 0] + more[:, 0], bottom], 1))], 1)
        limits = np.array([width, height, width, height])
        rectangles: list[list[int]] = np.clip(corners, 0, limits).astype(int).tolist()
        return rectangles

    def gap(self, gap: StreamGap) -> None:
        self._forget()

    def snapshot(self) -> AnonymiseState:
        return AnonymiseState({"seen_s": self._seen_s, "tracks": self._tracks, "boxes": self._boxes})

    def restore(self, section: AnonymiseState) -> None:
        self._seen_s, self._tracks = section.held["seen_s"], section.held["tracks"]
        self._boxes = section.held["boxes"]


def anonymise(settings: AnonymiseSettings) -> Stage:
    """Result to Result with another picture; markers pass."""
    return per_stream("anonymise", lambda: _Hiding(settings))


def _check(settings: AnonymiseSettings, context: StageContext) -> None:
    check_classes(settings.classes, context.detector.spec.classes)


def _build(settings: AnonymiseSettings, context: StageContext) -> Stage:
    _check(settings, context)
    return anonymise(settings)


STAGE = StageEntry(
    "anonymise",
    _build,
    settings=AnonymiseSettings,
    check=_check,
    needs=frozenset({"detections"}),
    uses=frozenset({"track_ids"}),
    gives=frozenset({"anonymity"}),
    state=AnonymiseState,
)
