"""The ledger: what was written is there again, and two drivers cannot share it."""

import resource

import pytest

from streamdet.cluster.ledger import Ledger
from streamdet.errors import ConfigError


def test_rows_are_there_again_and_the_last_one_of_a_file_counts(tmp_path):
    place = str(tmp_path / "ledger.jsonl")
    ledger = Ledger.start(place, {"run": "r"})
    ledger.add({"source": "a", "frames": 1})
    ledger.add({"source": "b", "frames": 2})
    ledger.add({"source": "a", "frames": 3})
    ledger.close()
    again = Ledger.load(place)
    assert again.head["run"] == "r"
    assert again.rows == {"a": {"source": "a", "frames": 3}, "b": {"source": "b", "frames": 2}}
    again.close()


def test_a_torn_line_is_dropped_and_the_next_ones_are_whole(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger.start(str(path), {}).close()
    with path.open("ab") as file:
        file.write(b'{"source":"a"}\n{"source":"to')
    again = Ledger.load(str(path))
    assert set(again.rows) == {"a"}
    again.add({"source": "b"})
    again.close()
    last = Ledger.load(str(path))
    assert set(last.rows) == {"a", "b"}
    last.close()


def test_two_drivers_cannot_have_it(tmp_path):
    place = str(tmp_path / "ledger.jsonl")
    ledger = Ledger.start(place, {})
    with pytest.raises(ConfigError, match="another run of this job is in progress"):
        Ledger.load(place)
    ledger.close()
    assert Ledger.load(str(tmp_path / "none.jsonl")) is None


def test_another_file_is_no_ledger(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_text("[1]\nno\n")
    with pytest.raises(ConfigError, match="is not a ledger"):
        Ledger.load(str(path))


def test_lines_that_do_not_fit_are_written_when_they_do(tmp_path):
    place = tmp_path / "ledger.jsonl"
    ledger = Ledger.start(str(place), {})
    ledger.add({"source": "a"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (place.stat().st_size + 7, before[1]))
    try:
        ledger.add({"source": "b"})
        ledger.add({"source": "c"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    ledger.add({"source": "d"})
    ledger.close()
    again = Ledger.load(str(place))
    assert list(again.rows) == ["a", "b", "c", "d"]
    again.close()
