"""What a job may say of drawing."""

import pytest
from pydantic import ValidationError

from streamdet.drawing.options import AnnotateOptions


@pytest.mark.parametrize("width", ["auto", 1, 100])
def test_line_widths(width):
    assert AnnotateOptions(line_width=width).line_width == width


@pytest.mark.parametrize("width", [0, 101, "thick", 1.5, True, None])
def test_another_line_width_fails(width):
    with pytest.raises(ValidationError, match="expected auto or 1 to 100 pixels, got"):
        AnnotateOptions(line_width=width)
