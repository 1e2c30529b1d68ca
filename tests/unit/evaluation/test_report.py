"""The keys that scripts rely on, and the tables."""

import json

import numpy as np
import pytest
from rich.console import Console

from streamdet.evaluation.intervals import Interval, paired_intervals
from streamdet.evaluation.report import brief_report, comparison_table, report, report_table

AP_KEYS = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"]
MATCHED_KEYS = ["ap50_slow", "ap50_medium", "ap50_fast", "flicker", "stability", "frames", "boxes"]
BOX = (100, 100, 200, 200)
PERSON = (300, 300, 400, 400)


def pairs_of(build, *, tracks=False):
    """A car that is found in three of four frames, and a person that is always found."""
    track = 1 if tracks else -1
    frames = [build.labels([(*BOX, 0, track), (*PERSON, 1, track + tracks)])] * 4
    person = (*PERSON, 1, 0.8, 6 if tracks else -1)
    found = [[(*BOX, 0, 0.9, 5 if tracks else -1), person]] * 3 + [[person]]
    return [(build.video(frames), [build.found(rows) for rows in found])]


def shown(table):
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_it_has_exactly_the_promised_keys(build):
    result = report(pairs_of(build), build.classes)
    assert list(result) == [*AP_KEYS, *MATCHED_KEYS, "fps", "latency_ms", "per_class"]
    assert {name: list(figures) for name, figures in result["per_class"].items()} == {
        "car": AP_KEYS + MATCHED_KEYS,
        "person": AP_KEYS + MATCHED_KEYS,
    }


def test_identities_add_hota_and_idf1(build):
    result = report(pairs_of(build, tracks=True), build.classes)
    assert list(result)[-3:] == ["hota", "idf1", "per_class"]
    assert result["per_class"]["person"]["hota"] == 1.0
    assert result["per_class"]["car"]["idf1"] == pytest.approx(2 * 3 / (4 + 3))


def test_its_figures(build):
    result = report(pairs_of(build), build.classes, latencies_s=[0.01, 0.02, 0.03, 0.04], elapsed_s=0.1)
    car, person = result["per_class"]["car"], result["per_class"]["person"]
    assert (car["ap50"], person["ap50"]) == (pytest.approx(76 / 101), 1.0)
    assert result["ap50_slow"] == result["ap50"] == pytest.approx((1 + 76 / 101) / 2)
    assert result["ap50_fast"] is None
    assert (car["flicker"], person["flicker"], result["flicker"]) == (1 / 3, 0, 1 / 6)
    assert (car["boxes"], result["boxes"], result["frames"]) == (4, 8, 4)
    assert result["stability"] == pytest.approx(0)
    assert result["fps"] == 40
    assert result["latency_ms"] == {"p50": pytest.approx(25), "p95": pytest.approx(38.5)}


def test_a_class_counts_the_frames_that_label_it(build):
    cars_only = build.video([build.labels([(*BOX, 0, -1)])] * 3, name="cars", labelled=frozenset({0}))
    pairs = [*pairs_of(build), (cars_only, [build.found([])] * 3)]
    result = report(pairs, build.classes)
    assert (result["frames"], result["per_class"]["car"]["frames"], result["per_class"]["person"]["frames"]) == (
        7,
        7,
        4,
    )


def test_only_some_classes(build):
    result = report(pairs_of(build), build.classes, only=["person"])
    assert list(result["per_class"]) == ["person"]
    assert (result["ap"], result["boxes"]) == (1.0, 4)


def test_it_goes_into_a_json_file_whatever_is_missing(build):
    nothing = [(build.video([build.labels([])]), [build.found([])])]
    result = report(nothing, build.classes)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert (result["ap"], result["fps"], result["latency_ms"]) == (None, None, {"p50": None, "p95": None})
    timed = report(pairs_of(build), build.classes, latencies_s=np.array([0.01]), elapsed_s=1.0)
    assert json.loads(json.dumps(timed, allow_nan=False)) == timed


def test_the_table_shows_detectors_side_by_side(build):
    with_tracks = report(pairs_of(build, tracks=True), build.classes)
    text = shown(report_table({"street": report(pairs_of(build), build.classes), "tracked": with_tracks}))
    rows = {line.split("│")[1].strip(): line.split("│")[2:4] for line in text.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in rows["ap50 car"]] == ["0.752", "0.752"]
    assert [cell.strip() for cell in rows["hota"]] == ["–", f"{with_tracks['hota']:.3f}"]
    assert [cell.strip() for cell in rows["boxes"]] == ["8", "8"]
    assert "score of 0.25" in text


def test_the_comparison_says_what_is_clear(build):
    intervals = {
        "ap50": Interval(0.5, 0.6, 0.04, 0.16, 12),
        "flicker": Interval(0.1, 0.09, -0.03, 0.02, 12),
        "ap50_fast": Interval(None, None, None, None, 12),
    }
    lines = shown(comparison_table(intervals, "reset", "carry")).splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert cells == [
        ["ap50", "0.500", "0.600", "0.100", "0.040 to 0.160", "yes"],
        ["flicker", "0.100", "0.090", "-0.010", "-0.030 to 0.020", "no"],
        ["ap50_fast", "–", "–", "–", "–", "no"],
    ]
    assert "12 clips" in " ".join(lines)
    compared = paired_intervals(pairs_of(build), pairs_of(build), build.classes, draws=5)
    assert "ap50_slow" in shown(comparison_table(compared, "a", "b"))


def test_a_long_stream_is_judged_by_position(build):
    frames = [build.labels([(*BOX, 0, -1)])] * 200
    hit = build.found([(*BOX, 0, 0.9, -1)])
    result = report([(build.video(frames), [hit] * 180 + [build.found([])] * 20)], build.classes)
    stretches = result["ap50_by_position"]
    assert [(one["start"], one["stop"]) for one in stretches] == [(20 * n, 20 * n + 20) for n in range(10)]
    assert [one["ap50"] for one in stretches] == [1.0] * 9 + [0.0]
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert "ap50 of frames 180 to 199 │ 0.000" in shown(report_table({"a": result}))


def test_the_brief_report_has_the_figures_of_the_full_one(build):
    full, brief = report(pairs_of(build), build.classes), brief_report(pairs_of(build), build.classes)
    assert list(brief) == ["ap50", *MATCHED_KEYS]
    assert brief == {name: pytest.approx(full[name]) if full[name] is not None else None for name in brief}


def test_the_table_shows_what_else_was_judged(build):
    result = report(pairs_of(build), build.classes)
    result |= {"affected": {"ap50": 0.25}, "streaming": {"ap50": 0.125}}
    text = shown(report_table({"a": result, "b": report(pairs_of(build), build.classes)}))
    rows = {line.split("│")[1].strip(): line.split("│")[2:4] for line in text.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in rows["affected ap50"]] == ["0.250", "–"]
    assert [cell.strip() for cell in rows["streaming ap50"]] == ["0.125", "–"]
