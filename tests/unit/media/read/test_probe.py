import pytest

from streamdet.media.read.probe import is_variable


@pytest.mark.parametrize(
    ("times", "variable"),
    [
        ([0, 512, 1024, 1536], False),
        ([0, 33, 67, 100, 133, 167], False),  # 30 fps in milliseconds
        ([0, 33, 67, 100, 150, 183], True),
        ([0, 40, 80, 160], True),
        ([5, 9], None),
        ([], None),
    ],
)
def test_uneven_spacing_is_told_from_rounding(times, variable):
    assert is_variable(times) is variable
