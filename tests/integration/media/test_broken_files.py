"""Broken files: what can be decoded is, the rest is counted, and what is no video is said in one line."""

import random
from contextlib import suppress
from itertools import pairwise

import av
import numpy as np
import pytest

from streamdet.errors import SourceOpenError
from streamdet.media.read.source import open_source

FASTSTART = {"mux_options": {"movflags": "faststart"}, "options": {"g": "12"}}


def packets_of(path):
    """(bytes, position in the file) of each video packet."""
    with av.open(str(path)) as container:
        return [(packet.size, packet.pos) for packet in container.demux(video=0) if packet.size]


def read(path, **part):
    with open_source(path, **part) as source:
        return list(source), source.undecodable


def overwrite(path, position, data):
    content = bytearray(path.read_bytes())
    content[position : position + len(data)] = data
    path.write_bytes(content)


@pytest.mark.parametrize("bframes", ["0", "3"])
@pytest.mark.parametrize("whole_packets", [5, 23, 40, 49])
def test_truncated_mp4_gives_every_whole_frame(make_clip, read_number, bframes, whole_packets):
    path = make_clip(frames=50, mux_options=FASTSTART["mux_options"], options={"g": "12", "bf": bframes})
    intact, _ = read(path)
    size, position = packets_of(path)[whole_packets]
    path.write_bytes(path.read_bytes()[: position + size // 2])
    frames, undecodable = read(path)
    assert len(frames) >= whole_packets
    assert len(frames) + undecodable == whole_packets + 1
    by_pts = {frame.pts: frame for frame in intact}
    for frame in frames[:whole_packets]:
        assert read_number(frame.image) == by_pts[frame.pts].index
    assert all(one.pts < other.pts for one, other in pairwise(frames))


@pytest.mark.parametrize("bframes", ["0", "3"])
@pytest.mark.parametrize("broken", [1, 20, 30, 47, 48, 49])
def test_packet_of_garbage_costs_its_frame_only(make_clip, bframes, broken):
    """All-intra: no other frame depends on it. The last packets are still in the decoder's threads at the end."""
    path = make_clip(frames=50, options={"g": "1", "bf": bframes})
    size, position = packets_of(path)[broken]
    overwrite(path, position, b"\xff" * size)
    frames, undecodable = read(path)
    assert undecodable == 1
    assert [frame.index for frame in frames] == [number for number in range(50) if number != broken]
    assert [frame.pts for frame in frames] == [frame.index * 512 for frame in frames]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv", "a.avi", "a.mpg"])
def test_hole_in_the_middle_leaves_the_times_behind_it_right(make_clip, name):
    path = make_clip(name, 200, **({"codec": "mpeg2video"} if name == "a.mpg" else {}), options={"g": "12"})
    intact, _ = read(path)
    middle = path.stat().st_size // 2
    overwrite(path, middle, bytes(middle // 10))
    frames, _ = read(path)
    assert 100 < len(frames) < 200
    step = intact[1].pts - intact[0].pts
    assert name == "a.avi" or abs(frames[-1].pts - intact[-1].pts) <= step  # AVI has nothing but its order
    assert all(one.pts < other.pts and one.index < other.index for one, other in pairwise(frames))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv", "a.avi", "a.webm", "a.gif"])
@pytest.mark.parametrize("seed", range(4))
def test_random_damage_never_raises_anything_else(make_clip, name, seed):
    codecs = {
        "a.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
        "a.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    }
    path = make_clip(name, 50, **codecs.get(name, {}))
    chance = random.Random(seed)
    size = path.stat().st_size
    for _ in range(10):
        overwrite(path, chance.randrange(0 if seed else size // 3, size - 20), chance.randbytes(20))
    path.write_bytes(path.read_bytes()[: size * chance.choice([8, 9, 10]) // 10])
    with suppress(SourceOpenError):  # where the damage hit the header
        frames, _ = read(path)
        assert frames
        assert all(one.pts < other.pts and one.index < other.index for one, other in pairwise(frames))


def test_transport_stream_cut_out_of_a_broadcast_starts_at_its_keyframe(make_clip, read_number):
    path = make_clip("a.ts", 50, options={"g": "25", "bf": "0", "x264-params": "scenecut=0"})
    content = path.read_bytes()
    path.write_bytes(content[len(content) // 4 // 188 * 188 :])
    frames, _ = read(path)
    assert [read_number(frame.image) for frame in frames[-25:]] == list(range(25, 50))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"this is a letter, not a film\n" * 100, "not a video: FFmpeg does not recognise its content"),
        (bytes(10_000), "not a video"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 5, "holds no video, only subtitles"),
    ],
)
def test_what_is_no_video_fails(tmp_path, content, says):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceOpenError, match=f"film.mp4: {says}") as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_fail(tmp_path):
    with pytest.raises(SourceOpenError, match="no such file"):
        open_source(tmp_path / "film.mp4")


def test_mp4_without_its_index_fails(make_clip):
    path = make_clip()
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SourceOpenError, match=r"never finished: its index \(moov\) is missing"):
        open_source(path)


def test_mp4_without_any_decodable_packet_fails(make_clip):
    path = make_clip(frames=5)
    for size, position in packets_of(path):
        overwrite(path, position, b"\xff" * size)
    with pytest.raises(SourceOpenError, match="nothing in it can be decoded"):
        open_source(path)


def test_audio_without_video_fails(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceOpenError, match=r"song\.mp4: holds no video, only audio"):
        open_source(path)
