"""The Python way to run a job: results to iterate over."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from streamdet.errors import ConfigError, SourceError, StageError
from streamdet.jobs.config import load_job
from streamdet.jobs.memory import Memory, memory_overrides
from streamdet.jobs.plan import SourceJob
from streamdet.jobs.session import Session
from streamdet.media.locations import SourceSpec, expand_sources
from streamdet.models.contract import Detector
from streamdet.models.options import KEEP
from streamdet.result import Result
from streamdet.runtimes.loading import load
from streamdet.tables import FRAME_COLUMNS, OBJECT_COLUMNS, data_frame
from streamdet.yaml_file import Override

if TYPE_CHECKING:
    import pandas

Source = str | Path | int
Sources = Source | Sequence[Source]
Arrays = NDArray[np.uint8] | Iterable[NDArray[np.uint8]]


class Results(Iterator[Result]):
    """What `stream` gives: an iterator over results, and the streams that they are of.

    Streams may come and go while it is iterated over, also from other threads.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._results = _results(session)

    def __next__(self) -> Result:
        """The next result.

        Raises:
            StopIteration: all streams have ended.
            SourceError: a file cannot be read.
            ModelError: the detector cannot be run.
        """
        return next(self._results)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all streams now."""
        self._results.close()

    def to_df(self) -> "pandas.DataFrame":
        """All results that are still to come, as a table: see `Result.to_df`. Pictures are not kept.

        Raises:
            ModuleNotFoundError: pandas is not installed.
            SourceError, ModelError: as `__next__`.
        """
        return data_frame(
            chain.from_iterable(result.to_rows(masks=True) for result in self), FRAME_COLUMNS + OBJECT_COLUMNS
        )

    @property
    def sources(self) -> frozenset[str]:
        """Names of the streams that were asked for and not removed, as results have them."""
        return self._session.sources

    def add(self, source: Sources) -> list[str]:
        """Let streams join, once the first result was asked for; gives their names.

        Raises:
            ConfigError, SourceOpenError: as `stream`.
            RuntimeError: the first result was not asked for yet, or all streams have ended.
            ValueError: a live stream cannot join files.
        """
        return self._session.add(_as_list(source))

    def remove(self, name: str) -> None:
        """Let a stream end; results that are on their way still come.

        Raises:
            KeyError: there is no such stream.
        """
        self._session.remove(name)


def stream(
    source: Sources | Arrays,
    detector: Detector | str | Path = "street",
    *,
    conf: float = KEEP.conf,
    class_conf: Mapping[str, float] | None = None,
    iou: float = KEEP.iou,
    max_detections: int = KEEP.max_detections,
    classes: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    memory: Memory = "both",
    track: bool = True,
    start_s: float = 0.0,
    end_s: float | None = None,
    max_frames: int | None = None,
    stride: int = 1,
    frames_per_clip: int = 8,
    mode: Literal["auto", "every-frame", "freshest"] = "auto",
    max_staleness_s: float | None = 0.5,
    transport: Literal["tcp", "udp"] = "tcp",
) -> Results:
    """Find objects in videos, frame by frame, in constant memory.

    Reading and detecting continue in threads while the caller looks at a result; they end when the iterator does.
    Cameras and live streams never end: a loop over them is left with `break`, or by removing them.

    Args:
        source: a file, a folder or glob of images or videos, an address, a camera's number, or several of them. Files
            are read in turn, live sources side by side. Or frames that the program has: a list, an array (T, H, W, 3)
            or a generator of arrays, (H, W, 3) uint8 RGB each, which count as a video of 25 frames per second.
        detector: from `load`, or what `load` takes.
        conf: lowest score of a box.
        class_conf: the same of single classes, by their names, such as {"person": 0.5}.
        iou: boxes of one class, or of car, motorcycle, bus and truck, that overlap more are one.
        max_detections: most boxes in a frame.
        classes: only these.
        image_size: longer side, or height and width, in pixels that the detector sees; None: its own.
        memory: which memories are used: of objects, which steadies boxes, scores and classes and holds objects
            through misses (`carried`), and needs track; of features, which detectors with a recurrent state have.
        track: give boxes track ids that hold from frame to frame.
        start_s, end_s, max_frames, stride: the part of each source that is read.
        frames_per_clip: frames of a file that the detector takes at once; a result comes when its clip is full.
        mode: of live sources, "every-frame" keeps up with none that is faster than the detector; auto is "freshest".
        max_staleness_s: live frames that are older are dropped; None for no limit.
        transport: what RTSP carries the video over.

    Returns:
        an iterator of a Result for every frame, in order; close() ends it early.

    Raises:
        ConfigError: an argument is wrong.
        TypeError: source is nothing of this kind.
        SourceError: a source cannot be read.
        ModelError: the detector cannot be loaded or run.
    """
    settings = {
        "detect.conf": conf,
        "detect.class_conf": dict(class_conf or {}),
        "detect.iou": iou,
        "detect.max_detections": max_detections,
        "detect.classes": None if classes is None else list(classes),
        "detect.image_size": list(image_size) if isinstance(image_size, tuple) else image_size,
        "decode.start_s": start_s,
        "decode.end_s": end_s,
        "decode.max_frames": max_frames,
        "decode.stride": stride,
        "decode.mode": mode,
        "decode.max_staleness_s": max_staleness_s,
        "decode.transport": transport,
        "batch.frames_per_clip": frames_per_clip,
        "stages": ["decode", "batch", "detect", *(["track"] if track else [])],
    }
    overrides = [Override(key, value, key.rpartition(".")[2]) for key, value in settings.items()]
    config = load_job(None, [*overrides, *memory_overrides(memory, "memory")])
    specs = _specs(source)
    if not specs:
        raise ConfigError("no source given; expected a file, a folder, a glob, an address, or a list of them")
    if isinstance(detector, str | Path):
        detector = load(detector)
    return Results(Session([SourceJob(spec, config) for spec in specs], detector, on_error="raise"))


def _specs(source: Sources | Arrays) -> list[SourceSpec]:
    if isinstance(source, Source) or (
        isinstance(source, Sequence) and all(isinstance(each, Source) for each in source)
    ):
        return expand_sources(_as_list(source))
    if not isinstance(source, Iterable):
        raise TypeError(
            f"source: expected a file, an address, a camera's number or arrays, got {type(source).__name__}"
        )
    return [SourceSpec("arrays", "arrays", "arrays", arrays=source)]


def _as_list(source: Sources) -> list[str]:
    return [str(source)] if isinstance(source, Source) else [str(each) for each in source]


def _results(session: Session) -> Generator[Result]:
    try:
        yield from session.results()
    except StageError as error:
        if isinstance(error.__cause__, SourceError):  # it names its source; which stage met it is of no interest
            raise error.__cause__ from error.__cause__.__cause__
        raise
