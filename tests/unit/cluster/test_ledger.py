"""The ledger: what was written is there again, and two drivers cannot share it."""

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
