"""Real files through decode: the markers of a stream's life, and sources that fail."""

import pytest

from streamdet.errors import SourceOpenError, StageError
from streamdet.flow import Run
from streamdet.frames import Frame, StreamEnded, StreamStarted
from streamdet.media.locations import SourceSpec
from streamdet.media.timeline import Part
from streamdet.stages.decode import Input, decode


def spec(path, name=None):
    return Input(SourceSpec(str(path), name or path.stem, "file"))


def run(*specs, mode="inline", on_error="end", **part):
    with Run([decode(specs, Part(**part), on_error=on_error)], [], mode) as running:
        return list(running)


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_a_file_is_started_its_frames_ended(make_clip, mode):
    first, *frames, last = run(spec(make_clip()), mode=mode)
    assert isinstance(first, StreamStarted)
    assert (first.source, first.info.width, first.info.height) == ("walk", 160, 120)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 25 for n in range(20)])
    assert last == StreamEnded("walk", 20)


def test_files_come_one_after_another(make_clip):
    items = run(spec(make_clip("a.mp4", 3)), spec(make_clip("b.mp4", 2)))
    assert [(type(item).__name__, item.source) for item in items] == [
        ("StreamStarted", "a"),
        *[("Frame", "a")] * 3,
        ("StreamEnded", "a"),
        ("StreamStarted", "b"),
        *[("Frame", "b")] * 2,
        ("StreamEnded", "b"),
    ]


def test_a_part_of_a_file(make_clip):
    items = run(spec(make_clip()), start_s=0.2, end_s=0.6, stride=2, max_frames=4)
    assert [item.index for item in items if isinstance(item, Frame)] == [5, 7, 9, 11]
    assert items[-1] == StreamEnded("walk", 4)


@pytest.mark.parametrize("content", [None, b"", b"this is no video\n" * 100])
def test_a_file_that_cannot_be_opened_is_ended_and_the_next_goes_on(tmp_path, make_clip, content):
    bad = tmp_path / "bad.mp4"
    if content is not None:
        bad.write_bytes(content)
    first, *others = run(spec(bad), spec(make_clip(frames=3)))
    assert isinstance(first, StreamEnded)
    assert (first.source, first.frames) == ("bad", 0)
    assert "bad.mp4" in first.error
    assert "\n" not in first.error
    assert [type(item) for item in others] == [StreamStarted, Frame, Frame, Frame, StreamEnded]
    assert others[-1].error is None


def test_a_file_that_cannot_be_opened_fails_the_run_where_asked(tmp_path, make_clip):
    with pytest.raises(StageError, match=r"bad\.mp4") as caught:
        run(spec(tmp_path / "bad.mp4"), spec(make_clip()), on_error="raise")
    assert isinstance(caught.value.__cause__, SourceOpenError)


def test_no_password_in_an_error():
    url = "http://cam:s3cret@127.0.0.1:9/stream.mp4"
    [ended] = run(Input(SourceSpec(url, "cam", "network")))
    assert ended.error
    assert "s3cret" not in ended.error
    assert "cam:" not in ended.error


def test_a_truncated_file_gives_what_it_holds(tmp_path, make_clip):
    whole = make_clip("whole.mp4", 60).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: (whole.index(b"mdat") + len(whole)) // 2])  # the index is in front, so it is whole
    *items, last = run(spec(cut))
    assert isinstance(items[0], StreamStarted)
    frames = [item for item in items if isinstance(item, Frame)]
    assert 10 < len(frames) < 60
    assert last.frames == len(frames)


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_a_stop_closes_the_file_and_opens_no_other(make_clip, mode):
    items = []
    with Run([decode([spec(make_clip(frames=100)), spec(make_clip("b.mp4"))])], [], mode) as running:
        for item in running:
            items.append(item)
            if isinstance(item, Frame):
                running.stop()
    assert {item.source for item in items} == {"walk"}
    assert len(items) < 50
