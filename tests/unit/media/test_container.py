"""Opening what the system and the network have."""

import sys

import pytest

from streamdet.media.container import open_stream
from streamdet.media.locations import SourceSpec


@pytest.mark.skipif(sys.platform != "linux", reason="where cameras are differs")
def test_a_camera_is_looked_for_among_the_devices():
    with pytest.raises(ValueError, match="there is no /dev/video63"):
        open_stream(SourceSpec("63", "camera-63", "camera"), {}, (1.0, 1.0))
