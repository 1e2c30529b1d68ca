"""Masks and keypoints from a user's model to the video and the lines."""

import json
from itertools import islice

import av
import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_networks import write_constant_network, write_graph
from pycocotools import mask as coco_masks

import streamdet as package

HEIGHT, WIDTH = 96, 160
METADATA = {"names": "{0: 'thing'}", "imgsz": "[96, 160]"}


@pytest.fixture
def segmenter(here):
    """One object, over the whole picture, whose mask is what is bright: the box that walks."""
    rows = np.array([[[0, 0, WIDTH, HEIGHT, 0.9, 0, 1]]], np.float32)
    stored = [
        numpy_helper.from_array(rows, "rows"),
        numpy_helper.from_array(np.full((1, 3, 1, 1), 20, np.float32), "weights"),
        numpy_helper.from_array(np.array([-40], np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("Identity", ["rows"], ["output0"]),
        helper.make_node("AveragePool", ["images"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["small", "weights", "bias"], ["output1"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    outputs = [
        helper.make_tensor_value_info("output0", TensorProto.FLOAT, rows.shape),
        helper.make_tensor_value_info("output1", TensorProto.FLOAT, [1, 1, HEIGHT // 4, WIDTH // 4]),
    ]
    graph = helper.make_graph(nodes, "segmenter", [images], outputs, stored)
    return write_graph(here / "seg.onnx", graph, METADATA | {"task": "segment"})


def frames_of(path):
    lines = map(json.loads, path.read_text().splitlines())
    return [line for line in lines if line["type"] == "frame"]


def test_a_run_draws_masks_and_writes_them_where_it_is_asked_to(streamdet, segmenter, clips, here):
    run = ("run", clips / "walk.mp4", "--model", segmenter, "-o", "out.mp4", "--detections", "out.jsonl")
    assert streamdet(*run).status == 0
    assert "mask" not in frames_of(here / "out.jsonl")[0]["detections"][0]
    done = streamdet(*run, "--masks", "--overwrite")
    assert done.status == 0, done.stderr
    frames = frames_of(here / "out.jsonl")
    assert len(frames) == 30
    for number, frame in enumerate(frames):
        [found] = frame["detections"]
        assert found["mask"]["size"] == [HEIGHT, WIDTH]
        x, y, width, height = coco_masks.toBbox(found["mask"]).tolist()
        assert [x, y, x + width, y + height] == pytest.approx([number, 30, number + 20, 60], abs=5)
    drawn, before = (picture(path, 20).astype(int) for path in (here / "out.mp4", clips / "walk.mp4"))
    changed = np.abs(drawn - before).max(axis=2)
    assert np.median(changed[35:55, 25:35]) > 40
    assert np.median(changed[65:90, 100:150]) < 10


def picture(path, number):
    with av.open(str(path)) as container:
        return next(islice(container.decode(video=0), number, None)).to_ndarray(format="rgb24")


def test_frames_that_are_not_looked_at_keep_the_mask(streamdet, segmenter, clips, here):
    options = ("--no-video", "--detections", "out.jsonl", "--masks", "--every", "3")
    assert streamdet("run", clips / "walk.mp4", "--model", segmenter, *options).status == 0
    rows = [row for frame in frames_of(here / "out.jsonl") for row in frame["detections"]]
    held = [row for row in rows if row.get("carried")]
    assert len(held) > 10
    assert all(coco_masks.area(row["mask"]) > 300 for row in rows)


def test_keypoints_are_written_with_their_names(streamdet, clips, here):
    rows = np.zeros((1, 1, 12), np.float32)
    rows[0, 0] = 10, 10, 90, 90, 0.9, 0, 20, 30, 0.75, 60, 70, 0.25
    metadata = METADATA | {"task": "pose", "kpt_shape": "[2, 3]", "kpt_names": "{0: ['head', 'foot']}"}
    write_constant_network(here / "pose.onnx", {"o": rows}, image=(1, 3, HEIGHT, WIDTH), metadata=metadata)
    options = ("--no-video", "--detections", "out.jsonl", "--max-frames", "3")
    assert streamdet("run", clips / "walk.mp4", "--model", "pose.onnx", *options).status == 0
    first = json.loads((here / "out.jsonl").read_text().splitlines()[0])
    assert (first["keypoints"], first["skeleton"]) == (["head", "foot"], [])
    assert frames_of(here / "out.jsonl")[0]["detections"][0]["keypoints"] == [[20, 30, 0.75], [60, 70, 0.25]]
    assert next(package.read(here / "out.jsonl")).detections.skeleton.names == ("head", "foot")


def test_masks_are_evaluated_where_the_labels_have_them(streamdet, segmenter, clips, here):
    """The boxes lie over the whole picture; only the masks fit their objects."""
    images, annotations = [], []
    (here / "images").mkdir()
    for number in range(5, 25, 4):
        cv2.imwrite(str(here / "images" / f"{number}.png"), picture(clips / "walk.mp4", number)[..., ::-1])
        images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
        outline = [number, 30, number + 20, 30, number + 20, 60, number, 60]
        row = {"id": number, "image_id": number, "category_id": 1, "bbox": [number, 30, 20, 30], "area": 600}
        annotations.append({**row, "segmentation": [outline], "iscrowd": 0})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (here / "labels.json").write_text(json.dumps(content))
    for memory in ("none", "both"):
        run = ("eval", "labels.json", "--model", segmenter, "--json", f"{memory}.json", "--memory", memory, "--stills")
        done = streamdet(*run)
        assert done.status == 0, done.stderr
        assert "masks ap50" in done.stdout
        figures = json.loads((here / f"{memory}.json").read_text())
        assert figures["ap50"] == 0
        assert figures["masks"]["ap50"] == pytest.approx(1)


def test_masks_need_a_file_to_go_to(streamdet, segmenter, clips):
    done = streamdet("run", clips / "walk.mp4", "--model", segmenter, "--masks", "--no-video")
    assert done.status == 2
    assert "--masks says what --detections hold; expected --detections as well" in done.stderr
