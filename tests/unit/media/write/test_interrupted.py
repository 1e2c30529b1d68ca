"""Which file holds what an interrupted run has written."""

import av
import numpy as np
import pytest

from streamdet.media.write.interrupted import forget_interrupted, keep_interrupted, written_before
from streamdet.media.write.part_file import Mark, mark_of


def write(path, frames):
    with av.open(str(path), "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as file:
        stream = file.add_stream("libx264", rate=25, options={"g": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(frames):
            image = np.full((32, 32, 3), 9 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "a.mp4"


def test_nothing_there_holds_nothing(target):
    assert written_before(target, [], whole=True, published=True)[1] == 0


def test_only_what_is_on_the_disk_for_certain_counts(target):
    growing = target.with_name(".a.mp4.part")
    write(growing, 10)
    end = growing.stat().st_size
    assert written_before(target, [mark_of(growing, 10)], whole=True, published=False) == (growing, 10)
    assert written_before(target, [mark_of(growing, end)], whole=False, published=False) == (growing, 10)
    assert written_before(target, [Mark(10, "of another run")], whole=True, published=False)[1] == 0
    lengths = range(0, growing.stat().st_size, 50)
    marks = [mark_of(growing, length) for length in lengths]
    counts = [written_before(target, [mark], whole=False, published=False)[1] for mark in marks]
    assert counts == sorted(counts)
    assert {0, 1, 5, 9} <= set(counts)


def test_a_file_of_another_run_does_not_count(target):
    write(target, 10)
    marks = [mark_of(target, 10)]
    assert written_before(target, marks, whole=True, published=False)[1] == 0
    assert written_before(target, marks, whole=True, published=True) == (target, 10)


def test_what_was_kept_is_found_again_until_it_is_forgotten(target):
    growing = target.with_name(".a.mp4.part")
    write(growing, 10)
    marks = [mark_of(growing, growing.stat().st_size)]
    kept = keep_interrupted(growing, target)
    assert not growing.exists()
    write(growing, 3)  # a resumed run was killed while it took over what was there
    assert written_before(target, marks, whole=True, published=False) == (kept, 10)
    assert keep_interrupted(kept, target) == kept
    forget_interrupted(target)
    assert written_before(target, [mark_of(growing, 10)], whole=True, published=False) == (growing, 3)
