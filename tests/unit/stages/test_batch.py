"""What goes together in a clip, and that nothing is lost, late or out of order."""

import random
import time

import pytest

from streamdet.flow import Run, Stage
from streamdet.frames import Clip, Frame, StreamEnded, StreamGap
from streamdet.stages.batch import batch


def shape(items):
    """Clips as tuples of (stream, indices), markers as their type's name."""
    return [
        tuple((frames[0].source, [frame.index for frame in frames]) for frames in item)
        if isinstance(item, Clip)
        else type(item).__name__
        for item in items
    ]


def test_frames_of_a_file_go_in_clips_and_the_rest_at_the_end(run_stage, make_frame):
    got = run_stage(batch(4), [make_frame(index=n) for n in range(10)])
    assert shape(got) == [(("a", [0, 1, 2, 3]),), (("a", [4, 5, 6, 7]),), (("a", [8, 9]),)]


def test_no_frames_no_clips(run_stage):
    assert run_stage(batch(4), []) == []


@pytest.mark.parametrize("marker", [StreamGap("a", 1, "reconnected"), StreamEnded("a", 2)])
def test_a_marker_comes_after_the_frames_before_it(run_stage, make_frame, marker):
    got = run_stage(batch(4), [make_frame(index=0), make_frame(index=1), marker, make_frame(index=2, session=1)])
    assert shape(got) == [(("a", [0, 1]),), type(marker).__name__, (("a", [2]),)]


def test_a_marker_of_another_stream_flushes_nothing_of_this_one(run_stage, make_frame, started):
    got = run_stage(batch(2), [make_frame(index=0), started("b"), make_frame(index=1)])
    assert shape(got) == ["StreamStarted", (("a", [0, 1]),)]


def test_another_size_begins_a_clip(run_stage, make_frame):
    got = run_stage(batch(3), [make_frame(index=0), make_frame(index=1, size=(32, 24)), make_frame(index=2)])
    assert shape(got) == [(("a", [0]),), (("a", [1]),), (("a", [2]),)]


def test_another_session_begins_a_clip(run_stage, make_frame):
    got = run_stage(batch(3), [make_frame(index=0), make_frame(index=1, session=1)])
    assert shape(got) == [(("a", [0]),), (("a", [1]),)]


def test_streams_go_side_by_side(run_stage, make_frame):
    frames = [make_frame(source, index) for index in range(2) for source in "abc"]
    got = run_stage(batch(1, max_streams=3), frames)
    assert shape(got) == [(("a", [n]), ("b", [n]), ("c", [n])) for n in range(2)]


def test_streams_of_other_sizes_wait_for_their_like(run_stage, make_frame):
    sizes = {"a": (64, 48), "b": (32, 24), "c": (64, 48), "d": (32, 24)}
    got = run_stage(batch(1, max_streams=2), [make_frame(source, 0, size=sizes[source]) for source in "abcd"])
    assert shape(got) == [(("a", [0]), ("c", [0])), (("b", [0]), ("d", [0]))]


def test_a_stream_that_is_ahead_waits_for_nobody(run_stage, make_frame):
    got = run_stage(batch(1, max_streams=3), [make_frame("a", 0), make_frame("b", 0), make_frame("a", 1)])
    assert shape(got) == [(("a", [0]), ("b", [0])), (("a", [1]),)]


def test_interleaved_files_keep_clips_of_their_own(run_stage, make_frame):
    got = run_stage(batch(2), [make_frame(source, index) for index in range(2) for source in "ab"])
    assert shape(got) == [(("a", [0, 1]),), (("b", [0, 1]),)]


def test_streams_and_frames_at_once(run_stage, make_frame):
    frames = [make_frame(source, index) for index in range(5) for source in "ab"]
    got = run_stage(batch(2, max_streams=2), frames)
    assert shape(got) == [(("a", [n, n + 1]), ("b", [n, n + 1])) for n in (0, 2)] + [(("a", [4]), ("b", [4]))]


@pytest.mark.parametrize("mode", ["inline", "threaded"])
@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_or_out_of_order(run_stage, make_frame, started, mode, seed):
    """Any mixture of streams, sizes, sessions and markers: each stream comes out as it went in."""
    choose = random.Random(seed)
    items, index, session = [], dict.fromkeys("abcd", 0), dict.fromkeys("abcd", 0)
    for _ in range(300):
        source = choose.choice("aabbbcd")
        if choose.random() < 0.1:
            session[source] += 1
            items.append(choose.choice([StreamGap(source, session[source], "lost"), started(source)]))
        else:
            size = choose.choice([(64, 48)] * 9 + [(32, 24)])
            items.append(make_frame(source, index[source], session[source], size))
            index[source] += 1
    frames_per_clip, max_streams = choose.choice([(1, 1), (1, 4), (8, 1), (3, 2)])
    deadline_s = choose.choice([None, 0.0, 0.001])
    got = run_stage(batch(frames_per_clip, max_streams, deadline_s), items, mode)
    for item in got:
        if isinstance(item, Clip):
            assert len(item.streams) <= max_streams
            assert len(item.streams[0]) <= frames_per_clip
            assert len({frame.image.shape for frames in item for frame in frames}) == 1
            assert all(len({frame.session for frame in frames}) == 1 for frames in item)
    for source in "abcd":
        flat = [
            part
            for item in got
            for part in ([f for frames in item for f in frames] if isinstance(item, Clip) else [item])
            if part.source == source
        ]
        assert flat == [item for item in items if item.source == source]


def arrivals(stage, frames_and_pauses):
    """Run threaded; the seconds at which clips come out."""

    def slowly(inbox):
        for step in frames_and_pauses:
            if isinstance(step, Frame):
                yield step
            else:
                time.sleep(step)

    begun, times = time.monotonic(), []
    with Run([Stage("camera", slowly)], [stage]) as run:
        times.extend((time.monotonic() - begun, shape([item])[0]) for item in run)
    return times


def test_a_deadline_sends_what_is_there(make_frame):
    times = arrivals(batch(1, 4, deadline_s=0.05), [make_frame("a"), make_frame("b"), 0.6])
    assert [what for _, what in times] == [(("a", [0]), ("b", [0]))]
    assert 0.05 <= times[0][0] < 0.5


def test_a_deadline_is_kept_while_other_streams_are_busy(make_frame):
    """A stalled stream's frame does not wait for ever because the others never leave a pause."""
    busy = [step for n in range(70) for step in (make_frame("b", n, size=(32, 24)), 0.01)]
    times = arrivals(batch(8, 4, deadline_s=0.05), [make_frame("a"), *busy])
    first = next(at for at, what in times if what[0][0] == "a")
    assert first < 0.5


def test_without_a_deadline_it_waits(make_frame):
    times = arrivals(batch(1, 2), [make_frame("a"), 0.2, make_frame("b")])
    assert [what for _, what in times] == [(("a", [0]), ("b", [0]))]
    assert times[0][0] >= 0.2


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0)])
def test_a_clip_of_nothing_fails(arguments):
    with pytest.raises(ValueError, match="at least one"):
        batch(*arguments)
