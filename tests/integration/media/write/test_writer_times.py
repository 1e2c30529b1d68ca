"""The written file shows every frame when the source did, whatever its time base."""

from fractions import Fraction

import av
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.writer import VideoWriter

TIME_BASES = [
    Fraction(1001, 30_000),
    Fraction(1, 90_000),
    Fraction(1, 12_800),
    Fraction(1, 600),
    Fraction(1, 25),
    Fraction(7, 12_345),
    Fraction(1, 1_000_000),
    Fraction(1, 1_000_000_000),
    Fraction(1, 2**31 - 1),
    Fraction(2),
]


def write(path, pictures, pts, time_base, last=1, **options):
    durations = [after - before for before, after in zip(pts, [*pts[1:], pts[-1] + last], strict=True)]
    info = StreamInfo("cam", 64, 48, time_base, Fraction(25))
    with VideoWriter(path, info, EncodeOptions(**options)) as writer:
        for image, at, duration in zip(pictures(len(pts)), pts, durations, strict=True):
            writer.write(RgbPicture(image), at, time_base, duration)
    return writer


def uneven(first, count, time_base):
    """Ascending pts about 40 ms apart, some three times and some a third of that."""
    step = max(3, round(Fraction(1, 25) / time_base))
    pts = [first]
    while len(pts) < count:
        pts.append(pts[-1] + (step, step, 3 * step, step // 3, 2 * step)[len(pts) % 5])
    return pts


@pytest.mark.parametrize("first", [0, 1, 123_457, 10**11])
@pytest.mark.parametrize("time_base", TIME_BASES, ids=str)
def test_mp4_keeps_uneven_times_exactly(tmp_path, pictures, read_video, time_base, first):
    pts = uneven(first, 24, time_base)
    last = pts[1] - pts[0]

    writer = write(tmp_path / "out.mp4", pictures, pts, time_base, last, preset="ultrafast")
    video = read_video(tmp_path / "out.mp4")

    assert video.times == [at * time_base for at in pts]
    assert video.start == first * time_base
    assert video.duration == (pts[-1] + last - first) * time_base
    assert writer.nudged == 0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 30])
@pytest.mark.parametrize("first", [0, 1, 5000])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_reordered_frames_and_the_last_duration_are_exact(tmp_path, pictures, read_video, codec, first, count):
    pts = uneven(first, count, Fraction(1, 90_000))

    write(tmp_path / "out.mp4", pictures, pts, Fraction(1, 90_000), 1234, codec=codec)
    video = read_video(tmp_path / "out.mp4")

    assert video.times == [Fraction(at, 90_000) for at in pts]
    assert video.duration == Fraction(pts[-1] + 1234 - first, 90_000)


def test_h264_has_b_frames_by_default(tmp_path, pictures, read_video):
    write(tmp_path / "out.mp4", pictures, list(range(30)), Fraction(1, 25))
    video = read_video(tmp_path / "out.mp4")
    assert av.video.frame.PictureType.B in video.pict_types


def test_packets_are_in_decoding_order(tmp_path, pictures):
    write(tmp_path / "out.mp4", pictures, uneven(7, 40, Fraction(1, 90_000)), Fraction(1, 90_000))
    with av.open(str(tmp_path / "out.mp4")) as container:
        packets = [packet for packet in container.demux() if packet.size]
    dts = [packet.dts for packet in packets]
    assert dts == sorted(set(dts))
    assert all(packet.dts <= packet.pts for packet in packets)


@pytest.mark.parametrize("ending", [".mkv", ".webm"])
def test_matroska_counts_milliseconds(tmp_path, pictures, read_video, ending):
    pts = uneven(123, 24, Fraction(1001, 30_000))
    codec = "av1" if ending == ".webm" else "h264"

    write(tmp_path / f"out{ending}", pictures, pts, Fraction(1001, 30_000), codec=codec)
    video = read_video(tmp_path / f"out{ending}")

    assert video.times == [Fraction(round(at * Fraction(1001, 30)), 1000) for at in pts]


def test_mov_keeps_times_exactly(tmp_path, pictures, read_video):
    pts = uneven(9, 24, Fraction(1001, 24_000))
    write(tmp_path / "out.mov", pictures, pts, Fraction(1001, 24_000), codec="hevc")
    assert read_video(tmp_path / "out.mov").times == [at * Fraction(1001, 24_000) for at in pts]


