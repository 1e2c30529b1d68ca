"""A detector run over videos, and as if they came live."""

from collections.abc import Iterator

import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.evaluation.trial import Way, run_trial, streaming_figures
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.outputs import DenseOutputs
from streamdet.models.recurrent.array_state import ArrayState

FRAMES = 12


class Walk:
    """A bright square that goes 4 pixels a frame to the right."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        for index in range(start, FRAMES if stop is None else stop):
            image = np.zeros((96, 160, 3), np.uint8)
            image[20:60, 20 + 4 * index : 60 + 4 * index] = 255
            yield image


class SquareFinder:
    """Finds the square where it is, and notes which frames it has seen."""

    spec, runtime = DetectorSpec("finder", ("car", "person"), "", InputSpec(160)), "test"

    def __init__(self):
        self.seen = []
        self.dt_s = []

    def zero_state(self, streams, height, width):
        return ArrayState.zeros(streams, [])

    def step(self, images, state=None, dt_s=None):
        B, T = images.shape[:2]
        boxes = np.zeros((B, T, 1, 4), np.float32)
        for b, t in np.ndindex(B, T):
            columns = np.flatnonzero(images[b, t, 0, 40] > 127)
            boxes[b, t, 0] = [columns[0], 20, columns[-1] + 1, 60]
            self.seen.append((int(columns[0]) - 20) // 4)
        self.dt_s += [] if dt_s is None else np.ravel(dt_s).tolist()
        scores = np.tile(np.float32([0.9, 0.0]), (B, T, 1, 1))
        return DenseOutputs(boxes, scores, self.spec.classes), self.zero_state(B, 0, 0)


def walk(build, **changes):
    frames = [build.labels([(20 + 4 * i, 20, 60 + 4 * i, 60, 0, 7)]) for i in range(FRAMES)]
    fields = {"width": 160, "height": 96, "frames": Walk(), **changes}
    return build.video(frames, **fields)


def test_a_trial_has_boxes_identities_and_times(build):
    trial = run_trial(SquareFinder(), [walk(build), walk(build, name="other")], Way())
    assert [video.name for video, _ in trial.pairs] == ["clip", "other"]
    for (_, found), seconds in zip(trial.pairs, trial.latencies_s, strict=True):
        assert [int(row.track_ids[0]) for row in found] == [1] * FRAMES
        assert len(seconds) == FRAMES
        assert 0 < seconds.sum() < trial.elapsed_s
    untracked = run_trial(SquareFinder(), [walk(build)], Way(), tracked=False)
    assert untracked.pairs[0][1][0].track_ids.tolist() == [-1]


def test_the_same_detections_for_other_labels(build):
    trial = run_trial(SquareFinder(), [walk(build)], Way())
    other = build.video([None] * FRAMES)
    assert trial.labelled_by([other]) == [(other, trial.pairs[0][1])]


def test_live_without_latency_is_plain_ap_and_runs_nothing_again(build):
    detector = SquareFinder()
    trial = run_trial(detector, [walk(build)], Way())
    figures = streaming_figures(detector, trial, Way(), build.classes, latency_s=0.0)
    assert (figures["ap"], figures["taken"], figures["latency_ms"]) == (1.0, 1.0, 0.0)
    assert len(detector.seen) == FRAMES


def test_live_with_latency_sees_only_the_frames_there_is_time_for(build):
    """250 ms a frame at 10 frames a second: free at 0.25, it takes frame 2, at 0.5 frame 5, and so on."""
    detector = SquareFinder()
    trial = run_trial(detector, [walk(build)], Way("features"))
    detector.seen, detector.dt_s = [], []
    figures = streaming_figures(detector, trial, Way("features"), build.classes, latency_s=0.25)
    assert detector.seen == [0, 2, 5, 7, 10, 11]
    assert detector.dt_s[1:] == pytest.approx([0.2, 0.3, 0.2, 0.3, 0.1])
    assert figures["taken"] == pytest.approx(6 / 12)
    # Shown are frame 0 in 3 and 4, 2 in 5 to 7, 5 in 8 and 9, 7 in 10 and 11. Three frames late are 12 pixels, IoU
    # 28 / 52, a hit; four are 16 pixels, a miss. In order: hit, miss, hit, miss, miss, hit, miss, hit, miss.
    # Precision is 1 up to a recall of 1/12 (9 of the 101 points), 2/3 up to 2/12 (8), 1/2 up to 4/12 (17).
    assert figures["ap50"] == pytest.approx((9 + 8 * 2 / 3 + 17 / 2) / 101)


def test_stills_are_no_stream(build):
    still = build.video([build.labels([])], width=160, height=96, frames=Walk())
    detector = SquareFinder()
    trial = run_trial(detector, [still], Way())
    with pytest.raises(ConfigError, match="the set holds stills"):
        streaming_figures(detector, trial, Way(), build.classes, latency_s=0.1)


def test_only_some_classes_are_looked_for(build):
    trial = run_trial(SquareFinder(), [walk(build)], Way(only=("nothing",)), tracked=False)
    assert not any(len(found) for _, frames in trial.pairs for found in frames)
