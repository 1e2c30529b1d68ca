"""The driver: tries again what is lost, gives up what fails twice, and leaves the rest alone."""

from pathlib import Path

import pytest

from streamdet.cluster.driver import Driver, Lost
from streamdet.cluster.ledger import Ledger


class Pool:
    """Answers what it is told; `says` has the answers for each name, one for each try."""

    window = 2

    def __init__(self, says=None, dead=()):
        self.says, self.dead = says or {}, set(dead)
        self.given, self._flying = [], []

    def submit(self, piece, *, last):
        self.given.append((piece.name, last))
        self._flying.append(piece)
        assert len(self._flying) <= self.window

    def wait(self, seconds):
        piece = self._flying.pop(0)
        answers = self.says.get(piece.name) or [None]
        answer = answers.pop(0)
        whole = {"source": piece.name, "frames": 3, "frames_of_this_run": 3, "failures": []}
        return [(piece, whole if answer is None else answer)]

    def frames(self):
        return {}

    def lives(self, node):
        return node not in self.dead

    def drop(self):
        self._flying.clear()


@pytest.fixture
def drive(plan_files):
    def run(pool, *names):
        planned = plan_files(*names)
        Path(planned.place).mkdir(parents=True)
        said = []
        ledger = Ledger.start(f"{planned.place}/ledger.jsonl", {})
        driver = Driver(planned.pieces, pool, ledger, said.append)
        assert driver.run()
        ledger.close()
        return driver, ledger.rows, said

    return run


def _failed(name):
    return {"source": name, "frames": 0, "failures": [{"what": "source", "source": name, "message": f"{name}: broken"}]}


def test_all_files_are_done_once_within_the_window(drive):
    pool = Pool()
    driver, rows, said = drive(pool, *"abcde")
    assert sorted(rows) == list("abcde")
    assert pool.given == [(name, False) for name in "abcde"]
    assert (driver.progress.done, driver.progress.failed, driver.progress.frames, said) == (5, 0, 15, [])


def test_a_file_that_fails_is_tried_twice_and_the_rest_continues(drive):
    pool = Pool({"b": [_failed("b"), _failed("b")]})
    driver, rows, said = drive(pool, *"abc")
    assert [last for name, last in pool.given if name == "b"] == [False, True]
    assert rows["b"]["failures"][0]["message"] == "b: broken"
    assert (driver.progress.done, driver.progress.failed) == (3, 1)
    assert said == ["b: is tried again: b: broken", "b: broken"]


def test_a_file_that_kills_its_workers_is_given_up_after_two(drive):
    pool = Pool({"a": [Lost("its worker ended", "n1"), Lost("its worker ended", "n2")]})
    _, rows, _ = drive(pool, *"ab")
    assert rows["a"]["tries"] == 2
    assert "its worker ended" in rows["a"]["failures"][0]["message"]
    assert rows["b"]["failures"] == []


def test_machines_that_die_are_not_the_fault_of_a_file(drive):
    pool = Pool({"a": [Lost("gone", "n1"), Lost("gone", "n1"), Lost("gone", "n1"), None]}, dead={"n1"})
    _, rows, _ = drive(pool, "a")
    assert (rows["a"]["tries"], rows["a"]["failures"]) == (4, [])


def test_but_not_without_end(drive):
    pool = Pool({"a": [Lost("gone", "n1")] * 20}, dead={"n1"})
    _, rows, _ = drive(pool, "a")
    assert rows["a"]["tries"] == 6


def test_what_is_tried_again_does_not_wait_behind_all_others(drive):
    pool = Pool({"a": [Lost("gone", None), None]})
    drive(pool, *"abcdef")
    assert [name for name, _ in pool.given].index("a", 1) <= 3
