import json
from fractions import Fraction

import pytest

from streamdet.errors import SourceOpenError
from streamdet.media.read.probe import probe


def test_a_sound_file(make_clip):
    path = make_clip(frames=50)
    report = probe(path)
    [track] = report.video
    assert report.location == str(path)
    assert "mp4" in report.container
    assert (report.size_bytes, report.duration_s) == (path.stat().st_size, 2.0)
    assert (track.codec, track.width, track.height, track.rotation, track.pixel_format) == (
        "h264",
        160,
        96,
        0,
        "yuv420p",
    )
    assert (track.frames, track.first_pts, track.duration_s) == (50, 0, 2.0)
    assert (track.average_rate, track.time_base) == (25, Fraction(1, 12_800))
    assert (track.used, track.variable_rate, track.interlaced) == (True, False, False)
    assert track.colour.matrix == "smpte170m (assumed)"
    assert report.audio == ()
    assert report.problems == ()
    assert json.loads(json.dumps(report.to_dict()))["video"][0]["time_base"] == "1/12800"


def test_what_a_file_says_about_its_picture(make_clip):
    def prepare(stream):
        stream.set_display_rotation(-90)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.color_range = 2

    report = probe(make_clip(frames=5, prepare=prepare, options={"x264-params": "tff=1"}))
    [track] = report.video
    assert (track.width, track.height, track.rotation, track.pixel_aspect) == (96, 160, 90, Fraction(4, 3))
    colour = track.colour
    assert (colour.matrix, colour.range, colour.primaries, colour.transfer) == ("bt709", "full", "bt709", "bt709")
    assert track.interlaced
    assert any("not square (4/3)" in problem for problem in report.problems)
    assert any("interlaced" in problem for problem in report.problems)


def test_variable_rate_and_a_standstill(make_clip):
    pts = [*range(0, 40_000, 4000), *range(400_000, 440_000, 4000)]
    report = probe(make_clip(frames=20, pts=pts, time_base=Fraction(1, 90_000)))
    assert report.video[0].variable_rate
    assert report.problems == ("nothing is shown for 4.0 s in one place",)


def test_cut_off_file(make_clip):
    path = make_clip(frames=50, mux_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-200])
    problems = probe(path).problems
    assert any("cut off: 50 frames are announced" in problem for problem in problems)


@pytest.mark.parametrize("hidden", [3, 15])
def test_frames_that_an_edit_list_hides_are_not_missing(make_hiding_clip, hidden):
    report = probe(make_hiding_clip(hidden))
    assert (report.video[0].frames, report.video[0].first_pts) == (50 - hidden, 0)
    assert report.problems == ()


@pytest.mark.parametrize(
    ("name", "options"), [("raw.h264", {"format": "h264"}), ("a.avi", {}), ("a.ts", {}), ("a.mkv", {})]
)
def test_other_containers(make_clip, name, options):
    report = probe(make_clip(name, 50, **options))
    assert report.video[0].frames == (None if name == "raw.h264" else 50)
    assert report.video[0].variable_rate == (None if name == "raw.h264" else False)
    assert report.problems == (
        ("frames have no times: they are placed at the frame rate",) if name == "raw.h264" else ()
    )


def test_folder_of_images(tmp_path):
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (32, 24)).save(tmp_path / f"{number}.png")
    report = probe(tmp_path)
    assert (report.container, report.video[0].codec, report.video[0].frames) == ("images", "png", 3)
    json.dumps(report.to_dict())


def test_text_file_fails(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(SourceOpenError, match="not a video"):
        probe(tmp_path / "a.mp4")


def test_a_codec_is_called_by_its_own_name_not_by_its_decoders(make_clip):
    assert probe(make_clip("a.mkv", 3, codec="libsvtav1")).video[0].codec == "av1"
