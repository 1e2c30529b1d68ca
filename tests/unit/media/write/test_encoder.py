"""Encoders: settings that are checked, and packets with the times of their frames."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.media.write.encoder import CODECS, VideoEncoder, encoder_settings
from streamdet.media.write.options import EncodeOptions


@pytest.mark.parametrize("codec", CODECS)
def test_defaults_are_valid(codec):
    settings = encoder_settings(EncodeOptions(codec=codec))
    assert settings == encoder_settings(EncodeOptions(codec=codec, crf=settings.crf, preset=settings.preset))
    assert encoder_settings(EncodeOptions(codec=codec, crf=settings.crf_range[0])).crf == settings.crf_range[0]
    assert encoder_settings(EncodeOptions(codec=codec, preset=settings.presets[0])).preset == settings.presets[0]


@pytest.mark.parametrize(
    ("codec", "crf", "preset", "said"),
    [
        ("h264", 52, None, r"crf 52: expected 0 \(best\) to 51 \(smallest file\) for h264"),
        ("h264", -1, None, r"crf -1: expected"),
        ("av1", 0, None, r"crf 0: expected 1"),
        ("av1", 64, None, r"crf 64: expected 1 \(best\) to 63"),
        ("h264", None, "8", r"preset '8': expected one of ultrafast, .*placebo for h264"),
        ("av1", None, "veryfast", r"preset 'veryfast': expected one of 0, 1, .* 13 for av1"),
        ("hevc", None, "", r"preset '': expected one of"),
    ],
)
def test_wrong_settings_fail(codec, crf, preset, said):
    with pytest.raises(ConfigError, match=said):
        encoder_settings(EncodeOptions(codec=codec, crf=crf, preset=preset))


def encode(codec, pts, time_base, *, reordered_frames=18, muxer="mp4", rate=Fraction(25)):
    frames = []
    for number in range(len(pts)):
        image = np.roll(np.arange(96 * 64 * 3, dtype=np.uint8).reshape(64, 96, 3), 5 * number, axis=1)
        frames.append(av.VideoFrame.from_ndarray(image).reformat(format="yuv420p"))
    output = av.open(io.BytesIO(), "w", format=muxer)
    encoder = VideoEncoder(
        output,
        encoder_settings(EncodeOptions(codec=codec)),
        frames[0],
        rate,
        time_base,
        reordered_frames=reordered_frames,
    )
    packets = []
    durations = [after - before for before, after in zip(pts, [*pts[1:], pts[-1] + 77], strict=True)]
    for frame, at, duration in zip(frames, pts, durations, strict=True):
        packets += encoder.encode(frame, at, duration)
    return packets + encoder.flush()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1, 2, 3, 25])
@pytest.mark.parametrize(
    "time_base", [Fraction(1, 90_000), Fraction(1, 2**31 - 1), Fraction(1000), Fraction(1001, 30_000)]
)
def test_packets_have_the_times_of_their_frames(codec, count, time_base):
    pts = [10**10 + 3 * number * number for number in range(count)]
    packets = encode(codec, pts, time_base)
    assert sorted(packet.pts for packet in packets) == pts
    dts = [packet.dts for packet in packets]
    assert dts == sorted(set(dts))
    assert all(packet.dts <= packet.pts and packet.time_base == time_base for packet in packets)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1, 2, 3, 25])
def test_differences_of_dts_add_up_to_the_length_of_an_mp4(codec, count):
    pts = [5 + 3600 * number for number in range(count)]
    packets = encode(codec, pts, Fraction(1, 90_000))
    assert packets[-1].dts + packets[-1].duration - packets[0].dts == pts[-1] + 77 - pts[0]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_without_reordering_there_are_no_b_frames(codec):
    pts = list(range(0, 40 * 25, 40))
    reordered = encode(codec, pts, Fraction(1, 1000))
    straight = encode(codec, pts, Fraction(1, 1000), reordered_frames=0)
    assert [packet.pts for packet in reordered] != pts
    assert [packet.pts for packet in straight] == [packet.dts for packet in straight] == pts


@pytest.mark.parametrize("rate", [Fraction(1, 60), Fraction(1000), Fraction(1_018_678_138, 70_628_351)])
@pytest.mark.parametrize("codec", CODECS)
def test_any_rate_will_do(codec, rate):
    assert len(encode(codec, [0, 1, 2], Fraction(1, 25), rate=rate)) == 3


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_threads_are_those_that_were_asked_for(codec):
    assert encoder_settings(EncodeOptions(codec=codec, threads=3)).options["threads"] == "3"
    assert "threads" not in encoder_settings(EncodeOptions(codec=codec)).options
