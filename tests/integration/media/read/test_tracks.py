"""Of several video tracks, the one that a user means; the others are named."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from heif_file import write_heif

from streamdet.errors import SourceOpenError
from streamdet.media.locations import SourceSpec
from streamdet.media.read.probe import probe
from streamdet.media.read.source import open_source
from streamdet.media.tracks import _warn

MOVING, STILL = (64, 48, 12), (128, 96, 1)


def _tracks(path, *tracks, dispositions=None):
    """A file with a video track of each (width, height, pictures)."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, height, pictures in tracks:
            stream = container.add_stream("libx264" if pictures > 1 else "mjpeg", rate=10)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv420p" if pictures > 1 else "yuvj420p"
            streams.append((stream, pictures))
        for (stream, _), disposition in zip(streams, dispositions or (), strict=False):
            stream.disposition = disposition
        for stream, pictures in streams:
            for number in range(pictures):
                image = np.full((stream.height, stream.width, 3), 8 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


@pytest.fixture(autouse=True)
def _nothing_said():
    _warn.cache_clear()


def _read(path, **spec):
    with open_source(SourceSpec(str(path), "a", "file", **spec)) as source:
        return source.info.width, source.info.height, len(list(source))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi"])
@pytest.mark.parametrize("tracks", [(STILL, MOVING), (MOVING, STILL)])
def test_single_picture_is_not_the_video(tmp_path, caplog, name, tracks):
    path = _tracks(tmp_path / name, *tracks, dispositions=[Disposition.default * (track is STILL) for track in tracks])
    assert _read(path) == MOVING
    assert caplog.messages == []
    assert [track.used for track in probe(path).video] == [track is MOVING for track in tracks]


def test_single_picture_alone_is_read(tmp_path):
    assert _read(_tracks(tmp_path / "a.mp4", STILL)) == STILL


def test_several_videos_are_named(tmp_path, caplog):
    path = _tracks(tmp_path / "a.mkv", MOVING, (128, 96, 12), (32, 32, 12))
    assert _read(path) == (128, 96, 12)
    [said] = caplog.messages
    for word in ("a.mkv: holds 3 videos", "track 1 is read", "0 (h264, 64x48)", "2 (h264, 32x32)", "--track-index"):
        assert word in said


def test_track_that_is_asked_for_is_read(tmp_path, caplog):
    path = _tracks(tmp_path / "a.mkv", MOVING, (128, 96, 12))
    assert _read(path, track_index=0) == MOVING
    assert caplog.messages == []
    with pytest.raises(SourceOpenError, match=r"a\.mkv: has no video track 7; it has 0 \(h264, 64x48\), 1"):
        _read(path, track_index=7)


def _greys(image):
    """Mean of each tile of 64 x 64 pixels."""
    rows, columns = (range(0, side - 30, 64) for side in image.shape[:2])
    return np.array([[image[top + 8 : top + 48, left + 8 : left + 48].mean() for left in columns] for top in rows])


@pytest.mark.parametrize("ending", ["heic", "avif"])
@pytest.mark.parametrize("preview", [False, True])
class TestPhotos:
    """As phones and cameras make them."""

    def test_picture_of_tiles_is_put_together(self, tmp_path, caplog, ending, preview):
        path = write_heif(tmp_path / f"a.{ending}", 3, 2, preview=preview, cut=10)
        with open_source(path) as source:
            [frame] = source
        assert (source.info.width, source.info.height) == (182, 118)
        assert frame.image.shape == (118, 182, 3)
        assert _greys(frame.image) == pytest.approx(np.array([[20, 40, 60], [80, 100, 120]]), abs=3)
        assert caplog.messages == []
        [track] = probe(path).video
        assert (track.width, track.height, track.frames) == (182, 118, 1)

    def test_picture_of_tiles_is_turned_as_the_file_says(self, tmp_path, ending, preview):
        turns = ((b"irot", 1), (b"imir", 1))
        path = write_heif(tmp_path / f"a.{ending}", 3, 2, preview=preview, turns=turns)
        with open_source(path) as source:
            [frame] = source
        assert frame.image.shape == (192, 128, 3)
        assert _greys(frame.image) == pytest.approx(np.array([[120, 60], [100, 40], [80, 20]]), abs=3)

    def test_single_tile_is_never_the_picture(self, tmp_path, ending, preview):
        path = write_heif(tmp_path / f"a.{ending}", 3, 2, preview=preview)
        with pytest.raises(SourceOpenError, match="is one picture made of 6 tiles, which are no videos; leave --track"):
            _read(path, track_index=2)
        path.write_bytes(path.read_bytes().replace(b"dimg", b"none"))  # FFmpeg knows no tiles without it
        for read in (_read, probe):
            with pytest.raises(SourceOpenError, match="is a picture put together from others in a way that is not"):
                read(path)

    def test_picture_that_lacks_a_tile_is_none(self, tmp_path, ending, preview):
        path = write_heif(tmp_path / f"a.{ending}", 3, 2, preview=preview, missing=2)
        with pytest.raises(SourceOpenError, match=rf"a\.{ending}: 2 of the 6 tiles of it cannot be decoded"):
            _read(path)

    def test_picture_without_tiles_is_read_and_not_its_preview(self, tmp_path, caplog, ending, preview):
        path = write_heif(tmp_path / f"a.{ending}", 1, 1, preview=preview)
        with open_source(path) as source:
            [frame] = source
        assert frame.image.shape == (64, 64, 3)
        assert abs(frame.image.mean() - 20) < 3
        assert caplog.messages == []
