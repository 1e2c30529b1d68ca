from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from streamdet.scenes.scene import CLASSES, SceneFrame, SceneSpec, render


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(width, 0) * max(height, 0)
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


def test_classes_are_those_of_the_street_model():
    assert CLASSES == ("person", "car", "motorcycle", "bus", "truck")


def test_the_same_spec_gives_the_same_bytes(scene_spec, scene_frames):
    again = list(render(replace(scene_spec, frames=4)))
    for one, other in zip(scene_frames, again, strict=False):
        assert one.image.tobytes() == other.image.tobytes()
        assert one.boxes.tobytes() == other.boxes.tobytes()
        assert one.visible_boxes.tobytes() == other.visible_boxes.tobytes()
        assert one.visible_fraction.tobytes() == other.visible_fraction.tobytes()
        np.testing.assert_array_equal(one.track_ids, other.track_ids)
        np.testing.assert_array_equal(one.class_ids, other.class_ids)


def test_another_seed_gives_another_scene(scene_spec, scene_frames):
    other = next(render(replace(scene_spec, seed=5, frames=1)))
    assert np.abs(other.image.astype(int) - scene_frames[0].image).mean() > 10


def test_columns_agree_in_length_and_type(scene_frames):
    for frame in scene_frames:
        n = len(frame.boxes)
        assert n > 0
        assert frame.image.dtype == np.uint8
        assert frame.boxes.shape == frame.visible_boxes.shape == (n, 4)
        assert frame.visible_fraction.shape == frame.class_ids.shape == frame.track_ids.shape == (n,)
        assert (frame.boxes.dtype, frame.visible_boxes.dtype, frame.visible_fraction.dtype) == (np.float32,) * 3
        assert (frame.class_ids.dtype, frame.track_ids.dtype) == (np.int64, np.int64)


def test_boxes_lie_in_the_picture_and_visible_boxes_in_them(scene_spec, scene_frames):
    for frame in scene_frames:
        x0, y0, x1, y1 = frame.boxes.T
        assert min(x0.min(), y0.min()) >= 0
        assert x1.max() <= scene_spec.width
        assert y1.max() <= scene_spec.height
        assert min((x1 - x0).min(), (y1 - y0).min()) >= 1
        seen = frame.visible_fraction > 0
        assert (frame.visible_boxes[seen, :2] >= frame.boxes[seen, :2]).all()
        assert (frame.visible_boxes[seen, 2:] <= frame.boxes[seen, 2:]).all()
        assert (frame.visible_boxes[~seen] == 0).all()
        assert ((frame.visible_fraction >= 0) & (frame.visible_fraction <= 1)).all()


def test_what_is_wholly_seen_fills_its_box(scene_frames):
    for frame in scene_frames:
        # thin feet of the very small cover less than half of a pixel
        whole = (frame.visible_fraction > 0.999) & (frame.boxes[:, 3] - frame.boxes[:, 1] > 14)
        np.testing.assert_allclose(frame.visible_boxes[whole], frame.boxes[whole], atol=1.5)


def test_some_things_are_hidden_in_part(scene_frames):
    fractions = np.concatenate([frame.visible_fraction for frame in scene_frames])
    assert ((fractions > 0.05) & (fractions < 0.9)).any()


def test_an_identity_keeps_its_class_and_moves_smoothly(scene_spec, scene_frames):
    followed = 0
    for before, after in pairwise(scene_frames):
        assert len(set(after.track_ids.tolist())) == len(after.track_ids)
        rows = {identity: row for row, identity in enumerate(before.track_ids.tolist())}
        for row, identity in enumerate(after.track_ids.tolist()):
            if identity in rows:
                followed += 1
                assert after.class_ids[row] == before.class_ids[rows[identity]]
                box = before.boxes[rows[identity]]
                at_the_edge = box[0] == 0 or box[1] == 0 or box[2] == scene_spec.width or box[3] == scene_spec.height
                if (box[2:] - box[:2]).min() > 8 and not at_the_edge:
                    assert iou(after.boxes[row], box) > 0.3
    assert followed > 100


