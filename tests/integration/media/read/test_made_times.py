"""Each picture at the time a player shows it, over made files: container x codec x fault.

A file is encoded well and its packets are then given the times that a fault leaves; the picture itself says which one
it is, so what is right is known without trusting any reader. Where times are sound, FFmpeg's own reading must agree.
"""

from fractions import Fraction

import av
import pytest

from streamdet.media.read.frame_times import frame_times
from streamdet.media.read.source import open_source
from tests.integration.media.conftest import number_in, write_clip

FRAMES, RATE = 40, 25
BASE = 300_000  # frames before the first one, where times go far back

CODECS = {
    "h264": ("libx264", {"bf": "2", "g": "10", "preset": "ultrafast", "x264-params": "bframes=2:scenecut=0:b-adapt=0"}),
    "h264-plain": ("libx264", {"bf": "0", "g": "10", "preset": "ultrafast"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2:keyint=10"}),
    "mpeg4": ("mpeg4", {"bf": "2", "g": "10"}),
    "mpeg4-plain": ("mpeg4", {"bf": "0", "g": "10"}),
    "mpeg2": ("mpeg2video", {"bf": "2", "g": "10"}),
    "mjpeg": ("mjpeg", {}),
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "g": "10"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "10"}),
    "wmv2": ("wmv2", {"g": "10"}),
    "flv1": ("flv", {"g": "10"}),
}
HOLDS = {
    "mp4": ["h264", "h264-plain", "hevc", "mpeg4", "mpeg2", "mjpeg", "vp9"],
    "mov": ["h264", "hevc", "mjpeg", "mpeg4"],
    "mkv": ["h264", "h264-plain", "hevc", "mpeg4", "mpeg2", "mjpeg", "vp8", "vp9"],
    "ts": ["h264", "h264-plain", "hevc", "mpeg2"],
    "flv": ["h264", "h264-plain", "flv1"],
    "avi": ["h264", "h264-plain", "mpeg4", "mpeg4-plain", "mjpeg", "flv1"],
    "webm": ["vp8", "vp9"],
    "nut": ["h264", "mpeg4", "mjpeg"],
    "mpg": ["mpeg2"],
    "wmv": ["wmv2"],
    "3gp": ["h264", "mpeg4"],
}


