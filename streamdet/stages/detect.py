"""The detect stage: clips in, boxes out, one memory a stream.

Shapes: B streams, T frames, H, W pixels of the model image.
"""

import logging
from collections.abc import Iterator
from itertools import pairwise
from time import monotonic
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import Letterbox
from streamdet.errors import ConfigError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, Clip, Frame, Image, Marker, StreamEnded, StreamGap, StreamStarted
from streamdet.models.contract import Detector, Outputs
from streamdet.models.memory import MemoryBank
from streamdet.models.options import KEEP, DetectOptions
from streamdet.result import Result
from streamdet.runtimes.letterbox import shrink

_log = logging.getLogger(__name__)

_SHORTEST_DT_S = 1e-3
_THUMBNAIL = (32, 18)
_CUT_CORRELATION = 0.3
_CUT_DIFFERENCE = 20.0


def detect(
    detector: Detector,
    *,
    image_size: int | tuple[int, int] | None = None,
    options: DetectOptions = KEEP,
    memory: Literal["carry", "reset"] = "carry",
) -> Stage:
    """Clip -> Result of every frame, stream by stream; markers pass.

    Args:
        image_size: longer side of the model image in pixels, or (height, width); the model's own when None.
        options: which boxes are kept.
        memory: reset forgets after every frame.

    Raises:
        ConfigError: if the detector does not know a class.
    """
    spec = detector.spec
    unknown = sorted(set(options.classes or ()) - set(spec.classes))
    if unknown:
        raise ConfigError(f"{spec.name} does not know {', '.join(unknown)}; it finds {', '.join(spec.classes)}")

    def process(inbox: Inbox[Clip | Marker]) -> Iterator[Result | Marker]:
        watcher = _Watcher(detector, image_size, memory == "carry")
        for item in inbox:
            if not isinstance(item, Clip):
                if isinstance(item, StreamGap | StreamEnded):
                    watcher.forget(item.source)
                elif isinstance(item, Checkpoint):
                    watcher.save(item)
                elif isinstance(item, StreamStarted):
                    watcher.begin(item)
                yield item
                continue
            for frames, letterbox, outputs in watcher.look(item):
                for stream, rows in zip(frames, outputs.detections(options), strict=True):
                    for frame, row in zip(stream, rows, strict=True):
                        yield Result(frame, row.with_boxes(letterbox.restore(row.boxes)), _latency_s(frame))

    return Stage("detect", process)


def _latency_s(frame: Frame) -> float | None:
    return None if frame.captured_s is None else monotonic() - frame.captured_s


class _Watcher:
    """Letterboxes clips, keeps every stream's memory and knows when its last frame was."""

    def __init__(self, detector: Detector, image_size: int | tuple[int, int] | None, carries: bool) -> None:
        self._detector, self._image_size, self._carries = detector, image_size, carries
        self._bank = MemoryBank()
        self._last_s: dict[str, float] = {}
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._thumbnails: dict[str, Image] = {}
        self._first_dt_s: dict[str, float] = {}  # of streams that continue another file

    def begin(self, started: StreamStarted) -> None:
        """A stream that continues another one, or its own of an interrupted run, goes on with what was remembered."""
        before, source = started.goes_on_from, started.source
        if before is None:
            if started.memory is not None:
                size = (started.info.width, started.info.height, *started.memory.facts["detect"]["size"])
                what = "{}x{} pixels, the file before has {}x{}".format(*size)
                _log.warning("%s: begins without memory: it has %s", source, what)
            return
        facts, arrays = before.facts["detect"], dict(before.arrays["detect"])
        self._sizes[source] = tuple(facts["size"])
        self._thumbnails[source] = arrays.pop("thumbnail")
        if arrays:
            self._bank.restore(source, self._detector.state_from_arrays(arrays))
        if started.resume is not None and facts["last_s"] is not None:
            self._last_s[source] = facts["last_s"]
        elif started.resume is None:
            self._first_dt_s[source] = before.facts["decode"]["step_s"]

    def save(self, checkpoint: Checkpoint) -> None:
        """Add what is remembered of a stream."""
        source = checkpoint.source
        if source not in self._thumbnails:
            return
        state = self._bank.snapshot(source)
        memory = {} if state is None else state.to_arrays()
        checkpoint.arrays["detect"] = {**memory, "thumbnail": self._thumbnails[source]}
        checkpoint.facts["detect"] = {"last_s": self._last_s.get(source), "size": list(self._sizes[source])}

    def forget(self, source: str) -> None:
        """A gap or an end: this stream starts anew."""
        self._bank.drop(source)
        for known in (self._last_s, self._sizes, self._thumbnails, self._first_dt_s):
            known.pop(source, None)

    def look(self, clip: Clip) -> Iterator[tuple[tuple[tuple[Frame, ...], ...], Letterbox, Outputs]]:
        """Run the detector; a clip of one stream is split where its picture cuts to another scene."""
        first = clip.streams[0][0]
        letterbox = self._detector.spec.input.letterbox(first.width, first.height, self._image_size)
        B, T = len(clip.streams), len(clip.streams[0])
        images = np.empty((B, T, letterbox.model_height, letterbox.model_width, 3), np.uint8)
        cuts = {0, T}
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
                        self._forget_memory(frame.source)
        bounds = sorted(cuts)
        for start, stop in pairwise(bounds):
            part = tuple(stream[start:stop] for stream in clip.streams)
            if start > 0:
                self._forget_memory(clip.streams[0][0].source)
            yield part, letterbox, self._run(part, images[:, start:stop])

    def _forget_memory(self, source: str) -> None:
        """A cut: what was remembered is of another scene."""
        self._bank.drop(source)
        self._last_s.pop(source, None)
        self._first_dt_s.pop(source, None)

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
        rows = []
        for stream in streams:
            row = []
            for frame in stream:
                before_s = self._last_s.get(frame.source)
                first_s = self._first_dt_s.pop(frame.source, self._detector.spec.training_dt_s)
                dt_s = first_s if before_s is None else frame.pts_s - before_s
                row.append(max(dt_s, _SHORTEST_DT_S))
                self._last_s[frame.source] = frame.pts_s
            rows.append(row)
        return np.array(rows, np.float32)

    def _forget_if_resized(self, frame: Frame) -> None:
        size = frame.width, frame.height
        if self._sizes.get(frame.source, size) != size:
            self.forget(frame.source)
        self._sizes[frame.source] = size

    def _is_cut(self, source: str, image: Image) -> bool:
        """Whether the picture has nothing in common with the one before: neither its brightness nor its pattern."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = np.asarray(cv2.resize(grey, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)
        before, self._thumbnails[source] = self._thumbnails.get(source), small
        if before is None or float(cv2.absdiff(small, before).mean()) < _CUT_DIFFERENCE:
            return False
        return float(cv2.matchTemplate(small, before, cv2.TM_CCOEFF_NORMED)[0, 0]) < _CUT_CORRELATION
