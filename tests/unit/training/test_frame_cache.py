import errno
from dataclasses import dataclass

import numpy as np
import pytest

from streamdet.datasets.labels import LabelledVideo
from streamdet.errors import SinkError
from streamdet.training.frame_cache import FrameCache


@dataclass
class Numbered:
    """Pictures whose grey is their number."""

    frames: int
    reads: int = 0
    ends_at: int | None = None
    error: Exception | None = None

    def read(self, start=0, stop=None):
        self.reads += 1
        for index in range(start, self.ends_at or stop):
            if self.error and index == 2:
                raise self.error
            yield np.full((60, 80, 3), index, np.uint8)


def _video(name, pictures):
    return LabelledVideo(
        name, 80, 60, np.arange(pictures.frames) / 10, (None,) * pictures.frames, frozenset(), (), pictures
    )


def _cache(folder, *pictures, set_name="set", longest_side=640):
    return FrameCache(folder, set_name, [_video(f"v{i}", p) for i, p in enumerate(pictures)], longest_side)


def test_frames_are_decoded_once_and_found_again(tmp_path):
    pictures = Numbered(5), Numbered(3)
    for _ in range(2):
        cache = _cache(tmp_path, *pictures)
        assert [int(cache.frame(0, i)[0, 0, 0]) for i in range(5)] == [0, 1, 2, 3, 4]
        assert [int(cache.frame(1, i)[-1, -1, 2]) for i in range(3)] == [0, 1, 2]
    assert [p.reads for p in pictures] == [1, 1]


def test_large_frames_are_made_smaller(tmp_path):
    cache = _cache(tmp_path, Numbered(2), longest_side=40)
    assert cache.frame(0, 1).shape == (30, 40, 3)
    assert cache.scales == [0.5]
    assert cache.path.stat().st_size == cache.size_bytes == 2 * 30 * 40 * 3


def test_video_that_ends_early_does_not_shift_the_next(tmp_path):
    cache = _cache(tmp_path, Numbered(5, ends_at=3), Numbered(3))
    assert not cache.frame(0, 4).any()
    assert int(cache.frame(1, 2)[0, 0, 0]) == 2


def test_file_that_was_cut_off_is_written_anew(tmp_path):
    path = _cache(tmp_path, Numbered(5)).path
    path.write_bytes(path.read_bytes()[:-7])
    again = Numbered(5)
    assert int(_cache(tmp_path, again).frame(0, 4)[0, 0, 0]) == 4
    assert again.reads == 1


def test_interrupted_writing_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _cache(tmp_path, Numbered(5, error=KeyboardInterrupt()))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_named(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(SinkError, match=r"0\.0 GB of frames cannot be saved there: No space left"):
        _cache(tmp_path, Numbered(5, error=full))
    assert list(tmp_path.iterdir()) == []


def test_sets_of_equal_names_and_sizes_have_files_of_their_own(tmp_path):
    assert _cache(tmp_path, Numbered(2)).path != _cache(tmp_path, Numbered(2), set_name="other").path
