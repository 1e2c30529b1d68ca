"""What every video output takes."""

import pytest
from pydantic import ValidationError

from streamdet.media.write.options import EncodeOptions


@pytest.mark.parametrize("codec", ["vp9", "libx264", ""])
def test_a_codec_that_is_not_offered_fails(codec):
    with pytest.raises(ValidationError, match="'h264', 'hevc' or 'av1'"):
        EncodeOptions(codec=codec)


def test_a_preset_may_be_a_number():
    assert EncodeOptions(codec="av1", preset=8).preset == "8"
