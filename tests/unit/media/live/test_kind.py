import pytest

from streamdet.media.live.kind import is_live
from streamdet.media.locations import expand_sources

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("location", "live"),
    [
        ("rtsp://10.0.0.1/live", True),
        ("RTSPS://10.0.0.1/clip.mp4", True),
        ("rtmp://10.0.0.1/app/key", True),
        ("0", True),
        ("http://10.0.0.1/clip.mp4?token=abc", False),
        ("https://10.0.0.1/clip.MKV", False),
        (f"http://{NOBODY}/live.m3u8", True),
        (f"http://{NOBODY}/clip", False),
    ],
)
def test_what_is_live(location, live):
    [spec] = expand_sources([location])
    assert is_live(spec) is live


def test_files_are_not(tmp_path):
    (tmp_path / "live.m3u8").write_text("#EXTM3U")
    [spec] = expand_sources([str(tmp_path / "live.m3u8")])
    assert not is_live(spec)
