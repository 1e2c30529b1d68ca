"""Frames, results and a way to run one stage over a list."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.flow import Run, Stage
from streamdet.frames import Frame, RgbPicture, StreamInfo, StreamStarted
from streamdet.result import Result
from streamdet.stages.outputs import OutputLog

CLASSES = ("person", "car", "truck")


@pytest.fixture
def run_stage() -> Callable[..., list[Any]]:
    """All that a stage makes of the items."""

    def run(stage: Stage, items: Iterable[Any], mode: Any = "inline") -> list[Any]:
        with Run([Stage("items", lambda inbox: iter(items))], [stage], mode) as running:
            return list(running)

    return run


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """A grey frame at 25 frames a second."""

    def make(
        source: str = "a", index: int = 0, session: int = 0, size: tuple[int, int] = (64, 48), **more: Any
    ) -> Frame:
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        return Frame(source, session, index, 512 * index, Fraction(1, 12800), RgbPicture(image), **more)

    return make


@pytest.fixture
def make_result(make_frame: Callable[..., Frame]) -> Callable[..., Result]:
    """A result with boxes given as (x1, y1, x2, y2, score, class, identity)."""

    def make(rows: Iterable[tuple[float, ...]] = (), *, latency_s: float | None = None, **of_frame: Any) -> Result:
        table = np.array(list(rows), float).reshape(-1, 7)
        found = Detections.of(table[:, :4], table[:, 4], table[:, 5], CLASSES, table[:, 6])
        return Result(make_frame(**of_frame), found, latency_s)

    return make


@pytest.fixture
def started() -> Callable[..., StreamStarted]:
    """The first marker of a stream; what it is written to is named by stage."""
    return lambda source, **outputs: StreamStarted(
        source, StreamInfo(f"{source}.mp4", 64, 48, Fraction(1, 12800)), outputs=outputs
    )


@pytest.fixture
def said() -> Callable[[OutputLog], list[tuple[str | None, str]]]:
    """What failed outputs say, by stream."""
    return lambda log: [(failed.source, str(failed.error)) for failed in log.failures]
