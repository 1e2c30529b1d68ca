"""Frames that nobody looks at and no other refers to are not decoded; all else is as if they were."""

from fractions import Fraction

import pytest

from streamdet.media.read.source import open_source

PYRAMID = "keyint=12:scenecut=0:bframes=3:b-adapt=0"
MS = Fraction(1, 1000)
FILES = {
    "pyramid.mp4": {"x264-params": PYRAMID},
    "flat.mkv": {"x264-params": f"{PYRAMID}:b-pyramid=none"},
    "open.ts": {"x264-params": f"{PYRAMID}:open-gop=1"},
    "open.mp4": {"x264-params": f"{PYRAMID}:open-gop=1"},
}
NO_SPARE = {
    "plain.mp4": ("libx264", {"x264-params": "keyint=12:bframes=0"}),
    "interlaced.mp4": ("libx264", {"x264-params": f"{PYRAMID}:tff=1"}),
    "times_guessed.avi": ("libx264", {"x264-params": PYRAMID}),
    "other.mp4": ("mpeg4", {"g": "12", "bf": "2"}),
}
VARIABLE = [40 * n + 13 * (n % 3) for n in range(50)]
NEGATIVE = [40 * n - 200 for n in range(50)]


def read(path, **options):
    with open_source(path, **options) as source:
        return list(source)


def facts(frames):
    return [(each.index, each.pts, each.duration, each.width, each.height, each.pixel_aspect) for each in frames]


def check(path, every, read_number, **part):
    """Compare with all frames decoded; gives how many were not."""
    all_of_them, some = read(path, **part), read(path, every=every, **part)
    assert facts(some) == facts(all_of_them)
    decoded = [frame for frame in some if frame.decoded]
    assert [read_number(frame.image) for frame in decoded] == [frame.index for frame in decoded]
    skipped = part.get("skip", 0)
    assert all(frame.decoded for place, frame in enumerate(some) if (place + skipped) % every == 0)
    return len(some) - len(decoded)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "part", [{}, {"start_s": 0.69}, {"skip": 17}, {"start_s": 0.3, "end_s": 1.5, "max_frames": 28}]
)
def test_times_numbers_and_pictures_are_the_same(make_clip, read_number, name, part):
    path = make_clip(name, options=FILES[name])
    assert check(path, 2, read_number, **part) >= 5
    assert check(path, 3, read_number, **part) >= 5


@pytest.mark.parametrize(("pts", "least"), [(VARIABLE, 10), (NEGATIVE, 0)])  # Matroska gives no times before 0
def test_so_they_are_with_odd_times(make_clip, read_number, pts, least):
    mux = {"avoid_negative_ts": "disabled"}
    path = make_clip("odd.mkv", pts=pts, time_base=MS, options=FILES["pyramid.mp4"], mux_options=mux)
    assert check(path, 4, read_number) >= least


def test_hidden_frames_do_not_count(make_hiding_clip, read_number):
    frames = read(make_hiding_clip(15), every=2)
    assert [frame.index for frame in frames] == list(range(35))
    assert [read_number(each.image) for each in frames if each.decoded] == [15 + f.index for f in frames if f.decoded]
    assert all(frame.decoded for frame in frames[::2])
    assert not all(frame.decoded for frame in frames)


@pytest.mark.parametrize("name", NO_SPARE)
def test_all_are_decoded_where_none_can_be_spared(make_clip, name):
    codec, options = NO_SPARE[name]
    path = make_clip(name, codec=codec, options=options)
    assert all(frame.decoded for frame in read(path, every=4))


def test_with_a_stride_all_that_come_are_decoded(make_clip):
    assert all(frame.decoded for frame in read(make_clip(options=FILES["pyramid.mp4"]), every=2, stride=3))


def test_a_broken_packet_costs_its_frame_and_no_picture_that_is_looked_at(make_clip):
    """Behind the damage everything is decoded, since frames are no longer counted surely."""
    path = make_clip("torn.ts", options=FILES["pyramid.mp4"])
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle + 20 : middle + 188 * 6] = bytes(188 * 6 - 20)
    path.write_bytes(data)
    frames, decoded = read(path, every=2), read(path)
    assert abs(len(frames) - len(decoded)) <= 2
    assert [frame.pts for frame in frames] == sorted({frame.pts for frame in frames})
