import json
from dataclasses import replace

import numpy as np
import pytest

from streamdet.scenes.ground_truth import GroundTruth
from streamdet.scenes.scene import CLASSES


@pytest.fixture
def written(scene_spec, scene_frames, tmp_path):
    truth = GroundTruth()
    truth.add_video("one.mp4", scene_spec.width, scene_spec.height)
    for frame in scene_frames[:5]:
        truth.add(frame)
    truth.add_video("two.mp4", scene_spec.width, scene_spec.height)
    truth.add(scene_frames[7])
    path = tmp_path / "labels.json"
    truth.write(path)
    return json.loads(path.read_text(encoding="utf-8"))


def test_videos_and_images(written, scene_spec, scene_frames):
    one, two = written["videos"]
    assert (one["name"], one["file_name"], one["frames"], two["frames"]) == ("one", "one.mp4", 5, 1)
    assert (one["width"], one["height"]) == (scene_spec.width, scene_spec.height)
    assert one["labelled"] == list(CLASSES)
    assert [(i["video_id"], i["frame_id"]) for i in written["images"]] == [*((1, k) for k in range(5)), (2, 0)]
    assert [i["time_s"] for i in written["images"]][:5] == [frame.time_s for frame in scene_frames[:5]]
    assert [(c["id"], c["name"]) for c in written["categories"]] == list(enumerate(CLASSES, start=1))


def test_annotations_are_the_frames_rows(written, scene_frames):
    for image_id, frame in [(1, scene_frames[0]), (6, scene_frames[7])]:
        rows = [a for a in written["annotations"] if a["image_id"] == image_id]
        assert len(rows) == len(frame.boxes)
        xywh = np.array([a["bbox"] for a in rows])
        np.testing.assert_allclose(xywh[:, :2], frame.boxes[:, :2], atol=0.01)
        np.testing.assert_allclose(xywh[:, :2] + xywh[:, 2:], frame.boxes[:, 2:], atol=0.02)
        assert [a["category_id"] - 1 for a in rows] == frame.class_ids.tolist()
        assert [a["track_id"] for a in rows] == frame.track_ids.tolist()
        np.testing.assert_allclose([a["visible_fraction"] for a in rows], frame.visible_fraction, atol=1e-4)
    assert len({a["id"] for a in written["annotations"]}) == len(written["annotations"])


def test_what_is_hardly_seen_does_not_count(written):
    for annotation in written["annotations"]:
        assert annotation["iscrowd"] == (annotation["visible_fraction"] < 0.15)


def test_a_frame_before_any_video_fails(scene_frames):
    with pytest.raises(ValueError, match="add_video"):
        GroundTruth().add(scene_frames[0])


def test_a_frame_of_another_size_fails(scene_frames):
    truth = GroundTruth()
    truth.add_video("one.mp4", 64, 48)
    with pytest.raises(ValueError, match="64 x 48"):
        truth.add(replace(scene_frames[0]))
