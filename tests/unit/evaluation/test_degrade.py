"""Bad moments: where they are, what they do to pictures, and what becomes of the labels."""

from collections.abc import Iterator

import numpy as np
import pytest

from streamdet.boxes import covered_fraction
from streamdet.datasets.labels import LabelledSet
from streamdet.evaluation.degrade import AFFECTED_AFTER_DROP, DESCRIPTIONS, KINDS, degrade, degrade_set

WIDTH, HEIGHT, FRAMES = 160, 90, 150
PICTURE_KINDS = [kind for kind in KINDS if kind != "drop"]


class Grey:
    """Frames of one colour that tells their number, with a bright bar in the middle."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        for index in range(start, FRAMES if stop is None else stop):
            image = np.full((HEIGHT, WIDTH, 3), 80 + index % 100, np.uint8)
            image[40:50, 70:90] = 230
            yield image


@pytest.fixture
def clip(build):
    """30 s at 5 frames a second; a grid of 24 boxes in every frame."""
    grid = [(x, y, x + 20, y + 20, 0, 8 * y + x) for x in range(0, 160, 20) for y in (5, 35, 65)]
    frames = [build.labels(grid)] * FRAMES
    return build.video(frames, width=WIDTH, height=HEIGHT, times_s=np.arange(FRAMES) / 5, frames=Grey())


def pictures(video):
    return np.stack(list(video.frames.read(0, len(video))))


def bad_frames(clip, kind):
    """Indices of the frames that are not as they were."""
    changed = pictures(degrade(clip, kind).video) != pictures(clip)
    return np.flatnonzero(changed.any(axis=(1, 2, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_and_another_another(clip, kind):
    first, again, other = (pictures(degrade(clip, kind, seed).video) for seed in (0, 0, 1))
    assert (first == again).all()
    assert first.shape != other.shape or (first != other).any()
    assert kind in DESCRIPTIONS


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_does_not_depend_on_where_reading_began(clip, kind):
    video = degrade(clip, kind).video
    whole = pictures(video)
    for start, stop in ((0, 7), (50, 61), (len(video) - 3, None), (20, 20)):
        part = list(video.frames.read(start, stop))
        assert len(part) == (len(video) if stop is None else stop) - start
        assert all((a == b).all() for a, b in zip(part, whole[start:stop], strict=True))


@pytest.mark.parametrize("kind", ["blur", "noise", "dark"])
def test_spells_are_a_part_of_the_time_and_only_they_are_affected(clip, kind):
    """A third to a half of the time: 0.6 to 2 s after each 1 to 3 s."""
    bad = bad_frames(clip, kind)
    assert 0.2 * FRAMES < len(bad) < 0.6 * FRAMES
    runs = np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1)
    assert len(runs) >= 6
    assert all(len(run) <= 10 for run in runs)
    copy = degrade(clip, kind)
    assert [index for index, labels in enumerate(copy.affected.labels) if labels is not None] == bad.tolist()
    assert copy.video.labels == clip.labels


def test_noise_differs_from_frame_to_frame_and_has_the_strength_it_says(clip):
    bad = bad_frames(clip, "noise")
    noisy = pictures(degrade(clip, "noise").video)[bad].astype(float)[:, 60:] - pictures(clip)[bad][:, 60:]
    deviations = noisy.std(axis=(1, 2, 3))
    assert 20 < deviations.min() < deviations.max() < 50
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.1


def test_darkness_takes_most_of_the_light_or_gives_too_much(clip):
    bad = bad_frames(clip, "dark")
    ratio = pictures(degrade(clip, "dark").video)[bad].mean(axis=(1, 2, 3)) / pictures(clip)[bad].mean(axis=(1, 2, 3))
    dark, bright = ratio[ratio < 1], ratio[ratio > 1]
    assert len(dark) > len(bright) > 0
    assert 0.1 < dark.min() <= dark.max() < 0.33
    assert 1.2 < bright.min() <= bright.max() < 3


def test_blur_spreads_the_bar_and_keeps_the_light(clip):
    bad = bad_frames(clip, "blur")
    sharp, blurred = (pictures(video)[bad].astype(float) for video in (clip, degrade(clip, "blur").video))
    assert np.abs(sharp.mean(axis=(1, 2, 3)) - blurred.mean(axis=(1, 2, 3))).max() < 1
    assert (np.abs(sharp - blurred).max(axis=(1, 2, 3)) > 10).all()


def test_labels_agree_with_what_the_block_hides(clip):
    """From the pictures: a box stays with up to 80 % of it hidden, turns into an ignore region beyond."""
    copy = degrade(clip, "occlusion")
    changed = (pictures(copy.video) != pictures(clip)).any(axis=3)
    partly_hidden = 0
    for index, hidden in enumerate(changed):
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        if not len(rows):
            assert (copy.video.labels[index].boxes == clip.labels[index].boxes).all()
            assert copy.affected.labels[index] is None
            continue
        block = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]])
        boxes = clip.labels[index].boxes
        share = covered_fraction(boxes, block)
        sure = np.abs(share - 0.8) > 0.1  # the block may have the picture's own colour at its edge
        kept = np.isin(
            np.arange(24), [np.flatnonzero((boxes == box).all(1))[0] for box in copy.video.labels[index].boxes]
        )
        assert (kept == (share <= 0.8))[sure].all()
        assert len(copy.video.labels[index].ignore) == (~kept).sum()
        if copy.affected.labels[index] is not None:
            affected = covered_fraction(copy.affected.labels[index].boxes, block)
            assert ((affected > 0.2) & (affected < 0.9)).all()
            partly_hidden += len(affected)
            assert len(copy.affected.labels[index].ignore) == 24 - len(affected)
    assert partly_hidden > 50


def test_the_block_crosses_the_whole_picture(clip):
    changed = (pictures(degrade(clip, "occlusion").video) != pictures(clip)).any(axis=3)
    assert changed.any(axis=(0, 1)).all()
    assert changed.any(axis=2).mean() < 0.75


def test_dropped_frames_leave_the_others_their_times_and_labels(build, clip):
    numbered = [build.labels([(index, 0, index + 10, 10, 0, 1)]) for index in range(FRAMES)]
    whole = build.video(numbered, times_s=clip.times_s, segments=((0, 60), (60, FRAMES)), frames=Grey())
    copy = degrade(whole, "drop")
    kept = [int(labels.boxes[0, 0]) for labels in copy.video.labels]
    lost = FRAMES - len(kept)
    assert 0.1 * FRAMES < lost < 0.5 * FRAMES
    assert kept[0] == 0
    assert copy.video.times_s.tolist() == whole.times_s[kept].tolist()
    assert (pictures(copy.video) == pictures(whole)[kept]).all()
    middle = sum(index < 60 for index in kept)
    assert copy.video.segments == ((0, middle), (middle, len(kept)))

    after = set()
    for place in range(1, len(kept)):
        if kept[place] - kept[place - 1] > 1 and (kept[place] < 60 or kept[place - 1] >= 60):
            after |= {p for p in range(place, place + AFFECTED_AFTER_DROP) if (kept[p] < 60) == (kept[place] < 60)}
    assert {index for index, labels in enumerate(copy.affected.labels) if labels is not None} == after


def test_stills_get_a_bad_moment_or_none(build):
    stills = [
        build.video([build.labels([])], name=str(n), width=WIDTH, height=HEIGHT, times_s=np.zeros(1), frames=Grey())
        for n in range(60)
    ]
    seen, affected = degrade_set(LabelledSet("stills", build.classes, tuple(stills)), "noise")
    bad = [(pictures(video) != pictures(still)).any() for video, still in zip(seen.videos, stills, strict=True)]
    assert 10 < sum(bad) < 40
    assert [video.labels[0] is not None for video in affected.videos] == bad
    dropped, _ = degrade_set(LabelledSet("stills", build.classes, tuple(stills)), "drop")
    assert all(len(video) == 1 for video in dropped.videos)


def test_frames_that_nobody_annotated_stay_so(build, clip):
    sparse = build.video([None] * FRAMES, width=WIDTH, height=HEIGHT, times_s=clip.times_s, frames=Grey())
    for kind in PICTURE_KINDS:
        copy = degrade(sparse, kind)
        assert set(copy.video.labels) == set(copy.affected.labels) == {None}


def test_a_long_break_uses_up_no_spells(build, clip):
    times_s = np.concatenate([clip.times_s[:75], clip.times_s[75:] + 1e6])
    broken = build.video(clip.labels, width=WIDTH, height=HEIGHT, times_s=times_s, frames=Grey())
    assert len(bad_frames(broken, "noise")) > 0.2 * FRAMES
