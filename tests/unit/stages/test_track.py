"""One tracker a stream, reset where its memory is."""

from dataclasses import replace
from fractions import Fraction

import pytest

from streamdet.frames import Checkpoint, StreamEnded, StreamGap, StreamInfo, StreamStarted
from streamdet.result import Result
from streamdet.stages.track import STAGE, track
from streamdet.tracking.options import TrackOptions

PERSON = (10, 10, 30, 40, 0.9, 0, -1)


def identities(items):
    """Of what was found; what the memory holds without finding it is left out."""
    found = [item.detections for item in items if isinstance(item, Result)]
    return [sorted(each[~each.carried].track_ids.tolist()) for each in found]


def test_every_stream_counts_for_itself(run_stage, make_result):
    items = [make_result([PERSON], source=source, index=index) for index in range(3) for source in "ab"]
    assert identities(run_stage(track(), items)) == [[1]] * 6


def test_a_cut_starts_again(run_stage, make_result):
    after = replace(make_result([PERSON], index=2), cut=True)
    items = [make_result([PERSON], index=0), make_result([PERSON], index=1), after]
    assert identities(run_stage(track(), items)) == [[1], [1], [2]]


def test_frames_that_were_not_looked_at_are_carried(run_stage, make_result):
    looked = [make_result([PERSON], index=index) for index in range(5)]
    blind = replace(make_result(index=5), looked=False)
    out = run_stage(track(), [*looked, blind, make_result([PERSON], index=6)])
    assert (out[5].detections.track_ids.tolist(), out[5].detections.carried.tolist()) == ([1], [True])
    assert identities(out)[-1] == [1]


def test_markers_pass_in_their_place(run_stage, make_result, started):
    items = [started("a"), make_result([PERSON]), StreamGap("a", 1, "reconnected"), StreamEnded("a", 1)]
    out = run_stage(track(), items)
    assert [type(item) for item in out] == [type(item) for item in items]
    assert out[0] is items[0]


def test_a_gap_begins_anew_without_giving_a_number_twice(run_stage, make_result):
    items = [
        make_result([PERSON], index=0),
        make_result([PERSON], source="b", index=0),
        StreamGap("a", 1, "reconnected"),
        make_result([PERSON], index=1, session=1),
        make_result([PERSON], source="b", index=1),
    ]
    assert identities(run_stage(track(), items)) == [[1], [1], [2], [1]]


def test_a_stream_of_the_same_name_begins_at_one(run_stage, make_result):
    items = [make_result([PERSON]), StreamEnded("a", 1), make_result([PERSON])]
    assert identities(run_stage(track(), items)) == [[1], [1]]


@pytest.mark.parametrize("marker", [StreamGap("x", 1, "reconnected"), StreamEnded("x", 0, error="refused")])
def test_markers_of_a_stream_without_frames_pass(run_stage, marker):
    assert run_stage(track(), [marker]) == [marker]


def test_time_is_that_of_the_frames(run_stage, make_result):
    """A minute without frames is a minute: nobody is taken for who stood there before."""
    items = [make_result([PERSON], index=0), make_result(index=1000), make_result([PERSON], index=1001)]
    assert identities(run_stage(track(), items)) == [[1], [], [2]]


@pytest.mark.parametrize("kind", ["resume", "other file"])
def test_identities_go_on_after_a_checkpoint(run_stage, make_result, kind):
    two = [make_result([PERSON, (100, 10, 120, 40, 0.9, 0, -1)], index=index) for index in range(3)]
    checkpoint = Checkpoint("a", 3, (64, 48), 0.08, 0.04)
    run_stage(track(), [*two, checkpoint])
    begins_at = 3 if kind == "resume" else 0  # another file counts its frames from 0
    after = [make_result([PERSON, (50, 10, 70, 40, 0.9, 0, -1)], index=begins_at + index) for index in range(2)]
    begun = StreamStarted("a", StreamInfo("a.mp4", 64, 48, Fraction(1, 25)), checkpoint, kind == "other file")
    assert identities(run_stage(track(), [begun, *after])) == [[1, 3], [1, 3]]


def test_a_tracker_that_cannot_be_saved_says_so_and_saves_nothing(run_stage, make_result):
    options = TrackOptions(tracker="ocsort")
    assert STAGE.why_not_saved(TrackOptions()) is None
    assert "tracker ocsort cannot be saved; expected memory or byte" in STAGE.why_not_saved(options)
    *results, checkpoint = run_stage(
        track(options), [*(make_result([PERSON], index=index) for index in range(5)), Checkpoint("a", 5)]
    )
    assert results[-1].detections.track_ids.tolist() == [1]
    assert checkpoint.sections == {}
