"""The run report as a file."""

import json

import pytest

from streamdet.errors import SinkError
from streamdet.jobs.report import machine, write_report


def test_write_report(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    write_report(path, {"machine": machine(), "ä": 1})
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["ä"] == 1
    assert report["machine"]["cpus"] >= 1
    assert report["machine"]["peak_memory_mb"] > 10
    assert list(tmp_path.iterdir()) == [path]


def test_write_report_fails(tmp_path):
    with pytest.raises(SinkError, match="there is no folder"):
        write_report(tmp_path / "nowhere" / "report.json", {})
