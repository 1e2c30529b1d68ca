"""From real files to real files through every stage but the detector."""

import json
from fractions import Fraction

import numpy as np
import pytest

from streamdet.flow import Run
from streamdet.frames import Frame, StreamEnded
from streamdet.media.locations import SourceSpec
from streamdet.media.read.source import open_source
from streamdet.media.write.writer import VideoWriter
from streamdet.sinks.jsonl import RunHeader
from streamdet.stages.annotate import annotate
from streamdet.stages.batch import batch
from streamdet.stages.decode import Input, decode
from streamdet.stages.encode import encode
from streamdet.stages.outputs import OutputLog
from streamdet.stages.record import record
from streamdet.stages.track import track

HEADER = RunHeader("0.1.0", "square", None, ("square",))


def read(path):
    with open_source(path) as source:
        return [frame for frame in source if isinstance(frame, Frame)]


@pytest.fixture
def run_job(tmp_path, find_square):
    """Annotate clips into a folder; returns (what came out, failed videos, failed files)."""

    def run(clips, out, mode="threaded", until=None, side_by_side=False):
        out.mkdir(exist_ok=True)
        inputs = [
            Input(
                SourceSpec(str(clip), clip.stem, "file"),
                {"encode": out / f"{clip.stem}.mp4", "record": out / f"{clip.stem}.jsonl"},
            )
            for clip in clips
        ]
        videos, files = OutputLog(), OutputLog()
        sources = [decode([each]) for each in inputs] if side_by_side else [decode(inputs)]
        stages = [
            batch(1 if side_by_side else 4, len(sources)),
            find_square(),
            track(),
            annotate(),
            encode(lambda started, target: VideoWriter(target, started.info), videos),
            record("jsonl", HEADER, files),
        ]
        items = []
        with Run(sources, stages, mode) as running:
            for item in running:
                items.append(item)
                if until is not None and until(item):
                    running.stop()
        return items, videos.failures, files.failures

    return run


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_frames_keep_their_times_and_boxes_follow_the_square(tmp_path, make_clip, run_job):
    clip, out = make_clip(), tmp_path / "out"
    _, videos, files = run_job([clip], out)
    assert (videos, files) == ((), ())
    before, after = read(clip), read(out / "walk.mp4")
    assert [frame.pts * frame.time_base for frame in after] == [Fraction(n, 25) for n in range(20)]
    assert len(before) == len(after)
    run, *frames, end = lines(out / "walk.jsonl")
    assert run["sources"] == ["walk"]
    assert end == {"type": "end", "source": "walk", "frames": 20, "dropped": 0}
    for n, line in enumerate(frames):
        assert (line["frame"], line["time_s"]) == (n, n / 25)
        [found] = line["detections"]
        assert found["track"] == 1
        assert found["box"] == pytest.approx([10 + 4 * n, 40, 50 + 4 * n, 80], abs=2)
        # The line is there, in colour, just above the square.
        line_of_box = after[n].image[38:40, 20 + 4 * n : 40 + 4 * n].reshape(-1, 3).astype(int)
        assert np.ptp(line_of_box, axis=1).max() > 60


def test_inline_and_threaded_write_the_same(tmp_path, make_clip, run_job):
    clips = [make_clip("a.mp4", 11), make_clip("b.mp4", 7)]
    for mode in ("inline", "threaded"):
        run_job(clips, tmp_path / mode, mode)
    for name in ("a", "b"):
        inline, threaded = tmp_path / "inline", tmp_path / "threaded"
        assert (inline / f"{name}.jsonl").read_text() == (threaded / f"{name}.jsonl").read_text()
        # x264's rate control is not the same to the bit from run to run; the pictures that it is given are.
        for one, other in zip(read(inline / f"{name}.mp4"), read(threaded / f"{name}.mp4"), strict=True):
            assert one.pts * one.time_base == other.pts * other.time_base
            assert np.abs(one.image.astype(int) - other.image).mean() < 2


def test_streams_side_by_side_give_what_they_give_alone(tmp_path, make_clip, run_job):
    clips = [make_clip(f"{name}.mp4", frames) for name, frames in (("a", 9), ("b", 6), ("c", 12))]
    run_job(clips, tmp_path / "together", side_by_side=True)
    run_job(clips, tmp_path / "alone")
    for name in "abc":
        assert lines(tmp_path / "together" / f"{name}.jsonl") == lines(tmp_path / "alone" / f"{name}.jsonl")


def test_a_stop_leaves_whole_outputs(tmp_path, make_clip, run_job):
    out = tmp_path / "out"
    items, videos, files = run_job([make_clip(frames=200)], out, until=lambda item: getattr(item, "index", 0) == 3)
    assert (videos, files) == ((), ())
    assert not any(isinstance(item, StreamEnded) for item in items)
    written = read(out / "walk.mp4")
    *_, last, end = lines(out / "walk.jsonl")
    assert 4 <= len(written) < 200
    assert last["frame"] == len(written) - 1
    assert (end["frames"], end["error"]) == (len(written), "interrupted")
    assert sorted(path.name for path in out.iterdir()) == ["walk.jsonl", "walk.mp4"]


def test_a_bad_file_among_good_ones(tmp_path, make_clip, run_job):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    out = tmp_path / "out"
    items, videos, files = run_job([make_clip("a.mp4", 5), bad, make_clip("b.mp4", 5)], out)
    assert {item.source: item.error is None for item in items if isinstance(item, StreamEnded)} == {
        "a": True,
        "bad": False,
        "b": True,
    }
    assert (videos, files) == ((), ())
    assert sorted(path.name for path in out.iterdir()) == ["a.jsonl", "a.mp4", "b.jsonl", "b.mp4"]


def test_an_output_that_cannot_be_written_is_that_stream_alone(tmp_path, make_clip, run_job):
    out = tmp_path / "out"
    (out / "a.mp4").mkdir(parents=True)
    _, videos, files = run_job([make_clip("a.mp4", 5), make_clip("b.mp4", 5)], out)
    [failed] = videos
    assert failed.source == "a"
    assert str(out / "a.mp4") in str(failed.error)
    assert files == ()
    assert len(read(out / "b.mp4")) == 5
    assert len(lines(out / "a.jsonl")) == 7
