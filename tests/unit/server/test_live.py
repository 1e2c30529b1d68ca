"""What the page gets of a result, and when."""

import asyncio
import json

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.server.live import Viewer, header
from streamdet.skeleton import Skeleton


def test_it_is_told_what_is_due_to_the_past(make_result):
    result = make_result([(10, 5, 38, 33, 0.9, 0, 3), (50, 5, 78, 33, 0.8, 0, 4)])
    found = result.detections
    columns = found.boxes, found.scores, found.class_ids, found.classes, found.track_ids
    held = Detections.of(*columns, support=[0.256, 1.0], carried=[False, True])
    head = json.loads(json.dumps(header(result.with_detections(held)), allow_nan=False))
    assert head["support"] == pytest.approx([0.26, 1.0])
    assert head["carried"] == [False, True]
    assert not {"support", "carried"} & set(header(result))


def test_masks_are_outlines_and_keypoints_have_their_lines(make_result):
    result = make_result([(10, 5, 38, 33, 0.9, 0, 3)])
    found = result.detections
    mask = np.full((1, 28, 28), 255, np.uint8)
    mask[:, 14:] = 0
    more = Detections.of(
        found.boxes,
        found.scores,
        found.class_ids,
        found.classes,
        found.track_ids,
        Skeleton(("head", "foot"), ((0, 1),)),
        masks=mask,
        keypoints=[[[12, 8, 0.9], [np.nan, 20, 0.1]]],
    )
    head = json.loads(json.dumps(header(result.with_detections(more)), allow_nan=False))
    [[outline]] = head["masks"]
    low, high = np.min(outline, axis=0), np.max(outline, axis=0)
    assert [*low, *high] == pytest.approx([10, 5, 38, 19], abs=1)
    assert len(outline) < 8
    assert head["keypoints"] == [[[12, 8, 0.9], [0, 20, 0.1]]]
    assert head["links"] == [[0, 1]]
    assert not {"masks", "keypoints", "links"} & set(header(result))


def test_two_pictures_are_on_their_way_at_most_and_unknown_names_are_not_kept(make_result):
    loop = asyncio.new_event_loop()
    viewer, result = Viewer(loop), make_result([])
    name = result.source
    viewer.watch({name: {"width": 480, "fps": 30}})
    for now_s in (1.0, 2.0):
        assert viewer.due(make_result([]), now_s) == 480
        viewer.post(name, b"picture")
        assert loop.run_until_complete(viewer.next()) == b"picture"
    for number in range(100):
        viewer.seen(f"no stream {number}")
    assert viewer.due(result, 3.0) is None
    viewer.seen(name)
    assert viewer.due(result, 4.0) == 480
    assert list(viewer._unseen) == [name]
    loop.close()
