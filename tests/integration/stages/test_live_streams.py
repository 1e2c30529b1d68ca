"""Many cameras before one detector, with a real RTSP server: what happens to one is none of the others' business."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from live_watcher import PATIENCE_S
from lively_detector import lively_detector
from rtsp_server import Live, clock_ms_in, now_ms

from streamdet.errors import SourceTimeout
from streamdet.flow import Run, Stage
from streamdet.frames import Clip, Frame, StreamEnded, StreamGap, StreamStarted
from streamdet.jobs.assemble import assemble
from streamdet.jobs.config import load_job
from streamdet.jobs.stream import stream
from streamdet.jobs.streams import Streams
from streamdet.media.locations import SourceSpec, expand_sources
from streamdet.models.options import DetectOptions
from streamdet.result import Result
from streamdet.runtimes.torch import TorchDetector
from streamdet.stages import detect as detect_stage
from streamdet.stages.batch import batch
from streamdet.stages.decode import DecodeSettings, Input
from streamdet.stages.detect import DetectSettings, detect
from streamdet.stages.track import track

STAGES = "stages=[decode, batch, detect, track]"
SMALL = Live(160, 96, 25)


@pytest.fixture(scope="module")
def detector() -> TorchDetector:
    """Weights that make the memory matter."""
    model = lively_detector(channels=16, recurrent_channels=8)
    return TorchDetector(model, "cpu", "fp32")


class Slow:
    """A detector that takes its time: so long for every frame."""

    def __init__(self, detector: TorchDetector, seconds: float) -> None:
        self._detector, self._seconds = detector, seconds
        self.steps_s: list[float] = []

    def __getattr__(self, name: str):
        return getattr(self._detector, name)

    def step(self, images, state=None, dt_s=None):
        began_s = time.monotonic()
        time.sleep(self._seconds * images.shape[0])
        found = self._detector.step(images, state, dt_s)
        self.steps_s.append(time.monotonic() - began_s)
        return found


class Watch:
    """Runs a job over sources in a thread, and keeps what went into the detector and what came out of the job.

    A context manager that stops the run as Ctrl-C does.
    """

    def __init__(self, sources, detector, monkeypatch, *settings: str) -> None:
        config = load_job(None, [STAGES, "detect.conf=0.0", "detect.max_detections=5", *settings])
        self.seen: list = []
        self.items: list = []
        self.ages_s: dict[str, list[float]] = defaultdict(list)
        self._changed = threading.Condition()
        entry = replace(
            detect_stage.STAGE,
            build=lambda settings, context: _tapped(detect(context.detector, settings), self.seen),
        )
        monkeypatch.setattr(detect_stage, "STAGE", entry)
        inputs = [Input(SourceSpec(url, name, "network")) for name, url in sources.items()]
        self.streams = Streams(inputs, config.settings(DecodeSettings))
        self.run = assemble(config, self.streams, detector)
        self._thread = threading.Thread(target=self._consume)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.run.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _consume(self) -> None:
        with self.run:
            for item in self.run:
                with self._changed:
                    self.items.append(item)
                    if isinstance(item, Result) and item.frame.captured_s is not None:
                        self.ages_s[item.source].append(time.monotonic() - item.frame.captured_s)
                    self._changed.notify_all()

    def of(self, source: str, kind: type = Result) -> list:
        return [item for item in list(self.items) if item.source == source and isinstance(item, kind)]

    def wait(self, happened: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        with self._changed:
            while not happened():
                assert time.monotonic() < deadline_s, [item for item in self.items if not isinstance(item, Result)]
                self._changed.wait(0.2)

    def wait_for(self, source: str, more: int = 5) -> None:
        before = len(self.of(source))
        self.wait(lambda: len(self.of(source)) >= before + more)


def _tapped(stage: Stage, seen: list) -> Stage:
    def process(inbox):
        def tapped():
            for item in inbox:
                seen.append(item)
                yield item

        yield from stage.process(tapped())

    return Stage(stage.name, process, stage.capacity)


def alone(detector, seen: list, source: str) -> list[Result]:
    """The frames and markers of one stream, as the detector got them, in a run of their own."""
    items = []
    for item in seen:
        if isinstance(item, Clip):
            items += [frame for frames in item for frame in frames if frame.source == source]
        elif item.source == source:
            items.append(item)
    stages = [
        batch(1),
        detect(detector, DetectSettings(conf=0.0, max_detections=5)),
        track(show=DetectOptions(conf=0.0)),
    ]
    with Run([Stage("decode", lambda inbox: iter(items))], stages, "inline") as run:
        return [item for item in run if isinstance(item, Result)]


def assert_as_alone(watch: Watch, detector, source: str) -> None:
    together, apart = watch.of(source), alone(detector, watch.seen, source)
    assert len(together) == len(apart) > 0
    for one, other in zip(together, apart, strict=True):
        assert (one.index, one.session, one.pts) == (other.index, other.session, other.pts)
        # Batches round differently, and at a limit of the association that is a little in the score.
        np.testing.assert_allclose(one.detections.scores, other.detections.scores, atol=0.02)
        np.testing.assert_allclose(one.detections.boxes, other.detections.boxes, atol=0.05)
        assert one.detections.track_ids.tolist() == other.detections.track_ids.tolist()


def test_streams_that_fail_come_and_go_give_what_they_give_alone(rtsp_server, detector, monkeypatch):
    steady = rtsp_server({"/a": SMALL, "/b": Live(128, 96, 15)})
    shaky = rtsp_server({"/c": SMALL})
    sources = {"a": steady.url("/a"), "c": shaky.url("/c"), "dead": "rtsp://127.0.0.1:1/x"}
    with Watch(sources, detector, monkeypatch) as watch:
        watch.wait_for("a")
        watch.wait_for("c")
        watch.streams.add(Input(SourceSpec(steady.url("/b"), "b", "network")))
        watch.wait_for("b")
        shaky.restart()
        watch.wait(lambda: len(watch.of("c", StreamGap)) == 1)
        watch.wait_for("c")
        watch.streams.remove("a")
        watch.wait(lambda: bool(watch.of("a", StreamEnded)))
        watch.streams.add(Input(SourceSpec(steady.url("/a"), "a-again", "network")))
        watch.wait_for("a-again")
        watch.wait_for("b")
    for source in ("a", "b", "c", "a-again"):
        assert_as_alone(watch, detector, source)
        assert next(type(item) for item in watch.items if item.source == source) is StreamStarted
        [ended] = watch.of(source, StreamEnded)
        assert ended.error is None
        assert ended.frames == len(watch.of(source))
        indices = [result.index for result in watch.of(source)]
        assert all(before < after for before, after in pairwise(indices))
    assert {result.session for result in watch.of("c")} == {0, 1}
    assert {result.session for source in "ab" for result in watch.of(source)} == {0}
    [dead] = watch.of("dead", StreamEnded)
    assert dead.frames == 0
    assert "rtsp://127.0.0.1:1/x: gave no frame" in dead.error
    assert watch.streams.names == {"b", "c", "dead", "a-again"}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamdet:")]


def test_a_stalled_stream_is_stale_and_slows_no_other(rtsp_server, detector, monkeypatch):
    steady, stalled = rtsp_server({"/a": SMALL}), rtsp_server({"/b": SMALL})
    sources = {"a": steady.url("/a"), "b": stalled.url("/b")}
    with Watch(sources, detector, monkeypatch, "decode.stale_after_s=0.5") as watch:
        watch.wait_for("a")
        watch.wait_for("b")
        stalled.sigstop()
        watch.wait(lambda: [gap.reason for gap in watch.of("b", StreamGap)] == ["stale"])
        watch.wait_for("a", 25)
        stalled.sigcont()
        watch.wait_for("b")
    for source in "ab":
        assert_as_alone(watch, detector, source)
    assert not watch.of("a", StreamGap)
    assert watch.of("b", StreamGap)[0].reason == "stale"


def test_frames_stay_young_and_no_stream_starves_before_a_slow_detector(rtsp_server, detector, monkeypatch):
    """Four cameras of 25 frames a second, and a detector that does ten a second: a clip of four takes 400 ms."""
    server = rtsp_server({f"/{name}": Live(160, 96, 25) for name in "abcd"})
    sources = {name: server.url(f"/{name}") for name in "abcd"}
    slow = Slow(detector, 0.1)
    with Watch(sources, slow, monkeypatch, "decode.max_staleness_s=null") as watch:
        for name in "abcd":
            watch.wait_for(name, 3)
        watch.wait_for("a", 8)
    counts = {name: len(watch.of(name)) for name in "abcd"}
    assert max(counts.values()) - min(counts.values()) <= 3, counts
    for name in "abcd":
        [ended] = watch.of(name, StreamEnded)
        assert ended.dropped == sum(ended.drops.values()) > len(watch.of(name))
        assert set(ended.drops) <= {"late", "keyframe"}
    # A frame is looked at at once; behind the clips before it, it would be two steps old and older.
    ages_s = [age for name in "abcd" for age in watch.ages_s[name][3:]]
    assert np.median(ages_s) < 1.5 * np.median(slow.steps_s) + 0.1
    assert min(result.latency_s for name in "abcd" for result in watch.of(name)) >= 0.1
    # What they are called is what they are: by the clock in their pictures.
    errors_ms = [now_ms(r.frame.wall_time.timestamp()) - clock_ms_in(r.image) for r in watch.of("a")]
    assert 0 <= np.median(errors_ms) < 1000


def test_every_frame_is_there_where_that_is_asked_for(rtsp_server, detector, monkeypatch):
    server = rtsp_server({"/a": Live(160, 96, 10)})
    with Watch({"a": server.url("/a")}, Slow(detector, 0.2), monkeypatch, "decode.mode=every-frame") as watch:
        watch.wait_for("a", 12)
    indices = [result.index for result in watch.of("a")]
    assert indices == list(range(indices[0], indices[0] + len(indices)))
    assert watch.of("a", StreamEnded)[0].drops == {}
    assert watch.ages_s["a"][-1] > watch.ages_s["a"][2] + 0.5


def test_a_camera_beside_a_file(rtsp_server, detector, monkeypatch, make_clip):
    server = rtsp_server({"/a": SMALL})
    [file] = expand_sources([str(make_clip(frames=20))])
    with Watch({"a": server.url("/a")}, Slow(detector, 0.02), monkeypatch) as watch:
        watch.wait_for("a")
        watch.streams.add(Input(file))
        watch.wait(lambda: bool(watch.of("walk", StreamEnded)))
        watch.wait_for("a")
    assert [result.index for result in watch.of("walk")] == list(range(20))
    assert {result.latency_s for result in watch.of("walk")} == {None}
    for source in ("a", "walk"):
        assert_as_alone(watch, detector, source)


def test_stream_of_cameras(rtsp_server, detector):
    server = rtsp_server({"/a": SMALL, "/b": SMALL}, user="cam", password="s3cret")
    with stream(server.url("/a"), detector, conf=0.0) as results:
        first = next(results)
        assert isinstance(first.frame, Frame)
        assert first.latency_s > 0
        [added] = results.add(server.url("/b"))
        assert results.sources == {first.source, added}
        while next(results).source != added:
            pass
        results.remove(first.source)
        with pytest.raises(KeyError):
            results.remove(first.source)
        results.remove(added)
        assert {result.source for result in results} <= {first.source, added}
        with pytest.raises(RuntimeError, match="over"):
            results.add(server.url("/b"))


def test_a_part_of_a_live_source(rtsp_server, detector):
    server = rtsp_server({"/a": SMALL})
    results = list(stream(server.url("/a"), detector, conf=0.0, max_frames=7, mode="every-frame"))
    assert len(results) == 7
    assert 0.4 < list(stream(server.url("/a"), detector, conf=0.0, end_s=1.0))[-1].pts_s < 1.0


def test_a_part_without_a_frame_fails(detector):
    with pytest.raises(SourceTimeout, match=r"rtsp://127\.0\.0\.1:1/x: gave no frame within 5\.\d s: cannot"):
        next(stream("rtsp://cam:s3cret@127.0.0.1:1/x", detector, end_s=0.5))


def test_a_live_stream_cannot_join_files(make_clip, detector):
    with stream(make_clip(frames=40), detector, frames_per_clip=1) as results:
        with pytest.raises(RuntimeError, match="inside its with block"):
            results.add(str(make_clip("b.mp4")))
        next(results)
        with pytest.raises(ValueError, match="is a live source; this run is for files"):
            results.add("rtsp://127.0.0.1:1/x")
