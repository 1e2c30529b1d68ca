"""The detect stage: clips in, boxes out, one memory a stream.

Shapes: B streams, T frames, H, W pixels of the model image.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from streamdet.boxes import Letterbox
from streamdet.detections import Detections
from streamdet.flow import Inbox, Stage
from streamdet.frames import (
    Clip,
    Frame,
    Image,
    Marker,
    SavedState,
    StateSection,
    StreamEnded,
    StreamGap,
    StreamStarted,
)
from streamdet.models.contract import Detector, Outputs
from streamdet.models.memory import MemoryBank
from streamdet.models.options import DetectOptions, Precision, Runtime, read_image_size
from streamdet.result import Result
from streamdet.runtimes.letterbox import shrink
from streamdet.stages.classes import check_classes
from streamdet.stages.entry import StageContext, StageEntry
from streamdet.stages.looking import Every, Looking

_SHORTEST_DT_S = 1e-3
_THUMBNAIL = (32, 18)
_CUT_CORRELATION = 0.3
_CUT_DIFFERENCE = 20.0


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise ValueError(f"expected auto, cpu, cuda or cuda:N, got {value}")
    return value


class DetectSettings(DetectOptions):
    """Which detector runs and where, besides which boxes it keeps.

    Attributes:
        model: a name or a path.
        layout, class_names: of an ONNX file that does not tell, see streamdet.load.
        image_size: longer side, or height and width, in pixels that the detector sees; None: the model's own.
        device, runtime, precision: how it runs; auto takes what is fastest.
        memory: reset forgets after every frame.
        every: look at every N-th frame; the object memory of track carries the others. auto: sooner where objects are
            fast, new or lost.
    """

    model: str = Field(default="street", min_length=1)
    layout: str | None = Field(default=None, min_length=1)
    class_names: str | None = Field(default=None, min_length=1)
    image_size: Annotated[Any, AfterValidator(read_image_size)] = None
    device: Annotated[str, AfterValidator(_device)] = "auto"
    runtime: Runtime = "auto"
    precision: Precision = "auto"
    memory: Literal["carry", "reset"] = "carry"
    every: Every = 1


@dataclass(frozen=True)
class DetectState(StateSection):
    """What the detector remembers of one stream.

    Attributes:
        size: (width, height) of the last frame in pixels.
        last_s: its time in seconds; None where it was forgotten.
        thumbnail: (18, 32) uint8, the last frame in grey.
        memory: the recurrent state, by name.
        looking: which frames it looks at; empty where it looks at all.
    """

    size: Sequence[int]
    last_s: float | None
    thumbnail: Image
    memory: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    looking: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def detect(
    detector: Detector, settings: DetectSettings | None = None, latest: Callable[[], DetectOptions] | None = None
) -> Stage:
    """Clip -> Result of every frame, stream by stream; markers pass.

    Args:
        detector: that runs.
        settings: how, and which boxes are kept.
        latest: gives which boxes are kept now, where that may change.

    Raises:
        ConfigError: if the detector does not know a class, or does not take images of the size.
    """
    settings = settings or DetectSettings()
    _check(settings, detector)

    def process(inbox: Inbox[Clip | Marker]) -> Iterator[Result | Marker]:
        watcher = _Watcher(detector, settings, latest or (lambda: settings))
        for item in inbox:
            if not isinstance(item, Clip):
                watcher.mark(item)
                yield item
            elif settings.every == 1:
                yield from watcher.look(item)
            else:
                yield from watcher.look_now_and_then(item)

    return Stage("detect", process)


def _latency_s(frame: Frame) -> float | None:
    return None if frame.captured_s is None else monotonic() - frame.captured_s


class _Stream:
    """What is remembered of one stream beside the recurrent state."""

    def __init__(self, every: Every = 1) -> None:
        self.looking = Looking(every)
        self.size: tuple[int, int] | None = None
        self.last_s: float | None = None
        self.thumbnail: Image | None = None
        self.first_dt_s: float | None = None  # of a file that follows another one

    def elapsed_s(self, frame: Frame, default_s: float) -> float:
        """Seconds since the frame before; the time that is usual where there is none."""
        first_s, self.first_dt_s = default_s if self.first_dt_s is None else self.first_dt_s, None
        dt_s = first_s if self.last_s is None else frame.pts_s - self.last_s
        self.last_s = frame.pts_s
        return max(dt_s, _SHORTEST_DT_S)


class _Watcher:
    """Letterboxes clips, keeps every stream's memory and knows when its last frame was."""

    def __init__(self, detector: Detector, settings: DetectSettings, latest: Callable[[], DetectOptions]) -> None:
        self._detector, self._settings, self._latest = detector, settings, latest
        self._image_size, self._carries = settings.image_size, settings.memory == "carry"
        self._bank = MemoryBank()
        self._streams: dict[str, _Stream] = {}

    def mark(self, marker: Marker) -> None:
        """A stream starts, loses time or ends, or what is remembered of it is wanted."""
        if isinstance(marker, StreamStarted):
            self._start(marker.source, marker.saved("detect"))
        elif isinstance(marker, StreamGap | StreamEnded):
            self._forget(marker.source)
        elif (section := self._snapshot(marker.source)) is not None:
            marker.sections["detect"] = section

    def _start(self, source: str, saved: SavedState[DetectState] | None) -> None:
        if saved is None:
            return
        stream, section = self._stream(source), saved.section
        width, height = section.size
        stream.size, stream.thumbnail = (width, height), section.thumbnail
        if section.memory:
            self._bank.restore(source, self._detector.state_from_arrays(section.memory))
        if section.looking and saved.step_s is None:
            stream.looking.restore(section.looking)
        stream.first_dt_s = saved.step_s
        stream.last_s = section.last_s if saved.step_s is None else None

    def _snapshot(self, source: str) -> DetectState | None:
        stream = self._streams.get(source)
        if stream is None or stream.thumbnail is None or stream.size is None:
            return None
        state = self._bank.snapshot(source)
        memory = {} if state is None else state.to_arrays()
        looking = {} if self._settings.every == 1 else stream.looking.snapshot()
        return DetectState(list(stream.size), stream.last_s, stream.thumbnail, memory, looking)

    def _forget(self, source: str) -> None:
        """A gap or an end: this stream starts again."""
        self._bank.drop(source)
        self._streams.pop(source, None)

    def look_now_and_then(self, clip: Clip) -> Iterator[Result]:
        """Run the detector over the frames that are due; nothing is found in the others."""
        for frames in zip(*clip.streams, strict=True):
            # In a damaged file, one that is due may be one that was not decoded; then it is the next one.
            due = [each for each in frames if self._stream(each.source).looking.due(each.pts_s) and each.decoded]
            results = self.look(Clip(tuple((frame,) for frame in due))) if due else iter(())
            for frame in frames:
                if any(frame is each for each in due):
                    result = next(results)
                    self._stream(frame.source).looking.looked(result.detections, frame.pts_s)
                    yield result
                else:
                    nothing = Detections.empty(self._detector.spec.classes, self._detector.spec.skeleton)
                    yield Result(frame, nothing, _latency_s(frame), looked=False)

    def look(self, clip: Clip) -> Iterator[Result]:
        """Run the detector over all frames."""
        for streams, letterbox, outputs, cut in self._look(clip):
            for stream, rows in zip(streams, outputs.detections(self._latest()), strict=True):
                for t, (frame, row) in enumerate(zip(stream, rows, strict=True)):
                    found = row.restored(letterbox)
                    yield Result(frame, found, _latency_s(frame), cut=t == 0 and frame.source in cut)

    def _look(self, clip: Clip) -> Iterator[tuple[tuple[tuple[Frame, ...], ...], Letterbox, Outputs, frozenset[str]]]:
        """Run the detector; a clip of one stream is split where its picture cuts to another scene.

        Yields:
            the frames of each stream, how they became model images, what is there, and which streams start with a cut.
        """
        first = clip.streams[0][0]
        letterbox = self._detector.spec.input.letterbox(first.width, first.height, self._image_size, first.pixel_aspect)
        B, T = len(clip.streams), len(clip.streams[0])
        images = np.empty((B, T, letterbox.model_height, letterbox.model_width, 3), np.uint8)
        cuts, first_cut = {0, T}, set()
        for b, stream in enumerate(clip.streams):
            self._forget_if_resized(stream[0])
            for t, frame in enumerate(stream):
                shrink(frame.picture, letterbox, self._detector.spec.input.padding, images[b, t])
                # Without the padding: it would make every picture resemble the one before.
                inside = images[b, t, : letterbox.scaled_height, : letterbox.scaled_width]
                if self._is_cut(frame.source, inside):
                    # Several streams come one frame at a time, so that a cut is always at a clip's start.
                    cuts.add(t)
                    if t == 0:
                        first_cut.add(frame.source)
                        self._forget_memory(frame.source)
        bounds = sorted(cuts)
        for start, stop in pairwise(bounds):
            part = tuple(stream[start:stop] for stream in clip.streams)
            if start > 0:
                self._forget_memory(clip.streams[0][0].source)
            cut = frozenset(first_cut if start == 0 else (clip.streams[0][0].source,))
            yield part, letterbox, self._run(part, images[:, start:stop]), cut

    def _forget_memory(self, source: str) -> None:
        """A cut: what was remembered is of another scene."""
        self._bank.drop(source)
        stream = self._stream(source)
        stream.last_s = stream.first_dt_s = None

    def _stream(self, source: str) -> _Stream:
        return self._streams.setdefault(source, _Stream(self._settings.every))

    def _run(self, streams: tuple[tuple[Frame, ...], ...], images: NDArray[np.uint8]) -> Outputs:
        B, T, H, W, _ = images.shape
        if not self._carries:
            outputs, _ = self._detector.step(images.reshape(B * T, 1, H, W, 3).transpose(0, 1, 4, 2, 3))
            return outputs.regroup(B, T)
        names = [stream[0].source for stream in streams]
        state = self._bank.gather(names, self._detector.zero_state(1, H, W))
        outputs, state = self._detector.step(images.transpose(0, 1, 4, 2, 3), state, self._elapsed_s(streams))
        self._bank.scatter(names, state)
        return outputs

    def _elapsed_s(self, streams: tuple[tuple[Frame, ...], ...]) -> NDArray[np.float32]:
        usual_s = self._detector.spec.training_dt_s
        rows = [[self._stream(frame.source).elapsed_s(frame, usual_s) for frame in stream] for stream in streams]
        return np.array(rows, np.float32)

    def _forget_if_resized(self, frame: Frame) -> None:
        size = frame.width, frame.height
        if self._stream(frame.source).size not in (None, size):
            self._forget(frame.source)
        self._stream(frame.source).size = size

    def _is_cut(self, source: str, image: Image) -> bool:
        """Whether the picture has nothing in common with the one before: neither its brightness nor its pattern."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = np.asarray(cv2.resize(grey, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)
        stream = self._stream(source)
        before, stream.thumbnail = stream.thumbnail, small
        if before is None or float(cv2.absdiff(small, before).mean()) < _CUT_DIFFERENCE:
            return False
        return float(cv2.matchTemplate(small, before, cv2.TM_CCOEFF_NORMED)[0, 0]) < _CUT_CORRELATION


def _check(settings: DetectSettings, detector: Detector) -> None:
    check_classes([*(settings.classes or ()), *settings.class_conf], detector.spec.classes)
    detector.spec.input.check_size(settings.image_size)


def _build(settings: DetectSettings, context: StageContext) -> Stage:
    def latest() -> DetectOptions:
        now: DetectOptions = context.changes.latest("detect", settings)
        if context.lowest_score >= now.lowest_conf:
            return now
        # The stage that asks for weaker boxes decides what is shown.
        return now.model_copy(update={"conf": context.lowest_score, "class_conf": {}})

    return detect(context.detector, settings, latest)


STAGE = StageEntry(
    "detect",
    _build,
    settings=DetectSettings,
    check=lambda settings, context: _check(settings, context.detector),
    adjustable=frozenset({"conf", "class_conf", "iou", "max_detections", "classes"}),
    takes="clips",
    gives=frozenset({"detections"}),
    state=DetectState,
    shows_pictures=False,
)
