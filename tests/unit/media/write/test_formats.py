"""Containers: chosen by ending, refused clearly, timescales that keep every time exact."""

from fractions import Fraction
from pathlib import Path

import pytest

from streamdet.errors import ConfigError
from streamdet.media.write.formats import OUTPUT_FORMATS, output_format


@pytest.mark.parametrize("ending", OUTPUT_FORMATS)
def test_every_ending_takes_its_codecs(ending):
    for codec in OUTPUT_FORMATS[ending].codecs:
        assert output_format(Path(f"a/b{ending.upper()}"), codec) is OUTPUT_FORMATS[ending]


@pytest.mark.parametrize("name", ["out.avi", "out", "out.", "mp4", ".mp4", "out.mp4.txt", "out.gif"])
def test_other_endings_fail_and_list_what_can_be_written(name):
    with pytest.raises(ConfigError, match=r"expected one of \.m4v \.mkv \.mov \.mp4 \.webm"):
        output_format(Path(name), "h264")


@pytest.mark.parametrize(("name", "codec"), [("out.webm", "h264"), ("out.webm", "hevc"), ("out.mov", "av1")])
def test_a_codec_that_does_not_fit_fails_with_a_remedy(name, codec):
    with pytest.raises(ConfigError, match=rf"{name}: .* cannot hold {codec}; use .*\.mkv"):
        output_format(Path(name), codec)


@pytest.mark.parametrize(
    "time_base",
    [
        Fraction(1001, 30_000),
        Fraction(1, 90_000),
        Fraction(1, 3),
        Fraction(5),
        Fraction(1, 2**31 - 1),
        Fraction(7, 12_345),
    ],
)
def test_mp4_timescales_hold_every_pts(time_base):
    options = OUTPUT_FORMATS[".mp4"].growing_options(time_base)
    track, movie = int(options["video_track_timescale"]), int(options["movie_timescale"])
    assert (time_base * track).denominator == 1
    assert movie % track == 0
    assert 10_000 <= track <= movie < 2**31


def test_a_time_base_beyond_32_bits_becomes_microseconds():
    assert OUTPUT_FORMATS[".mp4"].time_base(Fraction(1, 10**12)) == Fraction(1, 10**6)


def test_matroska_counts_milliseconds():
    assert OUTPUT_FORMATS[".mkv"].time_base(Fraction(1001, 30_000)) == Fraction(1, 1000)


def test_fine_timescales_rule_b_frames_out():
    mp4 = OUTPUT_FORMATS[".mp4"]
    assert mp4.reordered_frames(Fraction(1, 90_000)) > 0
    assert mp4.reordered_frames(Fraction(1, 10**9)) == 0
    assert OUTPUT_FORMATS[".mkv"].reordered_frames(Fraction(1, 1000)) > 0


@pytest.mark.parametrize("time_base", [Fraction(1, 25), Fraction(1001, 30_000), Fraction(1, 10**9), Fraction(1000)])
def test_the_longest_span_fits_32_bits(time_base):
    mp4 = OUTPUT_FORMATS[".mp4"]
    track = int(mp4.growing_options(time_base)["video_track_timescale"])
    assert mp4.longest_span(time_base) * time_base * track < 2**31
    assert OUTPUT_FORMATS[".mkv"].longest_span(Fraction(1, 1000)) is None
