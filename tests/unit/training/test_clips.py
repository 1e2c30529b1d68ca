import itertools
from dataclasses import replace

import numpy as np
import torch

from streamdet.datasets.labels import LabelledSet
from streamdet.training.augment import Strength
from streamdet.training.clips import clip_batches
from streamdet.training.footage import Footage, IgnoreRule
from streamdet.training.paint import Painter

OPTIONS = {"canvas": (64, 96), "lanes": 4, "streaming_lanes": 2, "frames": 5, "strength": Strength()}


def _batches(footages, count, seed=(1, 2), share=(0, 1)):
    batches = clip_batches(
        footages, [1.0, 0.5], **OPTIONS, seed=seed, painter=Painter(torch.device("cpu"), footages), share=share
    )
    return list(itertools.islice(batches, count))


def test_shapes_and_times(footages):
    for batch in _batches(footages, 6):
        assert batch.images.shape == (4, 5, 3, 64, 96)
        assert batch.images.dtype == torch.uint8
        assert batch.dt_s.shape == (4, 5)
        assert (batch.dt_s > 0).all()
        assert [len(lane) for lane in batch.targets] == [5] * 4


def test_same_seed_gives_the_same_batches(footages):
    for a, b in zip(_batches(footages, 4), _batches(footages, 4), strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.dt_s, b.dt_s)
        assert torch.equal(a.targets[0][0].boxes, b.targets[0][0].boxes)
    other = _batches(footages, 1, seed=(1, 3))[0]
    assert not torch.equal(other.images, _batches(footages, 1)[0].images)


def test_processes_share_the_lanes_of_the_same_batch(footages):
    """Two and three processes, whose lanes do not divide evenly."""
    whole = _batches(footages, 3)
    for world in (2, 3):
        for rank in range(world):
            for all_of_it, part in zip(whole, _batches(footages, 3, share=(rank, world)), strict=True):
                assert torch.equal(part.images, all_of_it.images[rank::world])
                assert torch.equal(part.continues, all_of_it.continues[rank::world])
                assert [len(lane) for lane in part.targets] == [5] * len(range(rank, 4, world))


def test_only_streaming_lanes_go_on(footages):
    continues = torch.stack([batch.continues for batch in _batches(footages, 12)])
    assert not continues[:, 2:].any()
    assert continues[1:, :2].any()
    # 40 frames are at most 8 clips of 5: a lane must have moved on, too.
    assert not continues[1:, :2].all()


def test_targets_lie_on_the_canvas(footages):
    for batch in _batches(footages, 5):
        for target in itertools.chain.from_iterable(batch.targets):
            assert (target.boxes >= 0).all()
            assert (target.boxes[:, [0, 2]] <= 96).all()
            assert (target.boxes[:, [1, 3]] <= 64).all()
            assert target.labelled.tolist() == [True, True]


def test_spoilt_frames_come_with_their_sound_picture(footages):
    """Of a bad frame there is a picture without the spell; of the others there is nothing to restore."""
    options = OPTIONS | {"strength": Strength(occluders=0.0, spells=1.0), "frames": 8}
    options["painter"] = Painter(torch.device("cpu"), footages)
    batches = clip_batches(footages, [1.0, 0.5], **options, seed=(5,), with_sound=True)
    seen = 0
    for batch in itertools.islice(batches, 6):
        assert len(batch.spoilt) == len(batch.sound)
        for (lane, frame), sound in zip(batch.spoilt.tolist(), batch.sound, strict=True):
            spoilt = batch.images[lane, frame]
            # A zoom can leave nothing but padding, which no blur changes.
            seen += not torch.equal(spoilt, sound)
            assert (sound.float() - spoilt.float()).abs().mean() < 120
    assert seen > 5
    plain = next(clip_batches(footages, [1.0, 0.5], **options, seed=(5,)))
    assert len(plain.spoilt) == len(plain.sound) == 0


def test_set_of_no_weight_is_never_drawn(footages):
    batches = itertools.islice(
        clip_batches(footages, [0.0, 1.0], **OPTIONS, seed=(3,), painter=Painter(torch.device("cpu"), footages)), 6
    )
    # Stills have one dt for a whole clip, the videos' 0.2 s steps are multiples.
    assert all((batch.dt_s == batch.dt_s[:, :1]).all() for batch in batches)


def test_small_boxes_and_bad_areas_become_ignore_regions(footages, tmp_path):
    videos = LabelledSet("clips", ("person", "car"), footages[0].videos)
    footage = Footage(videos, tmp_path / "other", rule=IgnoreRule(below_px=31, areas=((0, 0, 0.5, 1),)))
    marks = footage.marks(0, 3)
    assert len(marks.boxes) == 0
    np.testing.assert_allclose(marks.ignore, [[11, 20, 41, 50], [0, 0, 48, 72]])
    assert marks.labelled.tolist() == [True, True]


def test_frame_without_labels_gives_no_marks(footages, tmp_path):
    video = footages[0].videos[0]
    sparse = replace(video, labels=(video.labels[0], None, *video.labels[2:]))
    footage = Footage(LabelledSet("clips", ("person", "car"), (sparse,)), tmp_path / "sparse")
    assert footage.marks(0, 0) is not None
    assert footage.marks(0, 1) is None
