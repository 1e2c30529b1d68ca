"""What goes together in a clip, and that nothing is lost, late or out of order."""

import random
import threading
import time
from collections import Counter
from itertools import count

import pytest

from streamdet.flow import Run, Stage
from streamdet.frames import Clip, StreamEnded, StreamGap
from streamdet.stages.batch import batch, batch_newest

PATIENCE_S = 60.0


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
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_or_out_of_order(run_stage, make_frame, started, mode, live, seed):
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
    stage = batch(frames_per_clip, max_streams)
    if live:
        frames_per_clip, stage = 1, batch_newest(max_streams, choose.choice([0.0, 0.001]))
    got = run_stage(stage, items, mode)
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


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0)])
def test_a_clip_of_nothing_fails(arguments):
    with pytest.raises(ValueError, match="at least one"):
        batch(*arguments)


@pytest.mark.parametrize("arguments", [(0, 0.01), (1, -0.01)])
def test_a_clip_without_streams_or_time_fails(arguments):
    with pytest.raises(ValueError, match="at least one stream and a deadline"):
        batch_newest(*arguments)


def camera(source, make_frame, started, times_s, size=(64, 48)):
    """Gives a frame at each of these seconds from now on; the newest wins, and is taken when it is wanted."""

    def process(inbox):
        begun = time.monotonic()
        yield started(source)
        number = 0
        while number < len(times_s):
            now_s = time.monotonic() - begun
            if times_s[number] > now_s:
                with inbox.waiting():
                    time.sleep(times_s[number] - now_s)
            inbox.wait_until_wanted()
            now_s = time.monotonic() - begun
            due = [index for index in range(number, len(times_s)) if times_s[index] <= now_s]
            yield make_frame(
                source, due[-1], size=size, captured_s=begun + times_s[due[-1]], dropped_before=len(due) - 1
            )
            number = due[-1] + 1

    return Stage("decode", process, 0)


def watch(sources, stage):
    """Clips, and their frames' ages, as a model meets them that takes no time."""
    got, ages_s = [], []
    with Run(sources, [stage]) as run:
        for item in run:
            if isinstance(item, Clip):
                ages_s += [time.monotonic() - frame.captured_s for frames in item for frame in frames]
                got.append(item)
    return got, ages_s


def test_streams_that_have_a_frame_go_together_the_others_are_not_waited_for(make_frame, started):
    both, first_clip = threading.Barrier(2), threading.Event()

    def camera(source, ready):
        def process(inbox):
            yield started(source)
            ready()
            yield make_frame(source)

        return Stage("decode", process, 0)

    sources = [camera(name, both.wait) for name in "ab"] + [camera("stalled", lambda: first_clip.wait(PATIENCE_S))]
    got = []
    with Run(sources, [batch_newest(4, 0.5)]) as run:
        for item in run:
            if isinstance(item, Clip):
                got.append({frames[0].source for frames in item})
                first_clip.set()
    assert got == [{"a", "b"}, {"stalled"}]


def test_a_single_stream_waits_for_nobody(make_frame, started):
    _, ages_s = watch([camera("a", make_frame, started, [0.1, 0.3])], batch_newest(4, 60.0))
    assert max(ages_s) < 30


def test_streams_of_two_sizes_make_two_clips(make_frame, started):
    sources = [camera(name, make_frame, started, [0.2], size=(64, 48)) for name in "ab"]
    sources += [camera(name, make_frame, started, [0.2], size=(32, 24)) for name in "cd"]
    got, _ = watch(sources, batch_newest(4, 5.0))
    assert sorted(sorted(frames[0].source for frames in clip) for clip in got) == [["a", "b"], ["c", "d"]]


def test_frames_do_not_get_old_before_a_slow_model_and_no_stream_starves(make_frame, started):
    """Six streams that always have a new frame before a model that takes four; the clock counts clips."""
    clips: list[Clip] = []

    def camera(source):
        def process(inbox):
            yield started(source)
            for number in count():
                inbox.wait_until_wanted()
                yield make_frame(source, number, captured_s=float(len(clips)))

        return Stage("decode", process, 0)

    ages = []
    with Run([camera(f"cam-{n}") for n in range(6)], [batch_newest(4, 0.005)]) as run:
        for item in run:
            if isinstance(item, Clip):
                ages += [len(clips) - frame.captured_s for frames in item for frame in frames]
                time.sleep(0.02)  # the model: time enough to take frames too early
                clips.append(item)
                if len(clips) == 25:
                    break
    counts = Counter(frames[0].source for clip in clips for frames in clip)
    assert len(counts) == 6
    assert max(counts.values()) - min(counts.values()) <= 3, counts
    assert sorted(ages)[len(ages) // 2] == 0  # no frame waits for the clips before its own
    assert all(len(clip.streams) <= 4 for clip in clips)


def test_a_slow_stream_slows_no_other(make_frame, started):
    """Its second frame comes when the other one has given 50."""
    enough = threading.Event()

    def slow(inbox):
        yield started("slow")
        yield make_frame("slow", 0)
        assert enough.wait(PATIENCE_S)
        yield make_frame("slow", 1)

    def fast(inbox):
        yield started("fast")
        for number in count():
            if enough.is_set():
                return
            inbox.wait_until_wanted()
            yield make_frame("fast", number)

    got: Counter[str] = Counter()
    with Run([Stage("decode", fast, 0), Stage("decode", slow, 0)], [batch_newest(2, 0.005)]) as run:
        for item in run:
            if isinstance(item, Clip):
                got.update(frames[0].source for frames in item)
                if got["fast"] == 50:
                    enough.set()
    assert got["slow"] == 2
    assert got["fast"] >= 50
