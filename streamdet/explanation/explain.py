"""Runs a detector and the object memory over a video, and notes what is due to what came before.

Shapes: N boxes of one frame.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_iou
from streamdet.detections import Detections
from streamdet.explanation.gates import GateMaps, GateProbe, finest, network_of
from streamdet.explanation.saliency import Look, Saliency, saliency
from streamdet.explanation.support import feature_support, joined
from streamdet.frames import Frame, Image
from streamdet.media.read.source import open_source
from streamdet.models.contract import Detector, Memory
from streamdet.models.options import DetectOptions
from streamdet.runtimes.letterbox import shrink
from streamdet.tracking.memory.tracker import MemoryTracker, TrackGates, lowest_score
from streamdet.tracking.options import TrackOptions

_WEAK = 0.02
"""Boxes of this score count where scores are compared."""
_SHOWN_WIDTH = 640
_SHORTEST_DT_S = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame.

    Attributes:
        index, time_s: of the frame.
        image: (h, w, 3) uint8 RGB, at most 640 pixels wide.
        detections: in pixels of this image; `support` is what is due to either memory.
        objects: (N,) float64, 0 to 1: due to the object memory.
        features: (N,) float64, 0 to 1: due to the detector's recurrent state, by ablation.
        gates: of the ConvLSTM of the finest level; None of a detector without, or outside torch.
        tracks: gates of the object memory, by track id.
    """

    index: int
    time_s: float
    image: Image
    detections: Detections
    objects: NDArray[np.float64]
    features: NDArray[np.float64]
    gates: GateMaps | None
    tracks: dict[int, TrackGates]


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What one box rests on.

    Attributes:
        track_id, class_name, score, support: of the box.
        box: (4,) xyxy, pixels of the images.
        images: the last frames that the detector saw, (H, W, 3) uint8 RGB each, the one with the box last.
        times_s: of them.
        saliency: of them, in the eyes of the detector.
        needed: (N,) float64, 0 to 1: how much of the object's score and box the object memory loses without the
            detections of that frame.
    """

    track_id: int
    class_name: str
    score: float
    support: float
    box: NDArray[np.float32]
    images: Sequence[Image]
    times_s: Sequence[float]
    saliency: Saliency
    needed: NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Explanation:
    """What the memories did in a video.

    Attributes:
        source, model, runtime: what was run.
        moments: of every frame.
        bases: of some boxes, those that owe most to the past.
    """

    source: str
    model: str
    runtime: str
    moments: list[Moment] = field(default_factory=list)
    bases: list[Basis] = field(default_factory=list)

    def page(self) -> str:
        """One HTML page with all pictures inside."""
        from streamdet.explanation.page import page_of

        return page_of(self)

    def save(self, path: str | Path) -> Path:
        """Write the page.

        Raises:
            SinkError: it cannot be written.
        """
        from streamdet.explanation.page import write_page

        return write_page(self.page(), Path(path))

    def _repr_html_(self) -> str:
        """The page in a frame of its own, for notebooks."""
        from streamdet.explanation.page import framed

        return framed(self.page())


def explain(
    source: str | Path,
    detector: Detector,
    *,
    conf: float = 0.25,
    image_size: int | tuple[int, int] | None = None,
    last: int = 8,
    boxes: int = 3,
    start_s: float | None = None,
    end_s: float | None = None,
    max_frames: int | None = 250,
    tell: Callable[[], None] = lambda: None,
) -> Explanation:
    """Run over a source and note what is due to the past.

    Args:
        source: a video, a folder of pictures, or anything else that ends.
        detector: of `streamdet.load`; in runtime torch its gates are shown as well.
        conf: lowest score of a box that is shown.
        image_size: as of `streamdet run --imgsz`.
        last: how many frames before a box are looked at for what it rests on.
        boxes: of how many boxes that is found out.
        start_s, end_s, max_frames: the part of the source.
        tell: is called after every frame.

    Raises:
        SourceError: it cannot be read.
        ModelError: the detector cannot be run.
    """
    watcher, keeper = _Watcher(detector, conf, image_size), _Keeper(boxes, last)
    network = network_of(detector)
    with (
        open_source(source, start_s=start_s, end_s=end_s, max_frames=max_frames) as opened,
        nullcontext() if network is None else GateProbe(network) as probe,
    ):
        explanation = Explanation(opened.info.location, detector.spec.name, detector.runtime)
        for frame in opened:
            if isinstance(frame, Frame):
                seen, moment = watcher.look(frame, probe)
                explanation.moments.append(moment)
                keeper.see(seen, moment)
                tell()
    weak = DetectOptions(conf=min(_WEAK, lowest_score(conf)))
    explanation.bases = [_basis(detector, kept, weak, conf) for kept in keeper.best()]
    return explanation


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A frame as the detector saw it, and how its pixels lie in the moment's picture."""

    look: Look
    found: Detections
    frame_size: tuple[int, int]
    tracks: dict[str, NDArray[Any]]  # before the frame
    time_s: float
    scale: float  # pixels of the model image to a pixel of the moment's picture
    inside: tuple[int, int]  # height and width of the model image without its padding


