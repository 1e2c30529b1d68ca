"""Live sources go from one session to another, with a real RTSP server: state, tracks and the file continue."""

import json
import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest
from lively_detector import lively_detector
from rtsp_server import Live
from waiting import wait_until

from streamdet.frames import Place, StreamGap, StreamStarted
from streamdet.jobs.config import load_job
from streamdet.jobs.lasting import LastingSession
from streamdet.jobs.resume.checkpoints import packed, unpacked
from streamdet.media.locations import SourceSpec
from streamdet.result import Result
from streamdet.runtimes.torch import TorchDetector


@pytest.fixture
def camera(rtsp_server):
    return SourceSpec(rtsp_server({"/yard": Live(160, 96, 10, keyframe_every=5)}).url("/yard"), "yard", "network")


class Heard(LastingSession):
    """A session; `heard` keeps what it tells."""

    def __init__(self, config, detector):
        super().__init__(config, detector)
        self.heard = []
        self.listen(self.heard.append)


@pytest.fixture
def start(tmp_path):
    """Start a session."""
    detector = TorchDetector(lively_detector(channels=16, recurrent_channels=8), "cpu", "fp32")
    settings = [
        "stages=[decode, batch, detect, track, zones, record]",
        *("detect.conf=0.0", "detect.max_detections=5", f"record.path={tmp_path}/out/"),
        *("zones.hold_s=0.0", "zones.gone_s=60.0", "decode.stale_after_s=60.0"),
        "zones.areas={all: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}",
    ]
    with ExitStack() as stack:

        def run():
            session = Heard(load_job(None, settings), detector)
            session.start()
            thread = threading.Thread(target=session.wait)
            thread.start()
            stack.callback(thread.join)
            stack.callback(session.stop)
            return session

        yield run


def results(session):
    return [item for item in session.heard if isinstance(item, Result)]


def read(session, frames=12):
    """Wait for so many more frames."""
    before = len(results(session))
    wait_until(lambda: len(results(session)) >= before + frames)


def lines_of(tmp_path):
    text = (tmp_path / "out/yard.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def of_kind(lines, kind):
    return [line for line in lines if line["type"] == kind]


def appeared(lines):
    """Tracks that were in the area at first sight, each time."""
    return [line["track"] for line in of_kind(lines, "event") if line["kind"] == "appeared"]


def test_a_camera_goes_to_another_session_and_back(start, camera, tmp_path):
    first, second = start(), start()
    first.join(camera)
    read(first)
    # Through bytes, as between machines.
    checkpoint = first.hand_over("yard", 20.0)
    handed = unpacked(packed(checkpoint, first.about), "here").checkpoint
    assert handed.place == checkpoint.place
    assert set(handed.sections) == {"detect", "track", "zones", "record"}
    second.join(camera, handed)
    read(second)
    first.join(camera, second.hand_over("yard", 20.0))
    read(first)
    first.hand_over("yard", 20.0)

    lines = lines_of(tmp_path)
    assert len(of_kind(lines, "run")) == 1
    assert len(of_kind(lines, "end")) == 1
    assert lines[-1]["type"] == "end"
    assert not of_kind(lines, "gap")
    frames = of_kind(lines, "frame")
    assert {line["session"] for line in frames} == {0}
    numbers = [line["frame"] for line in frames]
    assert numbers == sorted(set(numbers))
    assert [line["time_s"] for line in frames] == sorted(line["time_s"] for line in frames)
    assert len(frames) == len(results(first)) + len(results(second))  # none is lost between them
    # Boxes that never move keep their ids across both moves, as the tracker and the recurrent state continue.
    tracks = [{each["track"] for each in line["detections"]} for line in frames]
    for number, before, after in zip(numbers[1:], tracks, tracks[1:], strict=False):
        assert before & after, f"other tracks from frame {number} on"
    # Whoever was inside is not there for the first time again.
    assert len(set(appeared(lines))) == len(appeared(lines)) > 0


def test_without_its_state_a_camera_starts_again_behind_a_gap(start, camera, tmp_path):
    first, second = start(), start()
    first.join(camera)
    read(first)
    handed = first.hand_over("yard", 20.0)
    sections = {"record": handed.sections["record"]}
    second.join(camera, replace(handed, sections=sections, place=replace(handed.place, exact=False)))
    read(second)
    second.hand_over("yard", 20.0)
    frames, gaps = of_kind(lines_of(tmp_path), "frame"), of_kind(lines_of(tmp_path), "gap")
    assert [(gap["session"], gap["reason"]) for gap in gaps] == [(1, "moved")]
    assert [line["session"] for line in frames] == sorted(line["session"] for line in frames)
    later = [line for line in frames if line["session"] == 1]
    assert later[0]["frame"] == handed.place.index + 1 + later[0]["dropped_before"]
    assert later[0]["time_s"] == pytest.approx(handed.place.last_s + gaps[0]["lost_s"], abs=0.01)
    again = appeared(lines_of(tmp_path))
    assert len(set(again)) < len(again)  # a tracker of its own, which numbers from 1


def test_state_that_is_too_old_is_not_used(start, camera):
    first, second = start(), start()
    first.join(camera)
    read(first)
    handed = first.hand_over("yard", 20.0)
    old = replace(handed.place, at=handed.place.at - 60.0)
    second.join(camera, replace(handed, place=old))
    read(second)
    [gap] = [item for item in second.heard if isinstance(item, StreamGap)]
    assert gap.reason == "moved"
    assert gap.lost_s > 60
    assert results(second)[0].session == 1


def test_a_camera_that_gives_nothing_has_nothing_to_hand_over(start):
    session = start()
    session.join(SourceSpec("rtsp://127.0.0.1:9/none", "none", "network"))
    assert session.hand_over("none", 20.0) is None
    with pytest.raises(KeyError):
        session.hand_over("none", 20.0)
    assert session.sources == set()


def test_a_new_camera_does_not_replace_a_file(start, camera, tmp_path):
    from streamdet.errors import ConfigError

    (tmp_path / "out").mkdir()
    (tmp_path / "out/yard.jsonl").write_text("mine\n")
    session = start()
    with pytest.raises(ConfigError, match="already exists"):
        session.join(camera)
    session.join(replace(camera, name="other"))
    read(session)
    assert [item.source for item in session.heard if isinstance(item, StreamStarted)] == ["other"]
    assert (tmp_path / "out/yard.jsonl").read_text() == "mine\n"


def test_a_place_is_kept_in_bytes(start):
    from streamdet.frames import Checkpoint

    place = Place(3, 120, 12.5, 1.7e9, exact=True)
    assert unpacked(packed(Checkpoint("yard", 7, place=place), {}), "here").checkpoint.place == place
