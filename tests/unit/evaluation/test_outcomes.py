"""The tables that the metrics read."""

from streamdet.evaluation.judged import judge
from streamdet.evaluation.outcomes import collect

BOX = (100, 100, 200, 200)
OTHER = (300, 300, 400, 400)


def test_rows_of_several_videos(build):
    first = build.video([build.labels([(*BOX, 0, 7)]), None, build.labels([(*BOX, 0, 7), (*OTHER, 1, 3)])], name="a")
    second = build.video([build.labels([(*OTHER, 0, 7)])], name="b")
    found = build.found([(*OTHER, 1, 0.9, -1), (*BOX, 0, 0.5, -1)])
    pairs = [(first, [found] * 3), (second, [build.found([(*OTHER, 0, 0.7, -1)])])]
    outcomes = collect(judge(pairs, build.classes), clip_frames=2)
    objects, boxes_found = outcomes.objects, outcomes.found
    assert outcomes.clip_count == 3
    assert objects.clips.tolist() == [0, 1, 1, 2]
    assert objects.frames.tolist() == [0, 2, 2, 0]
    assert objects.tracks.tolist() == [0, 0, 1, 2]  # identity 7 of the second video is another
    assert boxes_found.clips.tolist() == [0, 0, 1, 1, 2]
    assert boxes_found.matches[:, 0].tolist() == [-1, 0, 2, 1, 3]


def test_an_identity_ends_at_a_break_in_time(build):
    video = build.video([build.labels([(*BOX, 0, 7)])] * 4, segments=((0, 2), (2, 4)))
    objects = collect(judge([(video, [build.found([])] * 4)], build.classes)).objects
    assert objects.tracks.tolist() == [0, 0, 1, 1]
    assert objects.flanked.tolist() == [False] * 4


def test_flanked_needs_labels_on_both_sides(build):
    labels = build.labels([(*BOX, 0, 7)])
    video = build.video([labels, labels, labels, None, labels])
    objects = collect(judge([(video, [build.found([])] * 5)], build.classes)).objects
    assert objects.flanked.tolist() == [False, True, False, False]
