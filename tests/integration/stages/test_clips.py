"""Clips of what happened: they start before it, are copied where that can be, and are kept for a while."""

import json
import os
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from rtsp_server import Live, clock_ms_in, now_ms
from waiting import wait_until

from streamdet.detections import Detections
from streamdet.flow import Run, Stage
from streamdet.frames import Frame, RgbPicture, StreamGap, StreamInfo, StreamStarted
from streamdet.jobs.config import load_job
from streamdet.jobs.plan import plan
from streamdet.jobs.session import Session
from streamdet.media.packets import PacketLimits, PacketRing
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.encoded_packets import EncodedPackets
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.per_frame import PerFrameDetector
from streamdet.result import Result, ZoneEvent, ZoneReport
from streamdet.stages.clips import ClipSettings, clips

FPS, SIZE = 10, (64, 48)


def result(number, *kinds, size=SIZE, noise=False):
    """A frame whose picture says its number in the brightness of its halves."""
    image = np.full((size[1], size[0], 3), 16 * (number % 16), np.uint8)
    image[:, size[0] // 2 :] = 16 * (number // 16)
    if noise:
        image = np.random.default_rng(number).integers(0, 256, image.shape, np.uint8)
    frame = Frame("yard", 0, number, number, Fraction(1, FPS), RgbPicture(image), 1)
    events = tuple(ZoneEvent(kind, "gate", number / FPS, 7, "person") for kind in kinds)
    return Result(frame, Detections.empty(("person",)), zones=ZoneReport((), events))


def through(settings, items, delivery=None):
    started = StreamStarted("yard", StreamInfo("yard", *SIZE, Fraction(1, FPS), Fraction(FPS)))
    stage = clips(settings, delivery or Delivery("clips/", "clips"))
    with Run([Stage("items", lambda inbox: iter([started, *items]))], [stage], "inline") as run:
        return [item for item in run if isinstance(item, Result)]


def happening(count, *at, kind="line", **more):
    return [result(number, *([kind] if number in at else []), **more) for number in range(count)]


@pytest.fixture
def settings(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    return ClipSettings(path=str(folder), before_s=2.0, after_s=1.0, longest_s=8.0)


def numbers_in(path):
    with av.open(str(path)) as file:
        images = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    ones, sixteens = (
        [round(float(image[:, part].mean()) / 16) for image in images] for part in (slice(28), slice(36, 64))
    )
    return [one + 16 * sixteen for one, sixteen in zip(ones, sixteens, strict=True)]


def files(settings):
    return sorted(Path(settings.path).glob("*/*.mp4"))


def test_a_clip_starts_before_its_event_and_ends_after_it(settings):
    found = through(settings, happening(100, 50))
    [path] = files(settings)
    numbers = numbers_in(path)
    assert 20 <= numbers[0] <= 30, "from the keyframe before"
    assert numbers[-1] == 60
    assert numbers == list(range(numbers[0], 61)), "no frame is missing"
    [event] = [event for each in found for event in each.zones.events]
    assert event.clip == f"yard/{path.name}" == "yard/00-000005-000.mp4"
    beside = json.loads(path.with_suffix(".json").read_text())
    assert [(line["kind"], line["time_s"]) for line in beside["events"]] == [("line", 5.0)]
    assert list(Path(settings.path).rglob("*.part")) == []


def test_more_events_prolong_it_up_to_its_longest_and_others_get_none(settings):
    found = through(settings, happening(200, *range(50, 150, 5)) + happening(0))
    lengths = [len(numbers_in(path)) / FPS for path in files(settings)]
    assert len(lengths) >= 2
    assert max(lengths) <= 8.0 + 1.1
    assert {event.clip for each in found for event in each.zones.events} == {f"yard/{p.name}" for p in files(settings)}
    assert [event.clip for each in through(settings, happening(20, 9, kind="left")) for event in each.zones.events] == [
        None
    ]


def test_a_gap_ends_a_clip(settings):
    items = happening(60, 55)
    through(settings, [*items, StreamGap("yard", 1, "reconnected"), *(result(n) for n in range(60, 90))])
    [path] = files(settings)
    assert numbers_in(path)[-1] == 59


def test_what_is_kept_in_memory_is_bounded_by_time_and_by_bytes():
    stream, packets = encoded(300)
    for limits in (PacketLimits(3.0, 10**9), PacketLimits(1000.0, 3_000_000)):
        ring = PacketRing(limits)
        ring.connect(stream)
        ring.align(100.0)
        most = 0
        for packet in packets:
            ring.add(packet)
            most = max(most, ring.bytes)
        kept = ring.since(0.0)
        assert kept[0].is_keyframe
        assert most <= limits.bytes
        if limits.seconds < 100:
            assert 3.0 <= kept[-1].pts_s - kept[0].pts_s <= 4.0, "a second from keyframe to keyframe"
    assert ring.since(100.0 + 29.5)[0].pts_s <= 29.5


def encoded(count):
    """Packets of a video with a keyframe every second."""
    container = av.open(os.devnull, "w", format="matroska")
    stream = container.add_stream("libx264", rate=FPS, options={"g": str(FPS), "preset": "ultrafast"})
    stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
    images = np.random.default_rng(0).integers(0, 256, (8, 192, 320, 3), np.uint8)
    container.start_encoding()
    frames = [av.VideoFrame.from_ndarray(images[n % 8]) for n in range(count)]
    packets = [packet for frame in [*frames, None] for packet in stream.encode(frame)]
    return stream, packets


def test_a_full_disk_is_said_once_and_events_continue(small_disk, caplog):
    folder = small_disk(300)
    settings = ClipSettings(path=str(folder), before_s=1.0, after_s=1.0)
    said = []
    delivery = Delivery("clips/", "clips", changed=lambda changed: said.append(changed.failing))
    found = through(settings, happening(200, 20, 60, 100, 140, noise=True, size=(320, 192)), delivery)
    assert len(found) == 200
    assert sum(len(each.zones.events) for each in found) == 4
    assert len(said) == 1
    assert said[0].endswith("clips cannot be written: No space left on device")
    assert list(folder.rglob("*.part")) == []


def test_old_clips_are_removed_by_age_and_by_size(settings):
    yard = Path(settings.path) / "yard"
    yard.mkdir()
    for age_days, size in ((40, 10), (3, 600_000), (2, 600_000), (1, 100_000)):
        for ending in (".mp4", ".json"):
            path = yard / f"{age_days}{ending}"
            path.write_bytes(bytes(size))
            os.utime(path, times=(time.time() - 86_400 * age_days,) * 2)
    through(settings.model_copy(update={"keep_gb": 0.001, "keep_days": 30.0}), happening(60, 30))
    assert sorted(path.name for path in yard.iterdir() if len(path.stem) < 4) == ["1.json", "1.mp4", "2.json", "2.mp4"]
    assert len(files(settings)) == 3


def test_a_clip_that_a_killed_process_has_left_gets_its_name(settings, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("streamdet.media.packets.PacketClip.close", lambda self: None)
        through(settings, happening(100, 50))
    [part] = Path(settings.path).rglob("*.part")
    assert files(settings) == []
    through(settings, happening(5))
    [path] = files(settings)
    assert path.name == part.name[1 : -len(".part")]
    assert numbers_in(path)[-1] >= 55


class Sight:
    """A detector that sees somebody from when it is told to."""

    def __init__(self):
        self.seen = threading.Event()

    def __call__(self, images):
        boxes = [[40.0, 60.0, 80.0, 120.0]] if self.seen.is_set() else []
        return [Detections.of(np.reshape(boxes, (-1, 4)), [0.9] * len(boxes), [0] * len(boxes), ("person",))] * len(
            images
        )


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
@pytest.mark.parametrize("anonymised", [False, True])
def test_of_a_camera_the_packets_are_copied_unless_browsers_do_not_play_them(
    rtsp_server, tmp_path, codec, anonymised, monkeypatch
):
    """The clock in the picture says from when on a clip is."""
    if anonymised and codec != "h264":
        pytest.skip("all are encoded alike")
    copied = codec != "mjpeg" and not anonymised
    encoders = []
    monkeypatch.setattr(
        "streamdet.stages.clips.EncodedPackets",
        lambda *values: encoders.append(1) or EncodedPackets(*values),
    )
    server = rtsp_server({"/live": Live(codec=codec)})
    sight = Sight()
    spec = DetectorSpec(name="sight", classes=("person",), sha256="", input=InputSpec(size=320))
    config = load_job(
        None,
        [
            f"sources=[{server.url('/live')}]",
            "stages=[decode, batch, detect, track, zones, clips]",
            "zones.areas={all: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}",
            f"clips={{path: {tmp_path}/clips, before_s: 2, after_s: 1, kinds: [appeared, entered]}}",
            *(["anonymise={classes: [person], top: 0.1, grow: 0.0}"] if anonymised else []),
        ],
    )
    results = []
    events = []

    def hear(item):
        if isinstance(item, Result):
            results.append(item.frame.captured_s)
            events.extend((event, now_ms(item.frame.wall_time.timestamp())) for event in item.zones.events)

    session = Session(plan(config), PerFrameDetector(spec, "numpy", sight), [hear])
    thread = threading.Thread(target=session.wait)
    thread.start()
    try:
        wait_until(lambda: len(results) > 2 and results[-1] - results[0] > 4.0)
        sight.seen.set()
        wait_until(lambda: list(tmp_path.glob("clips/*/*.json")))
    finally:
        session.stop()
        thread.join()
    [path] = tmp_path.glob("clips/*/*.mp4")
    with av.open(str(path)) as file:
        name = file.streams.video[0].codec_context.name
        clocks = [clock_ms_in(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    assert name == ("hevc" if codec == "h265" and copied else "h264")
    assert bool(encoders) != copied
    event, at_ms = events[0]
    assert clocks == sorted(clocks)
    assert clocks[0] <= at_ms - 1900
    assert clocks[-1] >= at_ms + 500
    assert event.clip == f"{path.parent.name}/{path.name}"
