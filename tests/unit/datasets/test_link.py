import numpy as np

from streamdet.datasets.labels import LabelledVideo, Labels
from streamdet.datasets.link import link_boxes


def _video(frames, segments=None, ids=None):
    """Frames are lists of (x, class) of boxes 10 wide, or None."""
    labels = []
    for rows in frames:
        if rows is None:
            labels.append(None)
            continue
        boxes = np.array([[x, 0, x + 10, 10] for x, _ in rows], np.float32).reshape(-1, 4)
        classes = np.array([c for _, c in rows], np.int64)
        labels.append(Labels(boxes, classes, np.full(len(rows), -1 if ids is None else ids, np.int64)))
    times = np.arange(len(frames), dtype=float)
    segments = segments or ((0, len(frames)),)
    return LabelledVideo("a", 100, 100, times, tuple(labels), frozenset({0, 1}), segments, frames=None)


def _ids(video):
    return [None if labels is None else labels.track_ids.tolist() for labels in link_boxes(video).labels]


def test_overlapping_boxes_are_one_object():
    assert _ids(_video([[(0, 0), (50, 0)], [(52, 0), (2, 0)], [(4, 0)]])) == [[0, 1], [1, 0], [0]]


def test_another_class_or_place_is_another_object():
    assert _ids(_video([[(0, 0)], [(1, 1)], [(30, 1)]])) == [[0], [1], [2]]


def test_best_pairs_win_together():
    """Box 0 overlaps both, box 6 only one: each gets one."""
    assert _ids(_video([[(0, 0), (6, 0)], [(3, 0), (8, 0)]])) == [[0, 1], [0, 1]]


def test_links_go_over_no_break_and_no_unlabelled_frame():
    assert _ids(_video([[(0, 0)], [(0, 0)], [(0, 0)]], segments=((0, 1), (1, 3)))) == [[0], [1], [1]]
    assert _ids(_video([[(0, 0)], None, [(0, 0)]])) == [[0], None, [1]]


def test_given_identities_stay():
    assert _ids(_video([[(0, 0)], [(50, 0)]], ids=7)) == [[7], [7]]
