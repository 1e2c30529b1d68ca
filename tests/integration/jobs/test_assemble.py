"""A job put together, and `streamdet.stream`: real clips through all stages."""

import threading
from itertools import islice

import numpy as np
import pytest

from streamdet.errors import ConfigError, SourceError, SourceOpenError
from streamdet.frames import StreamEnded, StreamStarted
from streamdet.jobs.assemble import assemble
from streamdet.jobs.config import load_job
from streamdet.jobs.stream import stream
from streamdet.jobs.streams import Streams
from streamdet.media.locations import expand_sources
from streamdet.media.read.source import open_source
from streamdet.result import Result
from streamdet.stages.decode import DecodeSettings, Input
from streamdet.stages.outputs import OutputLog


def job(*settings):
    return load_job(None, ["detect.conf=0.001", "detect.max_detections=5", *settings])


def described(items):
    rows = []
    for item in items:
        if isinstance(item, Result):
            found = item.detections
            rows.append((item.source, item.pts, found.boxes.tolist(), found.track_ids.tolist(), item.image.sum()))
        else:
            rows.append(item)
    return rows


def test_inline_and_threaded_give_the_same(make_clip, detector, tmp_path):
    make_clip("a.mp4", 19)
    make_clip("b.mp4", 5)
    specs = expand_sources([str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")])
    stages = ["decode", "batch", "detect", "track", "annotate"]
    outcomes = []
    for mode in ("inline", "threaded"):
        config = job(f"stages={stages}")
        streams = Streams([Input(spec) for spec in specs], config.settings(DecodeSettings))
        with assemble(config, streams, detector, mode=mode) as run:
            outcomes.append(described(run))
    assert outcomes[0] == outcomes[1]
    kinds = [type(item) for item in outcomes[0]]
    assert kinds == [StreamStarted, *[tuple] * 19, StreamEnded, StreamStarted, *[tuple] * 5, StreamEnded]
    assert any(row[2] for row in outcomes[0] if isinstance(row, tuple))


def test_stages_run_in_the_order_of_the_job(make_clip, detector, tmp_path):
    path = make_clip(frames=6)
    [spec] = expand_sources([str(path)])
    config, log = job("stages=[decode, batch, detect, record, encode]"), OutputLog()
    outputs = {"record": tmp_path / "found.jsonl", "encode": tmp_path / "out.mp4"}
    streams = Streams([Input(spec, outputs)], config.settings(DecodeSettings))
    with assemble(config, streams, detector, log) as run:
        list(run)
        assert [stage.name for stage in run.stats.stages] == ["decode", "batch", "detect", "record", "encode"]
    assert len((tmp_path / "found.jsonl").read_text().splitlines()) == 8
    with open_source(tmp_path / "out.mp4") as written:
        assert len(list(written)) == 6
    assert log.failures == ()


def test_stream(make_clip, detector):
    path = make_clip(frames=19)
    results = list(stream(path, detector, conf=0.001, max_detections=5))
    assert [result.frame_index for result in results] == list(range(19))
    assert [result.pts_s for result in results] == pytest.approx([n / 25 for n in range(19)])
    first = results[0]
    assert first.image.shape == (120, 160, 3)
    assert first.detections.boxes.shape == (5, 4)
    assert len(first.detections.scores) == len(first.detections.class_names) == len(first.detections.track_ids) == 5


def test_stream_of_frames_in_memory_finds_what_is_found_in_their_file(make_clip, detector):
    expected = list(stream(make_clip(frames=10), detector, conf=0.001))
    frames = [result.image for result in expected]
    for arrays in (frames, np.stack(frames), iter(frames)):
        results = list(stream(arrays, detector, conf=0.001))
        assert [result.frame_index for result in results] == list(range(10))
        for result, other in zip(results, expected, strict=True):
            np.testing.assert_allclose(result.detections.boxes, other.detections.boxes, atol=3)
    with pytest.raises(SourceError, match="array 0: expected"):
        next(stream([np.zeros((4, 4))], detector))


def test_stream_of_a_part(make_clip, detector):
    paths = [make_clip("a.mp4", 10), make_clip("b.mp4", 10)]
    results = list(
        stream(
            paths, detector, conf=0.001, classes=["car"], track=False, start_s=0.08, end_s=0.3, stride=2, max_frames=2
        )
    )
    assert [(result.source, result.frame_index) for result in results] == [("a", 2), ("a", 4), ("b", 2), ("b", 4)]
    assert {name for result in results for name in result.detections.class_names} == {"car"}
    assert all((result.detections.track_ids == -1).all() for result in results)


def test_clips_of_any_length_give_the_same(make_clip, detector):
    path = make_clip(frames=9)
    one, many = (list(stream(path, detector, conf=0.001, max_detections=5, frames_per_clip=n)) for n in (1, 5))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_allclose(a.detections.scores, b.detections.scores, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"conf": 2.0}, "conf: expected at most 1, got 2"),
        ({"image_size": (7, 320)}, "image_size: expected 64 to 4096 pixels, got 7"),
        ({"start_s": 3.0, "end_s": 1.0}, "end_s: expected an end after the start"),
        ({"classes": ["zebra"]}, "zebra"),
    ],
)
def test_stream_fails_at_once(make_clip, detector, options, said):
    with pytest.raises(ConfigError, match=said):
        stream(make_clip(), detector, **options)


def test_stream_of_what_is_missing_or_broken_fails(tmp_path, detector):
    with pytest.raises(SourceOpenError, match=r"nope\.mp4: no such file"):
        stream(tmp_path / "nope.mp4", detector)
    with pytest.raises(ConfigError, match="no source given"):
        stream([], detector)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceOpenError, match=r"text\.mp4: not a video"):
        list(stream(tmp_path / "text.mp4", detector))


def test_a_camera_is_named_by_its_number(detector):
    with pytest.raises(SourceError, match="camera 99: cannot be opened"):
        list(stream(99, detector))
    with pytest.raises(TypeError, match="expected a file, an address, a camera's number or arrays, got float"):
        stream(0.5, detector)


def test_leaving_a_stream_early_leaves_no_threads(make_clip, detector):
    before = threading.active_count()
    results = stream(make_clip(frames=60), detector)
    assert len(list(islice(results, 3))) == 3
    results.close()
    assert threading.active_count() == before
