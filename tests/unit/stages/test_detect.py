"""The detect stage with a real detector of random weights: what it does with streams, time, gaps and sizes."""

import random
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from lively_detector import lively_detector

from streamdet.errors import ConfigError
from streamdet.flow import Run, Stage
from streamdet.frames import Checkpoint, Clip, Frame, RgbPicture, StreamEnded, StreamGap, StreamInfo
from streamdet.jobs.resume.checkpoints import read_checkpoint, write_checkpoint
from streamdet.media.locations import SourceSpec
from streamdet.media.timeline import Part
from streamdet.result import Result
from streamdet.runtimes.torch import TorchDetector
from streamdet.stages.decode import Input
from streamdet.stages.detect import DetectSettings, detect

CLASSES = ("person", "car", "bus")


@pytest.fixture(scope="module")
def detector():
    model = lively_detector(CLASSES)
    return TorchDetector(model, "cpu", "fp32")


def _frames(source, count, *, first=0, seed=0, size=(48, 64), step=1, session=0):
    """A drifting texture, so that neighbouring frames resemble each other as in a video."""
    texture = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    picture = np.kron(texture, np.ones((8, 8, 1), np.uint8))
    height, width = size
    return [
        Frame(
            source,
            session,
            i,
            i * step,
            Fraction(1, 10),
            RgbPicture(np.ascontiguousarray(picture[i % 8 :, i % 8 :][:height, :width])),
        )
        for i in range(first, first + count)
    ]


def _run(detector, items, **options):
    options = {"conf": 0.0, "iou": 0.6, "exclusive": (), "max_detections": 20} | options
    with Run(
        [Stage("given", lambda inbox: iter(items))], [detect(detector, DetectSettings(**options))], mode="inline"
    ) as run:
        return list(run)


def _scores(results, source=None):
    return [r.detections.scores for r in results if isinstance(r, Result) and source in (None, r.source)]


def _assert_same(first, second, tolerance=1e-4):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def _clips(frames, length):
    return [Clip((tuple(frames[i : i + length]),)) for i in range(0, len(frames), length)]


def test_chunks_and_single_frames_give_the_same(detector):
    frames = _frames("a", 8)
    _assert_same(_scores(_run(detector, _clips(frames, 8))), _scores(_run(detector, _clips(frames, 1))))


def test_streams_in_one_batch_see_what_they_would_alone(detector):
    a, b = _frames("a", 4), _frames("b", 4, seed=9)
    together = _run(detector, [Clip(((x,), (y,))) for x, y in zip(a, b, strict=True)])
    _assert_same(_scores(together, "a"), _scores(_run(detector, _clips(a, 1))))
    _assert_same(_scores(together, "b"), _scores(_run(detector, _clips(b, 1))))


def test_memory_is_used_and_reset_forgets(detector):
    frames = _frames("a", 6)
    carried, reset = (_scores(_run(detector, _clips(frames, 3), memory=m)) for m in ("carry", "reset"))
    alone = [_scores(_run(detector, _clips([f], 1)))[0] for f in frames]
    _assert_same(reset, alone)
    assert np.abs(carried[-1] - reset[-1]).max() > 0.01


@pytest.mark.parametrize("marker", [StreamGap("a", 1, "reconnected"), StreamEnded("a", 4)])
def test_gap_and_end_forget_that_stream_only(detector, marker):
    before, after = _frames("a", 4), _frames("a", 2, first=4)
    other = _frames("b", 6, seed=4)
    items = [*_clips(before, 4), *_clips(other[:4], 4), marker, *_clips(after, 2), *_clips(other[4:], 2)]
    results = _run(detector, items)
    assert marker in results
    _assert_same(_scores(results, "a")[4:], _scores(_run(detector, _clips(after, 2))))
    _assert_same(_scores(results, "b"), _scores(_run(detector, _clips(other, 6))))