def test_times_are_exact():
    spec = SceneSpec(seed=1, width=64, height=48, fps=Fraction(30000, 1001), frames=4, traffic=0, people=0)
    assert [frame.time_s for frame in render(spec)] == [float(k * Fraction(1001, 30000)) for k in range(4)]


def test_what_moves_does_not_depend_on_the_frame_rate():
    slow, fast = (
        list(render(SceneSpec(seed=3, width=96, height=64, fps=Fraction(fps), frames=fps + 1, noise=0)))[-1]
        for fps in (2, 10)
    )
    shared = sorted(set(slow.track_ids.tolist()) & set(fast.track_ids.tolist()))
    assert len(shared) > 0.9 * max(len(slow.track_ids), len(fast.track_ids))
    for identity in shared:
        one = slow.boxes[slow.track_ids == identity][0]
        other = fast.boxes[fast.track_ids == identity][0]
        np.testing.assert_allclose(one, other, atol=0.01)


@pytest.mark.parametrize(("width", "height"), [(97, 65), (128, 96), (33, 71)])
def test_any_size_of_picture(width, height):
    spec = SceneSpec(seed=2, width=width, height=height, frames=2)
    for frame in render(spec):
        assert frame.image.shape == (height, width, 3)
        assert (frame.boxes[:, 2] <= width).all()


@pytest.mark.parametrize(
    ("view", "hour"),
    [("pole", 0.0), ("eye", 0.7), ("across", 1.0), ("pavement", 0.0), ("bridge", 0.7), ("bridge", 1.0)],
)
def test_every_view_at_every_hour_shows_something(view, hour):
    frame = next(render(SceneSpec(seed=6, width=96, height=64, frames=1, view=view, hour=hour)))
    assert 20 < frame.image.mean() < 220
    assert frame.image.std() > 10


def test_an_empty_street_has_no_labels():
    spec = SceneSpec(seed=1, width=64, height=48, frames=2, traffic=0, people=0, occluders=0)
    for frame in render(spec):
        assert frame.boxes.shape == frame.visible_boxes.shape == (0, 4)
        assert len(frame.class_ids) == len(frame.track_ids) == len(frame.visible_fraction) == 0


def test_no_frames():
    assert list(render(SceneSpec(width=64, height=48, frames=0))) == []


def without_effects(**changes: object) -> SceneFrame:
    plain = {"noise": 0.0, "softness": 0.0, "shake": 0.0, "blur": 0.0}
    return next(render(SceneSpec(seed=4, width=128, height=80, frames=1, hour=0.2, view="across", **(plain | changes))))


@pytest.mark.parametrize(("effect", "value"), [("noise", 1.0), ("softness", 1.0), ("jpeg_quality", 20), ("blur", 3.0)])
def test_an_effect_changes_the_picture_and_not_the_labels(effect, value):
    plain, changed = without_effects(), without_effects(**{effect: value})
    assert (plain.image != changed.image).any()
    np.testing.assert_array_equal(plain.boxes, changed.boxes)
    np.testing.assert_array_equal(plain.track_ids, changed.track_ids)


def test_shake_moves_picture_and_labels():
    plain, shaken = without_effects(), without_effects(shake=4.0)
    assert (plain.image != shaken.image).any()
    assert np.abs(plain.boxes.mean(0) - shaken.boxes.mean(0)).max() > 0.2


@pytest.mark.parametrize(
    "wrong", [{"width": 16}, {"height": 0}, {"fps": Fraction(0)}, {"frames": -1}, {"noise": -1.0}, {"traffic": -0.1}]
)
def test_a_spec_that_makes_no_sense_fails(wrong):
    with pytest.raises(ValueError, match=r"scene|fps"):
        SceneSpec(**wrong)
