"""Which output a path or an address is."""

from pathlib import Path

import pytest

from streamdet.jobs.config import DecodeConfig, EncodeConfig
from streamdet.jobs.video_outputs import is_playlist, is_rtsp, video_outputs
from streamdet.media.write.hls import HlsWriter
from streamdet.media.write.rtsp_publisher import RtspPublisher
from streamdet.media.write.segments import SegmentedWriter
from streamdet.media.write.writer import VideoWriter


@pytest.mark.parametrize(
    ("target", "segment_s", "kind", "unit"),
    [
        (Path("a.mp4"), None, VideoWriter, None),
        (Path("a.mp4"), 600, SegmentedWriter, "files"),
        (Path("a.M3U8"), None, HlsWriter, "pictures"),
        ("RTSP://me:pw@127.0.0.1:1/a", None, RtspPublisher, "pictures"),
    ],
)
def test_every_target_has_its_output(tmp_path, started, target, segment_s, kind, unit):
    target = tmp_path / target if isinstance(target, Path) else target
    deliveries = {}
    opens = video_outputs(EncodeConfig(segment_s=segment_s), DecodeConfig(), {"a": target}, deliveries)
    output = opens(started("a"))
    output.close()
    assert type(output) is kind
    assert [delivery.unit for delivery in deliveries.values()] == ([unit] if unit else [])
    assert not any("pw" in delivery.shown for delivery in deliveries.values())


def test_a_stream_that_has_none(started):
    assert video_outputs(EncodeConfig(), DecodeConfig(), {}, {})(started("a")) is None


@pytest.mark.parametrize(
    ("path", "published", "playlist"),
    [
        ("rtsp://h/x.m3u8", True, False),
        ("rtsps://h/x", True, False),
        ("x/y.m3u8", False, True),
        ("rtsp/x.mp4", False, False),
        (None, False, False),
    ],
)
def test_paths_are_told_from_addresses(path, published, playlist):
    assert (is_rtsp(path), is_playlist(path)) == (published, playlist)
