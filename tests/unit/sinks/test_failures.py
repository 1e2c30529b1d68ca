"""One output that fails does not take the others along."""

import pytest

from streamdet.errors import SinkError
from streamdet.sinks.failures import close_all, remembered


class Output:
    def __init__(self, error=None):
        self.error = error
        self.closed = 0

    def close(self):
        self.closed += 1
        if self.error:
            raise self.error


def test_a_sink_error_is_remembered_and_goes_no_further(said):
    failures = []
    with remembered(failures, "cam"):
        raise SinkError("disk full")
    assert said(failures) == [("cam", "disk full")]


def test_another_error_goes_on_fails():
    failures = []
    with pytest.raises(ZeroDivisionError), remembered(failures, "cam"):
        raise ZeroDivisionError
    assert failures == []


def test_all_are_closed_and_failures_remembered(said):
    outputs = {"a": Output(SinkError("no room")), "b": Output(), "c": Output(SinkError("gone"))}
    failures = []
    close_all(outputs, failures)
    assert [output.closed for output in outputs.values()] == [1, 1, 1]
    assert sorted(said(failures)) == [("a", "no room"), ("c", "gone")]


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_all_are_closed_though_one_breaks(error):
    outputs = {"a": Output(), "b": Output(error), "c": Output()}
    with pytest.raises(type(error)):
        close_all(outputs, [])
    assert [output.closed for output in outputs.values()] == [1, 1, 1]