def test_video_that_begins_before_zero_begins_at_zero(tmp_path, pictures, read_video):
    pts = list(range(-7, 20))
    write(tmp_path / "out.mp4", pictures, pts, Fraction(1, 25))
    assert read_video(tmp_path / "out.mp4").times == [Fraction(at + 7, 25) for at in pts]


@pytest.mark.parametrize(
    ("pts", "shown"),
    [
        ([0, 10, 10, 10, 20], [0, 10, 11, 12, 20]),
        ([0, 10, 5, 20], [0, 10, 11, 20]),
        ([3, 3, 3], [3, 4, 5]),
        ([1000, 0, 1, 2], [1000, 1001, 1002, 1003]),
    ],
)
def test_times_that_do_not_ascend_are_nudged_and_counted(tmp_path, pictures, read_video, caplog, pts, shown):
    writer = write(tmp_path / "out.mp4", pictures, pts, Fraction(1, 1000))
    assert read_video(tmp_path / "out.mp4").times == [Fraction(at, 1000) for at in shown]
    assert writer.nudged == sum(wanted != got for wanted, got in zip(pts, shown, strict=True))
    assert f"{writer.nudged} frame" in caplog.text


def test_frames_closer_than_a_millisecond_fit_matroska(tmp_path, pictures, read_video):
    writer = write(tmp_path / "out.mkv", pictures, [0, 1, 2, 900], Fraction(1, 90_000))
    assert read_video(tmp_path / "out.mkv").times == [
        Fraction(0),
        Fraction(1, 1000),
        Fraction(2, 1000),
        Fraction(10, 1000),
    ]
    assert writer.nudged == 2


def test_a_gap_of_a_day_keeps_all_times(tmp_path, pictures, read_video):
    pts = [0, 3600, 7200, 7200 + 86_400 * 90_000, 10_800 + 86_400 * 90_000]
    write(tmp_path / "out.mp4", pictures, pts, Fraction(1, 90_000), 3600)
    video = read_video(tmp_path / "out.mp4")
    assert {Fraction(at, 90_000) for at in pts} <= set(video.times)
    assert video.times == sorted(video.times)
    assert video.duration == Fraction(pts[-1] + 3600, 90_000)


def test_an_absurd_gap_fails_clearly_and_keeps_what_came_before(tmp_path, pictures, read_video):
    with pytest.raises(SinkError, match=r"out\.mp4: .* apart.*mkv"):
        write(tmp_path / "out.mp4", pictures, [0, 1, 2, 2**60], Fraction(1, 25))
    assert read_video(tmp_path / "out.mp4").times == [Fraction(0), Fraction(1, 25), Fraction(2, 25)]


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("first", [2**60, 2**63 - 1, 10**30])
def test_an_absurd_first_time_fails_clearly_and_leaves_nothing(tmp_path, pictures, ending, first):
    with pytest.raises(SinkError, match=rf"out{ending}: .* later than the container can store"):
        write(tmp_path / f"out{ending}", pictures, [first], Fraction(1, 25))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_times_of_the_unix_epoch_fit(tmp_path, pictures, read_video, ending):
    first = 1_700_000_000 * 90_000
    write(tmp_path / f"out{ending}", pictures, [first, first + 3600], Fraction(1, 90_000))
    assert read_video(tmp_path / f"out{ending}").times == [1_700_000_000, 1_700_000_000 + Fraction(1, 25)]


def test_the_same_gap_fits_matroska(tmp_path, pictures, read_video):
    write(tmp_path / "out.mkv", pictures, [0, 1, 2, 10**9], Fraction(1, 25))
    assert read_video(tmp_path / "out.mkv").times == [
        Fraction(0),
        Fraction(1, 25),
        Fraction(2, 25),
        Fraction(10**9, 25),
    ]


def test_time_base_may_change_between_frames(tmp_path, pictures, read_video):
    with VideoWriter(tmp_path / "out.mp4", StreamInfo("cam", 64, 48, Fraction(1, 1000))) as writer:
        for image, (pts, time_base) in zip(
            pictures(3), [(0, Fraction(1, 1000)), (3600, Fraction(1, 90_000)), (2, Fraction(1, 25))], strict=True
        ):
            writer.write(RgbPicture(image), pts, time_base)
    assert read_video(tmp_path / "out.mp4").times == [Fraction(0), Fraction(1, 25), Fraction(2, 25)]


def test_index_comes_before_the_pictures(tmp_path, pictures):
    write(tmp_path / "out.mp4", pictures, list(range(30)), Fraction(1, 25))
    data = (tmp_path / "out.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data
