"""Which pictures go where, and what happens when an output fails. Real videos are in tests/integration/stages."""

import pytest

from streamdet.errors import SinkError, StageError
from streamdet.flow import Run, Stage
from streamdet.frames import StreamEnded, StreamGap
from streamdet.stages.encode import encode


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
    return [started("a"), started("b"), *frames, StreamGap("a", 1, "lost"), *ends]


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_every_stream_has_its_video_and_everything_passes(run_stage, items, mode):
    videos, failures = {"a": Video(), "b": Video()}, []
    out = run_stage(encode(lambda begun: videos[begun.source], failures), items, mode)
    assert out == items
    assert failures == []
    for video in videos.values():
        assert [float(time) for time in video.pts] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
        assert video.durations == [512] * 5
        assert video.closed == 1


def test_a_video_is_finished_as_soon_as_its_stream_has_ended(make_result, started):
    video = Video()
    items = iter([started("a"), make_result(), StreamEnded("a", 1), started("b"), make_result(source="b")])
    stage = encode(lambda begun: video if begun.source == "a" else None, [])
    with Run([Stage("items", lambda inbox: items)], [stage], "inline") as run:
        for item in run:
            if isinstance(item, StreamEnded):
                break
        assert video.closed == 1


def test_a_stream_without_an_output_passes(run_stage, items):
    video = Video()
    out = run_stage(encode(lambda begun: video if begun.source == "b" else None, []), items)
    assert out == items
    assert len(video.pts) == 5


def test_a_failing_video_is_closed_and_the_other_goes_on(run_stage, items, said):
    videos, failures = {"a": Video(fails_at=1024, close_error=SinkError("again")), "b": Video()}, []
    out = run_stage(encode(lambda begun: videos[begun.source], failures), items)
    assert out == items
    assert said(failures) == [("a", "v.mp4: cannot be written: no space left")]
    assert (len(videos["a"].pts), videos["a"].closed) == (2, 1)
    assert (len(videos["b"].pts), videos["b"].closed) == (5, 1)


def test_an_output_that_cannot_be_opened_is_that_stream_alone(run_stage, items, said):
    video, failures = Video(), []

    def outputs(begun):
        if begun.source == "a":
            raise SinkError("a.mp4: there is no folder")
        return video

    assert run_stage(encode(outputs, failures), items) == items
    assert said(failures) == [("a", "a.mp4: there is no folder")]
    assert len(video.pts) == 5


def test_an_output_that_cannot_be_finished_is_remembered(run_stage, items, said):
    videos, failures = {"a": Video(close_error=SinkError("no room")), "b": Video()}, []
    assert run_stage(encode(lambda begun: videos[begun.source], failures), items) == items
    assert said(failures) == [("a", "no room")]


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_videos_are_finished_when_the_run_is_left_early(items, mode):
    videos = {"a": Video(), "b": Video()}
    stage = encode(lambda begun: videos[begun.source], [])
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

    stage = encode(lambda begun: videos[begun.source], [])
    with pytest.raises(StageError, match="broken"), Run([Stage("broken", broken)], [stage], mode) as run:
        list(run)
    assert [video.closed for video in videos.values()] == [1, 1]


def test_videos_are_finished_when_the_stream_never_ends(run_stage, items):
    """After a stop the sources are closed: frames drain, but no StreamEnded comes."""
    videos = {"a": Video(), "b": Video()}
    run_stage(encode(lambda begun: videos[begun.source], []), items[:-3])
    assert [video.closed for video in videos.values()] == [1, 1]


def test_a_mistake_that_is_no_sink_error_ends_the_run(run_stage, items):
    def outputs(begun):
        raise ZeroDivisionError

    with pytest.raises(StageError, match="stage encode, stream a: ZeroDivisionError"):
        run_stage(encode(outputs, []), items)
