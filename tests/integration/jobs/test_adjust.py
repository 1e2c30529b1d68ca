"""What can be changed while a job runs: thresholds, areas and lines, and whether a source is read."""

import threading
from contextlib import contextmanager

import pytest
from waiting import wait_until

from streamdet.errors import ConfigError
from streamdet.frames import StreamGap
from streamdet.jobs.session import Session
from streamdet.result import Result

STAGES = "stages=[decode, batch, detect, track, zones]"
DOOR = {"lines": {"door": {"points": [[0.5, 0.0], [0.5, 1.0]]}}}


@contextmanager
def running(session):
    worker = threading.Thread(target=session.wait)
    worker.start()
    try:
        yield
    finally:
        session.stop()
        worker.join(60)


def test_thresholds_and_lines_take_effect_and_mistakes_change_nothing(make_clip, detector, plan_job):
    seen = []
    session = Session(plan_job([make_clip("a.mp4", 3000)], STAGES), detector, [seen.append])
    adjust = session.adjustments

    def latest():
        return next((item for item in reversed(seen) if isinstance(item, Result)), None)

    with running(session):
        wait_until(lambda: latest() is not None and len(latest().detections) == 5)
        adjust.change("detect", {"max_detections": 2})
        wait_until(lambda: len(latest().detections) == 2)
        adjust.change("zones", DOOR)
        wait_until(lambda: [place.name for place in latest().zones.places] == ["door"])
        for stage, values, said in (
            ("detect", {"conf": 7}, "expected at most 1, got 7"),
            ("detect", {"classes": ["dog"]}, "unknown class dog"),
            ("detect", {"model": "other"}, "detect.model cannot be changed while the job runs"),
            ("encode", {"crf": 20}, "encode is not part of this job"),
            ("zones", {"lines": {"door": {"points": [[0, 0]]}}}, r"zones: lines\.door\.points\[1\]: missing"),
        ):
            with pytest.raises(ConfigError, match=said):
                adjust.change(stage, values)
        assert adjust.settings_of("detect").max_detections == 2
        assert list(adjust.settings_of("zones").lines) == ["door"]


def test_a_file_pauses_and_continues_without_a_gap(make_clip, detector, plan_job):
    seen = []
    session = Session(plan_job([make_clip("a.mp4", 3000)], STAGES), detector, [seen.append])
    with running(session):
        wait_until(lambda: session.tally.frames > 3)
        session.streams.pause("a")
        wait_until(lambda: stands_still(session))
        assert session.streams.is_paused("a")
        before = session.tally.frames
        session.streams.resume("a")
        wait_until(lambda: session.tally.frames > before)
    indices = [item.index for item in seen if isinstance(item, Result)]
    assert indices == list(range(len(indices)))
    with pytest.raises(KeyError):
        session.streams.pause("b")


@pytest.mark.server
def test_a_camera_that_is_paused_is_let_go_and_comes_back_after_a_gap(rtsp_server, detector, plan_job):
    from rtsp_server import Live

    seen = []
    server = rtsp_server({"/live": Live()})
    session = Session(plan_job([server.url("/live")], STAGES), detector, [seen.append])
    [name] = session.sources
    with running(session):
        wait_until(lambda: session.tally.frames > 3)
        session.streams.pause(name)
        wait_until(lambda: stands_still(session))
        before = session.tally.frames
        session.streams.resume(name)
        wait_until(lambda: session.tally.frames > before + 3)
    results = [item for item in seen if isinstance(item, Result)]
    [gap] = [item for item in seen if isinstance(item, StreamGap)]
    assert (gap.reason, gap.session, gap.lost_s > 0.4) == ("paused", 1, True)
    times_s = [result.pts_s for result in results]
    assert times_s == sorted(set(times_s))
    first = next(result for result in results if result.session == 1)
    assert first.pts_s - results[results.index(first) - 1].pts_s == pytest.approx(gap.lost_s, abs=0.001)


def stands_still(session):
    before = session.tally.frames
    threading.Event().wait(0.5)
    return session.tally.frames == before