@pytest.fixture(scope="module")
def master_of(tmp_path_factory):
    """A file of a codec, encoded once, whose times are sound and whose pictures are numbered."""
    folder = tmp_path_factory.mktemp("masters")

    def master(codec):
        path = folder / f"{codec}.nut"
        if not path.exists():
            name, options = CODECS[codec]
            write_clip(path, FRAMES, codec=name, options=options, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p")
        return path

    return master


def remux(master, path, times=lambda number, shown, delay: (shown + delay, number), data=lambda number: None):
    """Copy packets with other times.

    Args:
        times: gives pts and dts in frames, from a packet's numbers in decoding and in presentation order, and how many
            frames decoding has to be ahead. None: it is left out.
        data: gives other contents by the number in decoding order, or None.
    """
    with av.open(str(master)) as source, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as target:
        [stream] = source.streams.video
        copy = target.add_stream_from_template(stream, opaque=True)
        packets = [packet for packet in source.demux(stream) if packet.size]
        in_order = sorted(packet.pts for packet in packets)
        ranks = [in_order.index(packet.pts) for packet in packets]
        delay = max(number - rank for number, rank in enumerate(ranks))
        for number, packet in enumerate(packets):
            if (placed := times(number, ranks[number], delay)) is not None:
                if (other := data(number)) is not None:
                    packet = av.Packet(other)  # noqa: PLW2901
                packet.stream, packet.time_base = copy, Fraction(1, 1000)
                packet.pts, packet.dts = (round(time * 1000 / RATE) for time in placed)
                packet.duration = 1000 // RATE
                target.mux(packet)
    return path


def read(path, **part):
    """(number, time in frames from the first one) of every picture."""
    with open_source(path, **part) as source:
        frames = list(source)
    first_s = frames[0].pts_s
    return [(number_in(frame.image), (frame.pts_s - first_s) * RATE) for frame in frames], frames


SOUND = [(container, codec) for container, codecs in HOLDS.items() for codec in codecs]


@pytest.mark.parametrize(("container", "codec"), SOUND)
def test_sound_times_are_kept(tmp_path, master_of, container, codec):
    path = remux(master_of(codec), tmp_path / f"a.{container}")
    pictures, frames = read(path)
    assert [number for number, _ in pictures] == list(range(FRAMES))
    assert [time for _, time in pictures] == pytest.approx(list(range(FRAMES)), abs=0.03)
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert frame_times(path)[0] == [frame.pts for frame in frames]
    later = read(path, start_s=0.6)[1]
    assert [(frame.index, frame.pts) for frame in later] == [
        (frame.index, frame.pts) for frame in frames if frame.pts >= later[0].pts
    ]


def retimed(when):
    """Packets shown when `when` says; for Matroska, which stores no dts, so that those only have to ascend."""
    return lambda number, shown, delay: (BASE + when(shown), number - 10**6)


def stretched(when):
    """Packets shown when `when` says, which ascends, and decoded as much before as it takes."""
    return lambda number, shown, delay: (10 + when(shown), 10 + when(number - delay))


def without_composition(number, shown, delay):
    return number, number


def uneven(time):
    return time + 5 * (time // 7)


def long_gap(time):
    return time + (2500 if time >= 20 else 0)


def one_wild(by):
    return lambda number: number + (by if number == 20 else 0)


def clock_back(by):
    return lambda number: number - (by if number >= 20 else 0)


EVEN = range(FRAMES)
# Name: container, codec, what becomes of packets, times in frames, how far from them a picture may be.
FAULTS = {
    **{
        f"no composition times, {codec} in {container}": (container, codec, without_composition, EVEN, 0.03)
        for container, codec in [("mp4", "h264"), ("mov", "h264"), ("flv", "h264"), ("mp4", "hevc"), ("mp4", "mpeg4")]
    },
    **{
        f"uneven, {codec} in {container}": (container, codec, stretched(uneven), [*map(uneven, EVEN)], 0.03)
        for container, codec in [("mp4", "mjpeg"), ("mkv", "h264-plain"), ("ts", "h264-plain"), ("flv", "flv1")]
    },
    **{
        f"long gap, {codec} in {container}": (container, codec, stretched(long_gap), [*map(long_gap, EVEN)], 0.03)
        for container, codec in [("mp4", "h264"), ("mkv", "h264"), ("ts", "h264"), ("flv", "h264"), ("webm", "vp9")]
    },
    **{
        f"stands still, {codec}": ("mkv", codec, retimed(lambda n: 10 if 10 <= n < 20 else n), EVEN, 0.03)
        for codec in ("h264", "h264-plain", "mjpeg", "vp9")
    },
    **{
        f"stands still throughout, {codec}": ("mkv", codec, retimed(lambda _: 3), EVEN, 0.03)
        for codec in ("h264", "mjpeg", "mpeg2")
    },
    **{
        f"two of a time, {codec}": ("mkv", codec, retimed(lambda n: n // 2 * 2), EVEN, 1.1)
        for codec in ("h264", "h264-plain", "vp8")
    },
    **{
        f"one wild time, {by:+}, {codec}": ("mkv", codec, retimed(one_wild(by)), EVEN, 0.6)
        for by in (90_000, 60, -15, -90_000)
        for codec in ("h264", "mjpeg", "vp9")
    },
    **{
        f"clock set back by {by}, {codec}": ("mkv", codec, retimed(clock_back(by)), EVEN, 0.03)
        for by in (8, 15, 50, 250_000)
        for codec in ("h264-plain", "mjpeg")
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_costs_no_picture_and_no_time(tmp_path, master_of, fault):
    container, codec, change, times, off = FAULTS[fault]
    path = remux(master_of(codec), tmp_path / f"a.{container}", change)
    pictures, frames = read(path)
    assert [number for number, _ in pictures] == list(EVEN)
    assert [time for _, time in pictures] == pytest.approx(list(times), abs=off)
    assert frame_times(path)[0] == [frame.pts for frame in frames]
    numbers = {frame.pts: frame.index for frame in frames}
    assert {frame.pts: frame.index for frame in read(path, start_s=0.5)[1]}.items() <= numbers.items()


@pytest.mark.parametrize("codec", ["h264", "h264-plain", "hevc", "mpeg2"])
@pytest.mark.parametrize("seconds_later", [-0.8, 0, 50])
def test_recordings_of_a_transport_stream_one_after_another(tmp_path, master_of, codec, seconds_later):
    """`cat a.ts b.ts`, where b starts at any time; what lies between them is kept where it is a gap."""
    first = remux(master_of(codec), tmp_path / "first.ts", stretched(lambda n: n + 100))
    second = remux(master_of(codec), tmp_path / "second.ts", stretched(lambda n: n + 100 + seconds_later * RATE))
    (tmp_path / "a.ts").write_bytes(first.read_bytes() + second.read_bytes())
    pictures, frames = read(tmp_path / "a.ts")
    assert [number for number, _ in pictures] == [*EVEN, *EVEN]
    goes_on = seconds_later * RATE if seconds_later > FRAMES / RATE else FRAMES
    assert [time for _, time in pictures] == pytest.approx([*EVEN, *(goes_on + n for n in EVEN)], abs=1.1)
    numbers = {frame.pts: frame.index for frame in frames}
    assert {frame.pts: frame.index for frame in read(tmp_path / "a.ts", start_s=0.5)[1]}.items() <= numbers.items()


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *((container, codec) for container in ("ts", "mkv") for codec in ("h264", "h264-plain", "hevc", "mpeg2")),
        *(("mp4", codec) for codec in ("h264", "hevc", "mpeg4")),
        *(("flv", codec) for codec in ("h264", "flv1")),
        *(("mkv", codec) for codec in ("mpeg4", "vp8", "vp9")),
    ],
)
@pytest.mark.parametrize("lost", [range(5), [13, 14], [10]])
def test_frame_has_the_same_number_whatever_is_left_out_before_it(tmp_path, master_of, container, codec, lost):
    """Recordings that begin between keyframes, and such as have lost packets."""
    path = remux(
        master_of(codec),
        tmp_path / f"a.{container}",
        lambda number, shown, delay: None if number in lost else (10 + shown + delay, 10 + number),
    )
    _, whole = read(path)
    numbers = {frame.pts: frame.index for frame in whole}
    assert len(numbers) >= FRAMES - 12
    for start_s in (0.3, 0.9):
        _, part = read(path, start_s=start_s)
        assert len(part) >= 10
        assert {frame.pts: frame.index for frame in part}.items() <= numbers.items()


@pytest.mark.parametrize("container", ["avi", "mkv", "mp4"])
def test_pictures_that_were_left_out_leave_the_others_where_they_are(tmp_path, master_of, container):
    """Screen recordings and some cameras leave out what has not changed; AVI has empty packets in its place."""
    path = remux(
        master_of("mjpeg"),
        tmp_path / f"a.{container}",
        lambda number, shown, delay: None if number % 4 else (number, number),
    )
    pictures, _ = read(path)
    assert [number for number, _ in pictures] == [*range(0, FRAMES, 4)]
    assert [time for _, time in pictures] == pytest.approx([number for number, _ in pictures], abs=0.03)


@pytest.mark.parametrize("container", ["avi", "mkv", "mp4"])
def test_packets_that_say_as_before_take_their_time(tmp_path, master_of, container):
    """MPEG-4 pictures that are not coded (vop_coded is 0): of every four, one is."""
    as_before = bytes([0, 0, 1, 0xB6, 0x50, 0x4F])
    path = remux(
        master_of("mpeg4-plain"),
        tmp_path / f"a.{container}",
        lambda number, shown, delay: (number, number),
        data=lambda number: as_before if number % 10 > 5 else None,
    )
    pictures, _ = read(path)
    coded = [number for number in EVEN if number % 10 <= 5]
    assert [number for number, _ in pictures][: len(coded)] == coded
    assert [time for _, time in pictures][: len(coded)] == pytest.approx(coded, abs=1.1)