class _Watcher:
    """Looks at every frame twice, with the state and without."""

    def __init__(self, detector: Detector, conf: float, image_size: int | tuple[int, int] | None) -> None:
        self._detector, self._image_size = detector, image_size
        self._weak = DetectOptions(conf=min(_WEAK, lowest_score(conf)))
        self._tracker = MemoryTracker(TrackOptions(), conf)
        self._state: Memory | None = None
        self._before_s: float | None = None

    def look(self, frame: Frame, probe: GateProbe | None) -> tuple[_Seen, Moment]:
        """The next frame; the probe listens to the detector."""
        spec = self._detector.spec
        letterbox = spec.input.letterbox(frame.width, frame.height, self._image_size, frame.pixel_aspect)
        image = np.empty((letterbox.model_height, letterbox.model_width, 3), np.uint8)
        shrink(frame.picture, letterbox, spec.input.padding, image)
        look, zero = self._prepared(frame, image)
        alone, _ = self._found(look, zero)
        if probe is not None:
            probe.take()
        found, self._state = self._found(look, look.state)
        gates = None if probe is None else finest(probe.take())
        seen, without = found.restored(letterbox), alone.restored(letterbox)
        tracks = self._tracker.state_dict()
        moment = self._moment(frame, seen, without, None if gates is None else gates.cut(letterbox))
        inside = letterbox.scaled_height, letterbox.scaled_width
        size, scale = (frame.width, frame.height), letterbox.scaled_width / moment.image.shape[1]
        return _Seen(look, seen, size, tracks, frame.pts_s, scale, inside), moment

    def _prepared(self, frame: Frame, image: Image) -> tuple[Look, Memory]:
        """What the detector gets, and an empty state."""
        zero = self._detector.zero_state(1, *image.shape[:2])
        state = zero if self._state is None or self._state.layout != zero.layout else self._state
        usual_s = self._detector.spec.training_dt_s
        elapsed_s = usual_s if self._before_s is None else max(frame.pts_s - self._before_s, _SHORTEST_DT_S)
        self._before_s = frame.pts_s
        return Look(np.ascontiguousarray(image.transpose(2, 0, 1)), state, elapsed_s), zero

    def _found(self, look: Look, state: Memory) -> tuple[Detections, Memory]:
        outputs, after = self._detector.step(look.image[None, None], state, np.array([[look.dt_s]], np.float32))
        [[found]] = outputs.detections(self._weak)
        return found, after

    def _moment(self, frame: Frame, seen: Detections, alone: Detections, gates: GateMaps | None) -> Moment:
        refined = self._tracker.update(seen, frame.pts_s, (frame.width, frame.height))
        objects = np.zeros(len(refined)) if refined.support is None else refined.support.astype(np.float64)
        features = feature_support(refined.boxes, seen, alone)
        share = min(1.0, _SHOWN_WIDTH / frame.width)
        width, height = max(1, round(frame.width * share)), max(1, round(frame.height * share))
        shown = Detections.of(
            refined.boxes * np.array([width / frame.width, height / frame.height] * 2, np.float32),
            refined.scores,
            refined.class_ids,
            refined.classes,
            refined.track_ids,
            support=joined(objects, features),
            carried=refined.carried,
        )
        image = frame.picture.scaled(width, height)
        return Moment(frame.index, frame.pts_s, image, shown, objects, features, gates, self._tracker.gates())


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A box, and the frames up to it."""

    row: int
    moment: Moment
    seen: tuple[_Seen, ...]

    @property
    def track_id(self) -> int:
        return int(self.moment.detections.track_ids[self.row])

    @property
    def worth(self) -> float:
        found = self.moment.detections
        return 0.0 if found.support is None else float(found.support[self.row] * found.scores[self.row])


class _Keeper:
    """Keeps the boxes that owe most to the past and were found in their frame, one of each track."""

    def __init__(self, boxes: int, last: int) -> None:
        self._boxes, self._last = boxes, deque[_Seen](maxlen=last)
        self._kept: list[_Kept] = []

    def see(self, seen: _Seen, moment: Moment) -> None:
        """The next frame."""
        self._last.append(seen)
        found = moment.detections
        if len(self._last) < (self._last.maxlen or 0) or found.carried is None or not self._boxes:
            return
        latest = tuple(self._last)
        self._kept += [_Kept(row, moment, latest) for row in np.flatnonzero(~found.carried).tolist()]
        best: dict[int, _Kept] = {}
        for kept in sorted(self._kept, key=lambda each: -each.worth):
            best.setdefault(kept.track_id, kept)
        self._kept = list(best.values())[: self._boxes]

    def best(self) -> list[_Kept]:
        """Them, the most first."""
        return self._kept


def _needed(kept: _Kept, conf: float) -> NDArray[np.float64]:
    """What each frame is to the object memory, found by leaving it out."""
    whole = _worth_without(kept, conf, None)
    worths = np.array([_worth_without(kept, conf, frame) for frame in range(len(kept.seen))])
    return np.clip(1 - worths / max(whole, 1e-6), 0, 1)


def _worth_without(kept: _Kept, conf: float, left_out: int | None) -> float:
    """Score of the object after the last frame, less where its box has moved, without the detections of one frame."""
    first, last = kept.seen[0], kept.seen[-1]
    tracker = MemoryTracker(TrackOptions(), conf, floor=_WEAK)
    if len(first.tracks["classes"]):
        tracker.load_state_dict(first.tracks)
    refined = first.found
    for number, seen in enumerate(kept.seen):
        found = seen.found[:0] if number == left_out else seen.found
        refined = tracker.update(found, seen.time_s, seen.frame_size)
    box = kept.moment.detections.boxes[kept.row] * (last.frame_size[0] / kept.moment.image.shape[1])
    overlaps = box_iou(box[None].astype(np.float32), refined.boxes)[0]
    return float((overlaps * refined.scores).max(initial=0.0))


def _basis(detector: Detector, kept: _Kept, weak: DetectOptions, conf: float) -> Basis:
    found, seen = kept.moment.detections, kept.seen
    height, width = seen[-1].inside
    box = (found.boxes[kept.row] * seen[-1].scale).astype(np.float32)
    rests = saliency(detector, [each.look for each in seen], box, weak)
    if rests.maps is not None:
        rests = Saliency(rests.frames, rests.maps[:, :height, :width])
    return Basis(
        kept.track_id,
        str(found.class_names[kept.row]),
        float(found.scores[kept.row]),
        float(0.0 if found.support is None else found.support[kept.row]),
        box,
        [each.look.image.transpose(1, 2, 0)[:height, :width] for each in seen],
        [each.time_s for each in seen],
        rests,
        _needed(kept, conf),
    )