def _begun(continues=None, other_file=False, size=(64, 48)):
    """As decode makes it."""
    source = Input(SourceSpec("a.mp4", "a", "file"), continues=continues, other_file=other_file)
    return source.started(StreamInfo("a.mp4", size[0], size[1], Fraction(1, 10)), Part())


def _as_saved(tmp_path, checkpoint):
    write_checkpoint(tmp_path / "c", checkpoint, {})
    return read_checkpoint(tmp_path / "c").checkpoint


@pytest.mark.parametrize("cut_at", [4, 8], ids=["within a scene", "at a cut to another scene"])
def test_it_goes_on_from_a_checkpoint_bit_for_bit(detector, tmp_path, cut_at):
    clips = _clips(_frames("a", 8) + _frames("a", 8, first=8, seed=77), 4)
    checkpoint = Checkpoint("a", cut_at)
    whole = _scores(_run(detector, [_begun(), *clips[: cut_at // 4], checkpoint, *clips[cut_at // 4 :]]))
    rest = _scores(_run(detector, [_begun(_as_saved(tmp_path, checkpoint)), *clips[cut_at // 4 :]]))
    assert [scores.tolist() for scores in rest] == [scores.tolist() for scores in whole[cut_at:]]


def test_memory_is_carried_into_the_file_that_continues_another(detector, tmp_path):
    frames = _frames("a", 8)
    checkpoint = Checkpoint("a", 4, (64, 48), 0.3, 0.1, True)
    whole = _scores(_run(detector, [_begun(), *_clips(frames[:4], 4), checkpoint, *_clips(frames[4:], 4)]))
    counted_anew = [replace(frame, index=frame.index - 4, pts=frame.pts - 4) for frame in frames[4:]]
    memory = _as_saved(tmp_path, checkpoint)
    carried = _scores(_run(detector, [_begun(memory, True), *_clips(counted_anew, 4)]))
    _assert_same(carried, whole[4:], tolerance=1e-6)
    assert np.abs(_scores(_run(detector, [_begun(), *_clips(counted_anew, 4)]))[0] - carried[0]).max() > 0.005


def test_memory_of_pictures_of_another_size_is_left_out(detector, tmp_path, caplog):
    checkpoint = Checkpoint("a", 4, (64, 48), 0.3, 0.1, True)
    _run(detector, [_begun(), *_clips(_frames("a", 4), 4), checkpoint])
    large = _clips(_frames("a", 2, size=(56, 80)), 2)
    memory = _as_saved(tmp_path, checkpoint)
    _assert_same(_scores(_run(detector, [_begun(memory, True, size=(80, 56)), *large])), _scores(_run(detector, large)))
    assert "starts without state: it has 80x56 pixels, the file before has 64x48" in caplog.text


def test_change_of_size_forgets(detector):
    small, large = _frames("a", 2), _frames("a", 2, first=2, size=(56, 80))
    results = _run(detector, [*_clips(small, 2), *_clips(large, 2)])
    _assert_same(_scores(results)[2:], _scores(_run(detector, _clips(large, 2))))


def test_cut_to_another_scene_forgets_inside_a_clip(detector):
    one, other = _frames("a", 3), _frames("a", 3, first=3, seed=77)
    results = _run(detector, _clips(one + other, 6))
    _assert_same(_scores(results)[3:], _scores(_run(detector, _clips(other, 3))))


def test_sudden_darkness_is_no_cut(detector):
    """An exposure step keeps the picture's pattern: the memory must survive it."""
    frames = _frames("a", 4)
    dark = [Frame(f.source, 0, f.index, f.pts, f.time_base, RgbPicture(f.image // 4)) for f in frames[2:]]
    whole = _scores(_run(detector, _clips(frames[:2] + dark, 4)))
    fresh = _scores(_run(detector, _clips(dark, 2)))
    assert np.abs(whole[2] - fresh[0]).max() > 0.005


def test_elapsed_time_matters(detector):
    slow, fast = (_scores(_run(detector, _clips(_frames("a", 4, step=s), 4))) for s in (1, 16))
    np.testing.assert_allclose(slow[0], fast[0], atol=1e-5)
    assert np.abs(slow[3] - fast[3]).max() > 1e-3


def test_boxes_are_pixels_of_the_frame(detector):
    results = _run(detector, _clips(_frames("a", 1, size=(48, 64)), 1))
    boxes = results[0].detections.boxes
    assert boxes.min() >= 0
    assert boxes[:, [0, 2]].max() <= 64
    assert boxes[:, [1, 3]].max() <= 48


def test_only_wanted_classes_are_found(detector):
    results = _run(detector, _clips(_frames("a", 2), 2), classes=("bus",))
    assert {name for r in results for name in r.detections.class_names} == {"bus"}


def test_unknown_class_fails(detector):
    with pytest.raises(ConfigError, match="unknown class dog; the model knows person, car, bus"):
        detect(detector, DetectSettings(classes=("dog", "car")))
    with pytest.raises(ConfigError, match=r"unknown class parson; did you mean person\?"):
        detect(detector, DetectSettings(class_conf={"parson": 0.5}))


def _moments(dice, names):
    """Rounds of a life with cameras: in each some streams give a frame; some lose time, change their size, or end."""
    index, session, size = dict.fromkeys(names, 0), dict.fromkeys(names, 0), dict.fromkeys(names, (48, 64))
    for _ in range(20):
        for name in names:
            fate = dice.random()
            if fate < 0.04:
                session[name] += 1
                yield StreamGap(name, session[name], "reconnected")
            elif fate < 0.08:
                yield StreamEnded(name, index[name])
            elif fate < 0.12:
                size[name] = (40, 72) if size[name] == (48, 64) else (48, 64)
        there = [name for name in names if dice.random() < 0.6]
        for wanted in ((48, 64), (40, 72)):
            together = [name for name in there if size[name] == wanted]
            dice.shuffle(together)
            if together:
                yield Clip(
                    tuple(
                        tuple(_frames(name, 1, first=index[name], seed=len(name), size=wanted, session=session[name]))
                        for name in together
                    )
                )
        for name in there:
            index[name] += dice.choice([1, 1, 1, 3])  # frames are dropped, too


@pytest.mark.parametrize("seed", range(3))
def test_streams_that_come_stall_and_go_in_any_order_see_what_they_would_alone(detector, seed):
    names = ["a", "bb", "ccc", "dddd"]
    items = list(_moments(random.Random(seed), names))
    together = _run(detector, items)
    for name in names:
        own = [
            Clip((stream,)) if isinstance(item, Clip) else item
            for item in items
            for stream in (item.streams if isinstance(item, Clip) else [(item,)])
            if stream[0].source == name
        ]
        _assert_same(_scores(together, name), _scores(_run(detector, own)))


def test_a_cut_in_one_of_several_streams_is_that_streams_alone(detector):
    one, other = _frames("a", 3), _frames("a", 3, first=3, seed=77)
    steady = _frames("b", 6, seed=9)
    together = _run(detector, [Clip(((x,), (y,))) for x, y in zip(one + other, steady, strict=True)])
    _assert_same(_scores(together, "a")[3:], _scores(_run(detector, _clips(other, 3))))
    _assert_same(_scores(together, "b"), _scores(_run(detector, _clips(steady, 6))))


def test_live_frames_have_a_latency_and_files_have_none(detector):
    [file] = _frames("a", 1)
    live = replace(_frames("b", 1)[0], captured_s=time.monotonic() - 5)
    latencies_s = [result.latency_s for result in _run(detector, _clips([file], 1) + _clips([live], 1))]
    assert latencies_s[0] is None
    assert 5 <= latencies_s[1] < 60


def test_frames_between_looks_are_carried_by_the_memory_of_objects(detector):
    frames = _frames("a", 9)
    out = _run(detector, _clips(frames, 3), every=4)
    assert [item.looked for item in out if isinstance(item, Result)] == [True, False, False, False] * 2 + [True]
    assert all(len(item.detections) == 0 for item in out if isinstance(item, Result) and not item.looked)
