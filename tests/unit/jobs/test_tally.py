"""What is counted while a run goes on."""

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.flow import Run, Stage
from streamdet.frames import Frame, RgbPicture, StreamEnded, StreamInfo, StreamStarted
from streamdet.jobs.tally import SourceTally, Tally
from streamdet.media.locations import SourceSpec
from streamdet.result import Result

INFO = StreamInfo("a.mp4", 4, 4, Fraction(1, 10), duration_s=5.0)


def frame(index, dropped_before=0, duration=1):
    image = np.zeros((4, 4, 3), np.uint8)
    timing = {"dropped_before": dropped_before, "decoded_s": time.perf_counter()}
    return Frame("a", 0, index, index, Fraction(1, 10), RgbPicture(image), duration, **timing)


def test_counts_and_times():
    tally = Tally([SourceSpec("rtsp://user:s3cret@host/a", "a", "network"), SourceSpec("b.mp4", "b", "file")])
    items = [
        StreamStarted("a", INFO),
        frame(0),
        frame(3, dropped_before=2),
        StreamEnded("a", 2, 2, 1, "broke off", {"late": 2}),
    ]
    with Run([Stage("items", lambda inbox: iter(items))], []) as run:
        for item in run:
            tally.count(Result(item, Detections.empty(("x",))) if isinstance(item, Frame) else item)
    found = tally.sources["a"]
    assert found == SourceTally(
        "a", "rtsp://host/a", 2, 2, 1, 5.0, pytest.approx(0.6), "broke off", True, drops={"late": 2}
    )
    assert tally.sources["b"] == SourceTally("b", "b.mp4")
    assert tally.frames == 2
    latency_ms = tally.latency_ms()
    assert 0 < latency_ms["p50"] <= latency_ms["p95"] <= latency_ms["p99"] <= latency_ms["max"] < 10_000


def test_no_frames_no_latency():
    assert Tally([]).latency_ms() is None


@pytest.mark.parametrize(
    "frames", [[frame(0), frame(20), frame(40)], [frame(0), frame(1), frame(2, duration=45)]], ids=["stride", "long"]
)
def test_the_last_frame_lasts(frames):
    tally = Tally([SourceSpec("a.mp4", "a", "file")])
    items = [StreamStarted("a", INFO), *frames, StreamEnded("a", len(frames))]
    with Run([Stage("items", lambda inbox: iter(items))], []) as run:
        for item in run:
            tally.count(Result(item, Detections.empty(("x",))) if isinstance(item, Frame) else item)
    assert tally.sources["a"].read_s == pytest.approx(6.0 if frames[1].pts == 20 else 4.7)
    assert not tally.sources["a"].seems_cut_off


@pytest.mark.parametrize(
    ("announced_s", "read_s", "ended", "expected"),
    [
        (10.0, 4.0, True, True),
        (10.0, 9.96, True, False),
        (10.0, 4.0, False, False),
        (0.9, 0.0, True, False),
        (1000.0, 960.0, True, False),
        (None, 3.0, True, False),
    ],
)
def test_cut_off(announced_s, read_s, ended, expected):
    source = SourceTally("a", "a.mp4", announced_s=announced_s, read_s=read_s, ended=ended)
    assert source.seems_cut_off == expected


def test_live_frames_are_timed_from_their_capture_on_by_source():
    tally = Tally([SourceSpec("rtsp://h/a", "a", "network"), SourceSpec("b.mp4", "b", "file")])
    assert tally.latency_s() is None
    live = [replace(frame(n), captured_s=time.monotonic() - age_s, session=n) for n, age_s in enumerate((5, 20))]
    with Run([Stage("items", lambda inbox: iter(live), 0, True)], []) as run:
        for item in run:
            tally.count(Result(item, Detections.empty(("x",))))
    assert tally.latency_s("b") is None
    assert tally.latency_s() == tally.latency_s("a")
    assert 4.9 < tally.latency_s("a")["p50"] < 15 < tally.latency_s("a")["max"] < 100
    assert tally.sources["a"].sessions == 2


def test_a_source_that_joins_is_counted_and_one_that_could_not_is_forgotten():
    tally = Tally([])
    for name in "ab":
        tally.add(SourceSpec(f"rtsp://h/{name}", name, "network"))
    tally.discard("b")
    assert [source.location for source in tally.sources.values()] == ["rtsp://h/a"]
