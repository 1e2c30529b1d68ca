"""The paired bootstrap."""

import numpy as np
import pytest

from streamdet.evaluation.intervals import paired_intervals

BOX = (100, 100, 200, 200)
HIT = (*BOX, 0, 0.9, -1)


def clips(build, hit_shares, rng, frames=20):
    """One video a share, in which that share of the frames has its object found."""
    marked = [build.labels([(*BOX, 0, 1)])] * frames
    pairs = []
    for number, share in enumerate(hit_shares):
        hits = rng.permutation(frames) < share * frames
        pairs.append((build.video(marked, name=str(number)), [build.found([HIT] if hit else []) for hit in hits]))
    return pairs


def test_a_detector_that_is_better_on_every_clip_is_clearly_better(build):
    rng = np.random.default_rng(0)
    worse, better = clips(build, [0.3, 0.5, 0.7, 0.2], rng), clips(build, [0.5, 0.7, 0.9, 0.4], rng)
    ap50 = paired_intervals(worse, better, build.classes, draws=200)["ap50"]
    assert ap50.clips == 4
    # Every draw differs by 0.2 of the recall; 101 recall points make it 20 or 21 of them.
    assert ap50.second - ap50.first == pytest.approx(0.2, abs=0.011)
    assert 0.18 < ap50.low <= ap50.high < 0.22


def test_a_detector_that_is_better_on_half_of_the_clips_is_not(build):
    rng = np.random.default_rng(0)
    one, other = clips(build, [0.9, 0.1, 0.9, 0.1], rng), clips(build, [0.1, 0.9, 0.1, 0.9], rng)
    ap50 = paired_intervals(one, other, build.classes, draws=200)["ap50"]
    assert ap50.low < 0 < ap50.high


def test_a_detector_against_itself_differs_by_nothing(build):
    pairs = clips(build, [0.3, 0.5, 0.7, 0.2], np.random.default_rng(0))
    for name, interval in paired_intervals(pairs, pairs, build.classes, draws=20).items():
        if name in ("ap50_medium", "ap50_fast"):
            assert (interval.first, interval.low, interval.high) == (None, None, None)
        else:
            assert (interval.first, interval.low, interval.high) == (interval.second, 0, 0)


def test_a_long_video_is_cut_into_clips(build):
    pairs = clips(build, [0.5], np.random.default_rng(0), frames=50)
    assert paired_intervals(pairs, pairs, build.classes, draws=2, clip_frames=20)["ap"].clips == 3


def test_three_clips_are_too_few_for_an_interval(build):
    rng = np.random.default_rng(0)
    ap50 = paired_intervals(clips(build, [0.3] * 3, rng), clips(build, [0.9] * 3, rng), build.classes)["ap50"]
    assert (ap50.low, ap50.high, ap50.clips) == (None, None, 3)
    assert ap50.second - ap50.first == pytest.approx(0.6, abs=0.02)


def test_only_classes_that_both_know_are_compared(build):
    marked = build.video([build.labels([(*BOX, 0, -1), (300, 300, 400, 400, 1, -1)])])
    knows_both, knows_cars = [(marked, [build.found([HIT])])], [(marked, [build.found([HIT], ("car",))])]
    ap50 = paired_intervals(knows_both, knows_cars, build.classes, draws=5)["ap50"]
    assert (ap50.first, ap50.second) == (1.0, 1.0)


def test_other_videos_fail(build):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="the same videos in the same order"):
        paired_intervals(clips(build, [0.5], rng), clips(build, [0.5, 0.5], rng), build.classes)
