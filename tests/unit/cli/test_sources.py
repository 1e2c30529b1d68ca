"""Sources that are not there are mistakes in the command."""

import pytest

from streamdet.cli.sources import find_sources, refuse_live
from streamdet.errors import ConfigError


def test_find_sources(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert [spec.name for spec in find_sources([str(tmp_path / "a.mp4"), "http://host/b.mp4"])] == ["a", "b"]


@pytest.mark.parametrize("arguments", [[], ["nope.mp4"], ["@nope.txt"], ["nope*.mp4"], ["gopher://x"]])
def test_find_sources_fails(arguments):
    with pytest.raises(ConfigError):
        find_sources(arguments)


@pytest.mark.parametrize("live", ["0", "rtsp://host/x", "RTSPS://host/x", "rtmp://host/x"])
def test_live_sources_are_refused(live):
    refuse_live(find_sources(["http://host/b.mp4"]))
    with pytest.raises(ConfigError, match="--mode every-frame"):
        refuse_live(find_sources([live]))
