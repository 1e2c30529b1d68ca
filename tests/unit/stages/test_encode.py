"""Which pictures go where, and what happens when an output fails. tests/integration/stages has real videos."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from streamdet.errors import SinkError, StageError
from streamdet.flow import Run, Stage
from streamdet.frames import StreamEnded, StreamGap
from streamdet.media.write.hls import HlsWriter
from streamdet.media.write.rtsp_publisher import RtspPublisher
from streamdet.media.write.segments import SegmentedWriter
from streamdet.media.write.writer import VideoWriter
from streamdet.stages.encode import EncodeSettings, encode, is_playlist, is_rtsp, open_video
from streamdet.stages.outputs import OutputLog


class Video:
    """Remembers what it was given; fails at a frame, or when it is closed."""

    def __init__(self, fails_at=None, close_error=None):
        self.pts, self.durations, self.closed = [], [], 0
        self.fails_at, self.close_error = fails_at, close_error

    def write(self, image, pts, time_base, duration=0):
        if pts == self.fails_at:
            raise SinkError("v.mp4: cannot be written: no space left")
        assert not self.closed
        self.pts.append(pts * time_base)
        self.durations.append(duration)

    def close(self):
        self.closed += 1
        if self.close_error:
            raise self.close_error


@pytest.fixture
def items(make_result, started):
    frames = [make_result(source=source, index=index, duration=512) for index in range(5) for source in "ab"]
    ends = [StreamEnded("a", 5), StreamEnded("b", 5)]
    return [started("a", encode="a"), started("b", encode="b"), *frames, StreamGap("a", 1, "lost"), *ends]


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_every_stream_has_its_video_and_everything_passes(run_stage, items, mode):
    videos, log = {"a": Video(), "b": Video()}, OutputLog()
    out = run_stage(encode(lambda begun, target: videos[target], log), items, mode)
    assert out == items
    assert log.failures == ()
    for video in videos.values():
        assert [float(time) for time in video.pts] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
        assert video.durations == [512] * 5
        assert video.closed == 1


def test_a_video_is_finished_as_soon_as_its_stream_has_ended(make_result, started):
    video = Video()
    first = started("a", encode="a")
    items = iter([first, make_result(), StreamEnded("a", 1), started("b"), make_result(source="b")])
    stage = encode(lambda begun, target: video, OutputLog())
    with Run([Stage("items", lambda inbox: items)], [stage], "inline") as run:
        for item in run:
            if isinstance(item, StreamEnded):
                break
        assert video.closed == 1


def test_a_stream_without_an_output_passes(run_stage, items, started):
    video = Video()
    items = [started("a"), *items[1:]]
    out = run_stage(encode(lambda begun, target: video, OutputLog()), items)
    assert out == items
    assert len(video.pts) == 5


def test_a_failing_video_is_closed_and_the_other_goes_on(run_stage, items, said):
    videos, log = {"a": Video(fails_at=1024, close_error=SinkError("again")), "b": Video()}, OutputLog()
    out = run_stage(encode(lambda begun, target: videos[target], log), items)
    assert out == items
    assert said(log) == [("a", "v.mp4: cannot be written: no space left")]
    assert (len(videos["a"].pts), videos["a"].closed) == (2, 1)
    assert (len(videos["b"].pts), videos["b"].closed) == (5, 1)


def test_an_output_that_cannot_be_opened_is_that_stream_alone(run_stage, items, said):
    video, log = Video(), OutputLog()

    def open_video(begun, target):
        if begun.source == "a":
            raise SinkError("a.mp4: there is no folder")
        return video

    assert run_stage(encode(open_video, log), items) == items
    assert said(log) == [("a", "a.mp4: there is no folder")]
    assert len(video.pts) == 5


def test_an_output_that_cannot_be_finished_is_remembered(run_stage, items, said):
    videos, log = {"a": Video(close_error=SinkError("no room")), "b": Video()}, OutputLog()
    assert run_stage(encode(lambda begun, target: videos[target], log), items) == items
    assert said(log) == [("a", "no room")]


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_videos_are_finished_when_the_run_is_left_early(items, mode):
    videos = {"a": Video(), "b": Video()}
    stage = encode(lambda begun, target: videos[target], OutputLog())
    with Run([Stage("items", lambda inbox: iter(items))], [stage], mode) as run:
        for _, _ in zip(range(5), run, strict=False):
            pass
    assert [video.closed for video in videos.values()] == [1, 1]


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_videos_are_finished_when_an_earlier_stage_fails(items, mode):
    videos = {"a": Video(), "b": Video()}

    def broken(inbox):
        yield from items[:6]
        raise ZeroDivisionError

    stage = encode(lambda begun, target: videos[target], OutputLog())
    with pytest.raises(StageError, match="broken"), Run([Stage("broken", broken)], [stage], mode) as run:
        list(run)
    assert [video.closed for video in videos.values()] == [1, 1]


def test_videos_are_finished_when_the_stream_never_ends(run_stage, items):
    """After a stop the sources are closed: frames drain, but no StreamEnded comes."""
    videos = {"a": Video(), "b": Video()}
    run_stage(encode(lambda begun, target: videos[target], OutputLog()), items[:-3])
    assert [video.closed for video in videos.values()] == [1, 1]


def test_a_mistake_that_is_no_sink_error_ends_the_run(run_stage, items):
    def open_video(begun, target):
        raise ZeroDivisionError

    with pytest.raises(StageError, match="stage encode, stream a: ZeroDivisionError"):
        run_stage(encode(open_video, OutputLog()), items)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_all_are_closed_though_one_breaks(items, error):
    videos = {"a": Video(), "b": Video(close_error=error()), "c": Video()}
    stage = encode(lambda begun, target: videos[target], OutputLog())
    process = stage.process(iter([*items[:2], replace(items[0], source="c", outputs={"encode": "c"})]))
    assert isinstance(process, Generator)
    for _ in range(3):
        next(process)
    with pytest.raises(error):
        process.close()
    assert [video.closed for video in videos.values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("target", "segment_s", "kind", "unit"),
    [
        (Path("a.mp4"), None, VideoWriter, None),
        (Path("a.mp4"), 600, SegmentedWriter, "files"),
        (Path("a.M3U8"), None, HlsWriter, "pictures"),
        ("RTSP://me:pw@127.0.0.1:1/a", None, RtspPublisher, "pictures"),
    ],
)
def test_every_target_has_its_output(tmp_path, started, target, segment_s, kind, unit):
    target = tmp_path / target if isinstance(target, Path) else target
    log = OutputLog()
    output = open_video(EncodeSettings(segment_s=segment_s), log, started("a", encode=target), target)
    output.close()
    assert type(output) is kind
    assert [delivery.unit for delivery in log.deliveries.values()] == ([unit] if unit else [])
    assert not any("pw" in delivery.shown for delivery in log.deliveries.values())


@pytest.mark.parametrize(
    ("path", "published", "playlist"),
    [
        ("rtsp://h/x.m3u8", True, False),
        ("rtsps://h/x", True, False),
        ("x/y.m3u8", False, True),
        ("rtsp/x.mp4", False, False),
        (None, False, False),
    ],
)
def test_paths_are_told_from_addresses(path, published, playlist):
    assert (is_rtsp(path), is_playlist(path)) == (published, playlist)
