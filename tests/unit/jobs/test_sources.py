"""Sources that are not there are mistakes in the command."""

import pytest

from streamdet.errors import ConfigError
from streamdet.jobs.sources import find_sources


def test_find_sources(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert [spec.name for spec in find_sources([str(tmp_path / "a.mp4"), "http://host/b.mp4"])] == ["a", "b"]


@pytest.mark.parametrize("arguments", [[], ["nope.mp4"], ["@nope.txt"], ["nope*.mp4"], ["gopher://x"]])
def test_find_sources_fails(arguments):
    with pytest.raises(ConfigError):
        find_sources(arguments)


def test_all_that_is_missing_is_named_at_once(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as raised:
        find_sources(["nope.mp4", str(tmp_path / "empty"), "http://host/b.mp4", "no*.mp4"])
    nope, empty, pattern = str(raised.value).splitlines()
    assert nope == "nope.mp4: no such file or folder"
    assert "empty: holds no videos" in empty
    assert "no*.mp4: matches no videos" in pattern
