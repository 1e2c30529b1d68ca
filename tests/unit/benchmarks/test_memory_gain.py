"""What a memory is worth, with a detector whose memory is simple enough to know the figures beforehand."""

from collections.abc import Iterator

import numpy as np
import pytest
from memory_gain import (
    CLEAN,
    SMOOTHED,
    claims,
    enter,
    judge_conditions,
    judge_stills,
    measure_drift,
    shorten,
)

from streamdet.datasets.labels import LabelledSet
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.outputs import DenseOutputs
from streamdet.models.recurrent.array_state import ArrayState

FRAMES = 60


class Square:
    """A bright square on black that rests."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        for _ in range(start, FRAMES if stop is None else stop):
            image = np.zeros((96, 160, 3), np.uint8)
            image[20:60, 40:80] = 200
            yield image


class Finder:
    """Finds the square if it is bright; one that remembers also finds it in the dark, once it has seen it.

    One that tires gives up after so many frames of a stream.
    """

    runtime = "test"

    def __init__(self, remembers: bool, classes: tuple[str, ...] = ("car", "person"), tires_after: int = 10**9) -> None:
        self.spec = DetectorSpec("finder", classes, "", InputSpec(160))
        self.remembers, self.tires_after = remembers, tires_after

    def zero_state(self, streams, height, width):
        return ArrayState.zeros(streams, [(1, 1, 1)])

    def step(self, images, state=None, dt_s=None):
        B, T = images.shape[:2]
        state = state or self.zero_state(B, 0, 0)
        seen, count = state.hidden[0].copy(), state.cell[0].copy()
        scores = np.zeros((B, T, 1, len(self.spec.classes)), np.float32)
        for b, t in np.ndindex(B, T):
            bright = bool(images[b, t, 0, 20:60, 40:80].mean() > 127)
            seen[b] += bright
            count[b] += 1
            tired = count[b].item() > self.tires_after
            scores[b, t, 0, 0] = 0.9 * ((bright or (self.remembers and seen[b].item() > 0)) and not tired)
        boxes = np.tile(np.float32([40, 20, 80, 60]), (B, T, 1, 1))
        return DenseOutputs(boxes, scores, self.spec.classes), ArrayState((seen,), (count,), state.ages + T)


@pytest.fixture
def footage(build):
    """Two videos of 12 s."""
    marked = [build.labels([(40, 20, 80, 60, 0, 1)])] * FRAMES
    fields = {"width": 160, "height": 96, "times_s": np.arange(FRAMES) / 5, "frames": Square()}
    videos = tuple(build.video(marked, name=name, **fields) for name in ("a", "b"))
    return LabelledSet("squares", build.classes, videos)


def test_a_memory_shows_in_bad_moments_and_not_on_clean_frames(footage):
    entrants = enter(Finder(remembers=True), {"plain": Finder(remembers=False)})
    said = []
    results = judge_conditions(entrants, footage, ["dark"], None, said.append)
    clean, dark = results[CLEAN], results["dark"]
    assert list(clean["rows"]) == ["carry", "reset", "reset" + SMOOTHED, "shuffle", "plain", "plain" + SMOOTHED]
    assert {row["ap50"] for row in clean["rows"].values()} == {1.0}
    assert (clean["intervals"]["ap50"]["low"], clean["intervals"]["ap50"]["clips"]) == (0.0, 4)

    assert "shuffle" not in dark["rows"]
    assert "exposure steps" in dark["description"]
    carry, reset, plain = (dark["rows"][label] for label in ("carry", "reset", "plain"))
    assert carry["affected_ap50"] == 1.0
    assert reset["affected_ap50"] == plain["affected_ap50"] < 0.6
    assert carry["flicker"] == 0 < reset["flicker"]
    assert dark["intervals"]["affected_ap50"]["second"] == 1.0
    assert dark["intervals"]["ap50"]["low"] > 0
    assert len(said) == 4 + 3


def test_all_are_judged_on_the_classes_that_all_know(build, footage):
    people_only = Finder(remembers=False, classes=("car",))
    both = build.video([build.labels([(0, 0, 9, 9, 1, 1)])] * FRAMES, name="c", width=160, height=96, frames=Square())
    labelled = LabelledSet("mixed", build.classes, (*footage.videos, both))
    rows = judge_conditions(enter(Finder(True), {"narrow": people_only}), labelled, [], None, str)[CLEAN]["rows"]
    # The third video shows the square, too, where no car is marked: as precise for all.
    assert {row["boxes"] for row in rows.values()} == {2 * FRAMES}


def test_stills_have_one_row_a_model(build, footage):
    still = shorten(footage, 1)
    rows = judge_stills(enter(Finder(True), {"plain": Finder(False)}), still, None, str)
    assert rows == {label: {"ap50": 1.0, "frames": 1, "boxes": 1} for label in ("reset", "plain")}


def test_a_memory_that_tires_is_seen_in_a_long_stream(footage):
    drift = measure_drift(Finder(True, tires_after=150), [footage], 200, None, str)
    assert (drift["video"], drift["frames"], drift["pass_frames"]) == ("squares a", 240, 60)
    assert drift["ap50_by_pass"] == [1.0, 1.0, pytest.approx(51 / 101), 0.0]
    assert drift["ap50_reset"] == 1.0


def test_the_longest_unbroken_stretch_is_looped(build, footage):
    broken = build.video(
        footage.videos[0].labels,
        width=160,
        height=96,
        times_s=np.arange(FRAMES) / 5,
        segments=((0, 10), (10, 50), (50, 60)),
        frames=Square(),
    )
    drift = measure_drift(Finder(True), [LabelledSet("one", build.classes, (broken,))], 0, None, str)
    assert (drift["pass_frames"], drift["frames"]) == (40, 120)


def row(ap50, fast=None, flicker=None, affected=None):
    return {"ap50": ap50, "ap50_fast": fast, "flicker": flicker, "affected_ap50": affected}


def test_claims_are_means_over_sets():
    clean = {
        "road": {
            "carry": row(0.6, 0.5, 0.02),
            "reset": row(0.5, 0.4, 0.06),
            "reset" + SMOOTHED: row(0.5, 0.4, 0.05),
            "shuffle": row(0.5),
            "plain": row(0.55),
            "plain" + SMOOTHED: row(0.56, 0.4, 0.04),
        },
        "indoor": {
            "carry": row(0.9, None, 0.03),
            "reset": row(0.88, None, 0.04),
            "reset" + SMOOTHED: row(0.88, None, 0.04),
            "shuffle": row(0.9),
            "plain": row(0.9),
            "plain" + SMOOTHED: row(0.9, None, 0.02),
        },
    }
    sets = {name: {CLEAN: {"rows": rows}} for name, rows in clean.items()}
    sets["road"]["blur"] = {"rows": {"carry": row(0, affected=0.4), "reset": row(0, affected=0.3)}}
    found = {claim.text: claim for claim in claims(sets, {"frames": 120, "ap50_by_pass": [0.5, 0.6, 0.59]})}
    values = {text: claim.value for text, claim in found.items()}
    assert values == {
        "AP50, carry minus reset": pytest.approx((0.1 + 0.02) / 2),
        "AP50 of fast objects, carry minus reset": pytest.approx(0.1),
        "AP50 of bad moments (blur), carry minus reset": pytest.approx(0.1),
        "AP50, carry minus plain": pytest.approx(0.025),
        f"AP50, carry minus plain{SMOOTHED}": pytest.approx(0.02),
        "flicker, carry by reset": pytest.approx(0.05 / 0.10),
        f"flicker, carry by reset{SMOOTHED}": pytest.approx(0.05 / 0.09),
        f"flicker, carry by plain{SMOOTHED}": pytest.approx(0.05 / 0.06),
        "AP50, shuffle minus reset": pytest.approx(0.01),
        "AP50 after 120 frames, last pass minus second": pytest.approx(-0.01),
    }
    met = [claim.met for claim in found.values()]
    assert met[:5] == [True] * 5
    assert met[6:] == [False] * 4


def test_what_could_not_be_measured_is_neither_met_nor_missed():
    rows = {label: row(0.5) for label in ("carry", "reset", "shuffle")}
    found = claims({"road": {CLEAN: {"rows": rows}}}, None)
    assert {claim.text: claim.met for claim in found}["AP50 of fast objects, carry minus reset"] is None
    assert {claim.text: claim.met for claim in found}["flicker, carry by reset"] is None
