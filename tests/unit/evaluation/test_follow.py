"""Identities of what was found."""

import numpy as np

from streamdet.evaluation.follow import follow

CAR = (100, 100, 200, 200, 0, 0.9, -1)
WEAK = (300, 300, 400, 400, 1, 0.3, -1)


def test_what_is_shown_gets_an_identity_and_the_rest_stays(build):
    video = build.video([build.labels([])] * 3)
    followed = follow(video, [build.found([CAR, WEAK])] * 3)
    assert [found.track_ids.tolist() for found in followed] == [[1, -1]] * 3
    assert all(len(found) == 2 for found in followed)


def test_a_lower_score_gives_more_to_the_tracker(build):
    video = build.video([build.labels([])] * 6)
    followed = follow(video, [build.found([CAR, WEAK])] * 6, least_score=0.1)
    assert followed[-1].track_ids.tolist() == [1, 2]


def test_a_break_in_time_ends_all_identities(build):
    video = build.video([build.labels([])] * 4, segments=((0, 2), (2, 4)), times_s=np.array([0, 0.1, 0.2, 0.3]))
    followed = follow(video, [build.found([CAR])] * 4)
    assert [int(found.track_ids[0]) for found in followed] == [1, 1, 2, 2]
