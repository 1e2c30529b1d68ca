"""`streamdet run --encode changed`: what nothing was drawn on is the source's."""

import av
import pytest


def packets(path, kind):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux() if packet.size and packet.stream.type == kind]


def test_video_without_detections_is_copied(streamdet, clips, here):
    source = clips / "walk.mp4"
    done = streamdet("run", source, "-o", "out.mp4", "--encode", "changed", "--conf", "1", "--runtime", "openvino")
    assert done.status == 0, done.stderr
    for kind in ("video", "audio"):
        assert packets(here / "out.mp4", kind) == packets(source, kind) != []


def test_video_with_an_area_is_encoded(streamdet, clips, here):
    """It is drawn on every frame."""
    area = "zones.areas={gate: {polygon: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}}"
    stages = "stages=[decode, batch, detect, track, zones, annotate, encode]"
    more = ("--conf", "1", "--runtime", "openvino", "--set", stages, "--set", area)
    done = streamdet("run", clips / "walk.mp4", "-o", "out.mp4", "--encode", "changed", *more)
    assert done.status == 0, done.stderr
    assert packets(here / "out.mp4", "video") != packets(clips / "walk.mp4", "video")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--codec", "hevc"), "--encode changed and --codec exclude each other: the codec is that of the source"),
        (("--segment", "10s"), "--encode changed and --segment exclude each other"),
        (("--stride", "2"), "--encode changed and --stride exclude each other"),
        (("--no-video",), "--encode changed and --no-video exclude each other"),
        (("--annotate", "overlay"), "--annotate overlay and --encode exclude each other"),
        (("-o", "x.webm"), "x.webm: .webm cannot hold h264"),
        (("-o", "x.m3u8"), "expected one file of .mp4 .m4v .mov .mkv for walk, got x.m3u8"),
    ],
)
def test_what_makes_no_sense_is_refused(streamdet, clips, here, options, said):
    done = streamdet("run", clips / "walk.mp4", "--encode", "changed", *options)
    assert done.status == 2
    assert said in done.stderr
    assert list(here.iterdir()) == []
