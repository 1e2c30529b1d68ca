import pytest

from streamdet.media.live.options import LiveOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"transport": "http"},
        {"max_staleness_s": 0},
        {"stale_after_s": 0},
        {"timeout_s": -1},
        {"first_retry_s": 0},
        {"max_retry_s": 0},
        {"refused_retry_s": 0},
    ],
)
def test_wrong_options_fail(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LiveOptions(**wrong)


def test_no_limit_of_staleness_is_allowed():
    assert LiveOptions(max_staleness_s=None).max_staleness_s is None
