"""Trackers by name, and the thresholds that all of them take."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.tracking import library, registry
from streamdet.tracking.byte_tracker import ByteTracker
from streamdet.tracking.options import TrackOptions
from streamdet.tracking.registry import build_tracker, tracker_names
from streamdet.tracking.tracker import SavableTracker

CLASSES = ("person", "car")
SIZE = (1280, 720)


def boxes(*lefts, score=0.9):
    rows = np.array([(left, 100.0, left + 60.0, 200.0) for left in lefts]).reshape(-1, 4)
    return Detections.of(rows, np.full(len(rows), score), np.zeros(len(rows)), CLASSES)


def test_thresholds_follow_the_scores_of_the_detector():
    options = TrackOptions(high_score=0.5, start_score=0.4, confirm_score=0.7)
    for conf, expected in (
        (0.25, (0.5, 0.4, 0.7)),
        (0.04, (0.2, 0.16, 0.28)),
        (0.45, (0.5, 0.45, 0.7)),
        (0, (0, 0, 0)),
    ):
        got = options.thresholds(conf)
        assert (got.high_score, got.start_score, got.confirm_score) == pytest.approx(expected)


def test_a_higher_start_gives_fewer_boxes_an_id():
    found = [boxes(100, score=0.4) for _ in range(5)]
    for start, expected in ((0.3, 1), (0.45, -1)):
        tracker = build_tracker(TrackOptions(tracker="byte", start_score=start), conf=0.25)
        assert [tracker.update(one, 0.04 * n, SIZE).track_ids.tolist() for n, one in enumerate(found)][-1] == [expected]


@pytest.mark.parametrize("name", tracker_names())
def test_every_tracker_follows_two_who_walk(name):
    tracker = build_tracker(TrackOptions(tracker=name), conf=0.25)
    times_s = np.cumsum([0.0, *[0.04, 0.04, 0.08] * 8])
    found = [tracker.update(boxes(100 + 50 * t, 500 - 50 * t), float(t), SIZE) for t in times_s]
    # From left to right: the best comes first, and here both are as good.
    tracked = [each.track_ids[np.argsort(each.boxes[:, 0])].tolist() for each in found]
    assert tracked[-1] == tracked[6]
    assert len(set(tracked[-1])) == 2
    assert min(tracked[-1]) >= 1


@pytest.mark.parametrize("name", tracker_names()[1:])
def test_every_tracker_takes_what_may_come(name):
    """Nothing, boxes that are none, times that stand still or go back; rows keep their order and number."""
    tracker = build_tracker(TrackOptions(tracker=name), conf=0.25)
    odd = Detections.of(
        [[np.nan, 0, 1, 1], [100, 100, 160, 200], [5, 5, 5, 9], [300, 100, 360, 200]],
        [0.9, 0.9, 0.9, 0.3],
        [0, 0, 1, 0],
        CLASSES,
    )
    for time_s in (0.0, 0.04, 0.04, 0.02, 0.08, 5.0):
        tracked = tracker.update(odd, time_s, SIZE)
        assert tracked.boxes is odd.boxes
        assert tracked.track_ids[[0, 2]].tolist() == [-1, -1]
        assert len(tracker.update(Detections.empty(CLASSES), time_s, SIZE)) == 0


@pytest.mark.parametrize("name", tracker_names())
def test_after_a_reset_no_id_comes_twice(name):
    tracker = build_tracker(TrackOptions(tracker=name), conf=0.25)
    seen = [set(tracker.update(boxes(100, 400), 0.04 * n, SIZE).track_ids.tolist()) for n in range(6)]
    tracker.reset()
    again = [set(tracker.update(boxes(100, 400), 0.04 * n, SIZE).track_ids.tolist()) for n in range(6)]
    before, after = set().union(*seen) - {-1}, set().union(*again) - {-1}
    assert before
    assert after
    assert not before & after


@pytest.mark.parametrize("name", tracker_names())
def test_who_is_lost_for_too_long_is_somebody_else(name):
    def last_ids(gap_s):
        tracker = build_tracker(TrackOptions(tracker=name, lost_s=2.0, carry_s=2.0), conf=0.25)
        before = [tracker.update(boxes(100), 0.04 * n, SIZE).track_ids[0] for n in range(8)][-1]
        for n in range(int(gap_s / 0.04)):
            tracker.update(Detections.empty(CLASSES), 0.32 + 0.04 * n, SIZE)
        return before, [tracker.update(boxes(100), 0.32 + gap_s + 0.04 * n, SIZE).track_ids[0] for n in range(8)][-1]

    before, after = last_ids(1.0)
    assert before == after
    before, after = last_ids(3.0)
    assert before != after


def test_only_our_own_can_be_saved():
    for name in ("memory", "byte"):
        assert isinstance(build_tracker(TrackOptions(tracker=name), 0.25), SavableTracker)
    for name in library.NAMES:
        assert not isinstance(build_tracker(TrackOptions(tracker=name), 0.25), SavableTracker)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(ConfigError, match=r"ocsort needs the package trackers: pip install 'streamdet\[trackers"):
        build_tracker(TrackOptions(tracker="ocsort"), 0.25)


@pytest.mark.parametrize(
    ("name", "hint"), [("ocsrt", "did you mean ocsort?"), ("zzz", "expected one of memory, byte, botsort")]
)
def test_a_tracker_that_nobody_knows_fails(name, hint):
    with pytest.raises(ConfigError, match=f"unknown tracker {name}; {hint}".replace("?", "[?]")):
        build_tracker(TrackOptions(tracker=name), 0.25)


def make_plugin(options, conf):
    return ByteTracker(options, conf)


def make_broken(options, conf):
    raise RuntimeError("no licence")


def plug_in(monkeypatch, builder):
    def entry_points(*, group, name=None):
        assert group == "streamdet.trackers"
        point = EntryPoint("mine", f"plugin:{builder.__name__}", group)
        return [point] if name in (None, "mine") else []

    monkeypatch.setattr(registry, "entry_points", entry_points)
    monkeypatch.setitem(sys.modules, "plugin", sys.modules[__name__])


def test_a_plugin_is_a_tracker(monkeypatch):
    plug_in(monkeypatch, make_plugin)
    assert tracker_names()[-1] == "mine"
    assert isinstance(build_tracker(TrackOptions(tracker="mine"), 0.25), ByteTracker)


def test_a_plugin_that_fails_is_named(monkeypatch):
    plug_in(monkeypatch, make_broken)
    with pytest.raises(ConfigError, match="tracker mine: plug-in plugin:make_broken cannot be loaded: no licence"):
        build_tracker(TrackOptions(tracker="mine"), 0.25)
