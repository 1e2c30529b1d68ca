"""Counting by areas and lines: everyone once, whatever boxes do at an edge."""

import json
import math

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.zones.geometry import homography, line_places, polygon_distances, project
from streamdet.zones.options import ZoneOptions
from streamdet.zones.stream_zones import StreamZones

WIDTH, HEIGHT, FPS = 200, 100, 10
YARD = {"areas": {"yard": {"polygon": [[0.25, 0.2], [0.75, 0.2], [0.75, 0.8], [0.25, 0.8]]}}}
DOOR = {"lines": {"door": {"points": [[0.5, 0.1], [0.5, 0.9]]}}}  # downwards: its left is the right half of the picture


def options(*parts, **more):
    merged = {key: value for part in parts for key, value in part.items()} | more
    return ZoneOptions.model_validate_json(json.dumps(merged))


def found(*rows):
    """Objects (track, x, y) that stand there, in pixels."""
    boxes = [(x - 5, y - 20, x + 5, y) for _, x, y in rows]
    return Detections.of(boxes, [0.9] * len(rows), [0] * len(rows), ("person",), [track for track, _, _ in rows])


def follow(zones, paths, first=0):
    """Events of frames in which each track is where its path says; None: not seen."""
    events = []
    for n in range(max(map(len, paths.values()))):
        rows = [(track, *path[n]) for track, path in paths.items() if n < len(path) and path[n] is not None]
        _, report = zones.update(found(*rows), WIDTH, HEIGHT, (first + n) / FPS)
        events += report.events
    return events


def counts(zones):
    _, report = zones.update(found(), WIDTH, HEIGHT, 1e6)
    return {place.name: dict(place.counts) for place in report.places}


def kinds(events):
    return [(event.kind, event.track_id) for event in events]


def walk(start, end, steps=20, y=50):
    return [(x, y) for x in np.linspace(start, end, steps)]


def test_who_walks_through_an_area_enters_and_leaves_once():
    events = follow(StreamZones("a", options(YARD)), {7: walk(10, 190)})
    assert kinds(events) == [("entered", 7), ("left", 7)]
    entered, left = events
    assert entered.time_s == pytest.approx(0.5, abs=0.11), "when it happened, not when it was certain"
    assert left.seconds == pytest.approx(left.time_s - entered.time_s)


def test_who_is_there_at_first_sight_appeared():
    assert kinds(follow(StreamZones("a", options(YARD)), {7: walk(100, 190)})) == [("appeared", 7), ("left", 7)]


@pytest.mark.parametrize("shape", [YARD, DOOR])
def test_who_trembles_on_the_edge_counts_once(shape):
    edge = 50 if shape is YARD else 100
    trembling = [(edge + (0.9 if n % 2 else -0.9), 50) for n in range(40)]
    zones = StreamZones("a", options(shape, margin=0.01))
    path = [*walk(edge - 30, edge - 2), *trembling, *walk(edge + 2, edge + 30)]
    assert len([kind for kind, _ in kinds(follow(zones, {7: path})) if kind != "left"]) == 1


def test_a_box_that_jumps_over_the_line_and_back_counts_not_at_all():
    path = [*walk(40, 60), (150, 50), *walk(60, 70)]
    assert follow(StreamZones("a", options(DOOR)), {7: path}) == []
    assert len(follow(StreamZones("a", options(DOOR, hold_s=0)), {7: path})) == 2


def test_directions_of_a_line():
    """Seen downwards, its left is the right half of the picture."""
    zones = StreamZones("a", options(DOOR))
    events = follow(zones, {1: walk(190, 10), 2: walk(10, 190), 3: walk(190, 10)})
    assert sorted((event.track_id, event.direction) for event in events) == [(1, "in"), (2, "out"), (3, "in")]
    assert counts(zones) == {"door": {"in": 2, "out": 1}}


def test_who_walks_past_the_end_of_a_line_has_not_crossed_it():
    assert follow(StreamZones("a", options(DOOR)), {1: walk(190, 10, y=97)}) == []


def test_there_and_back_counts_twice():
    zones = StreamZones("a", options(DOOR))
    follow(zones, {1: [*walk(190, 10), *walk(10, 190)]})
    assert counts(zones) == {"door": {"in": 1, "out": 1}}


def test_who_is_not_seen_any_more_has_left():
    zones = StreamZones("a", options(YARD, gone_s=1.0))
    events = follow(zones, {7: [*walk(10, 100, 10), *[None] * 12], 8: [(5, 5)] * 22})
    assert kinds(events) == [("entered", 7), ("left", 7)]
    assert events[1].time_s == pytest.approx(0.9), "when it was seen last"


def test_who_is_hidden_for_a_moment_has_not():
    zones = StreamZones("a", options(YARD, gone_s=1.0))
    assert kinds(follow(zones, {7: [*walk(10, 100, 10), *[None] * 8, *walk(100, 110, 5)]})) == [("entered", 7)]


def test_a_long_stay_is_told_once():
    area = {"areas": {"yard": YARD["areas"]["yard"] | {"dwell_s": 2.0}}}
    events = follow(StreamZones("a", options(area)), {7: [*walk(10, 100, 10), *[(100, 50)] * 50]})
    assert kinds(events) == [("entered", 7), ("dwell", 7)]
    assert events[1].seconds == pytest.approx(2.0, abs=0.11)


def test_a_crowd_is_told_when_it_comes_and_again_when_it_comes_again():
    area = {"areas": {"yard": YARD["areas"]["yard"] | {"capacity": 1}}}
    outside = [(5, 5)] * 10
    paths = {1: [(100, 50)] * 50, 2: [*[(110, 50)] * 10, *outside, *[(110, 50)] * 10, *outside]}
    crowds = [event for event in follow(StreamZones("a", options(area)), paths) if event.kind == "crowd"]
    assert [(crowd.count, crowd.track_id) for crowd in crowds] == [(2, None)] * 2


def test_only_the_classes_and_streams_that_were_asked_for():
    cars = {"areas": {"yard": YARD["areas"]["yard"] | {"classes": ["car"]}}}
    assert follow(StreamZones("a", options(cars)), {7: walk(10, 190)}) == []
    elsewhere = {"areas": {"yard": YARD["areas"]["yard"] | {"streams": ["b"]}}}
    assert counts(StreamZones("a", options(elsewhere))) == {}
    assert counts(StreamZones("b", options(elsewhere))) == {
        "yard": {"inside": 0, "entered": 0, "appeared": 0, "left": 0}
    }


def test_boxes_without_a_track_are_not_counted():
    zones = StreamZones("a", options(YARD, DOOR, heat_s=60.0))
    assert follow(zones, {-1: walk(10, 190)}) == []


def test_after_a_gap_everyone_is_new_and_counts_stay():
    zones = StreamZones("a", options(YARD, DOOR))
    assert kinds(follow(zones, {7: walk(10, 140)})) == [("entered", 7), ("line", 7)]
    zones.forget()
    events = follow(zones, {1: [(100, 50)] * 5}, first=1000)
    assert kinds(events) == [("left", 7), ("appeared", 1)]
    assert events[0].time_s == pytest.approx(1.9), "when it was seen last"
    assert counts(zones)["door"] == {"in": 0, "out": 1}


EVERYTHING = options(
    {"areas": {"yard": YARD["areas"]["yard"] | {"dwell_s": 0.4, "capacity": 1}}},
    DOOR,
    grounds={"road": {"image": [[0, 0], [1, 0], [1, 1], [0, 1]], "metres": [[0, 0], [20, 0], [20, 10], [0, 10]]}},
    heat_s=10.0,
)
PATHS = {1: walk(10, 190), 2: walk(190, 10), 3: [*[None] * 8, *walk(90, 110, 12)]}


@pytest.mark.parametrize("cut", range(0, 20, 3))
def test_saved_counts_continue_exactly(cut):
    def part(zones, begin, end):
        return follow(zones, {track: path[begin:end] for track, path in PATHS.items()}, first=begin)

    whole, first, second = (StreamZones("a", EVERYTHING) for _ in range(3))
    expected = part(whole, 0, 20)
    events = part(first, 0, cut) if cut else []
    if cut:
        state = json.loads(json.dumps(first.state_dict(), allow_nan=False))
        second.load_state_dict(state, first.heat_arrays())
    assert events + part(second, cut, 20) == expected
    assert second.state_dict() == whole.state_dict()
    np.testing.assert_array_equal(second.heat_arrays()["heat"], whole.heat_arrays()["heat"])


def test_another_file_continues_the_counts_on_a_clock_of_its_own():
    zones = StreamZones("a", options(YARD))
    path = walk(10, 190)
    assert kinds(follow(zones, {7: path[:10]})) == [("entered", 7)]
    zones.continue_at(-1 / FPS)
    [left] = follow(zones, {7: path[10:]})
    assert left.kind == "left"
    assert left.seconds == pytest.approx(1.0, abs=0.11)


def test_a_shape_that_is_changed_starts_again_and_the_others_keep_their_counts():
    zones = StreamZones("a", options(YARD, DOOR))
    follow(zones, {7: walk(10, 190)})
    moved = options({"areas": {"yard": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}, DOOR)
    changed = counts(StreamZones("a", moved, before=zones))
    assert changed["door"] == {"in": 0, "out": 1}
    assert changed["yard"]["entered"] == 0


def test_speed_on_the_ground():
    zones = StreamZones("a", EVERYTHING)
    speeds = []
    for n, (x, y) in enumerate(walk(0, 100, 21)):  # 5 pixels a frame: 5 m a second
        detections, _ = zones.update(found((1, x, y), (-1, x, y)), WIDTH, HEIGHT, n / FPS)
        speeds.append(detections.speeds_mps.tolist())
    assert math.isnan(speeds[0][0])
    assert speeds[-1][0] == pytest.approx(5.0, rel=1e-3)
    assert math.isnan(speeds[-1][1])


def test_heat_is_seconds_and_fades():
    zones = StreamZones("a", options(heat_s=100.0))
    for n in range(101):
        _, report = zones.update(found((1, 100, 50)), WIDTH, HEIGHT, n / FPS)
    assert report.heat.sum() == pytest.approx(10.0, rel=0.05)
    row, column = np.unravel_index(report.heat.argmax(), report.heat.shape)
    assert (row / report.heat.shape[0], column / report.heat.shape[1]) == (pytest.approx(0.5, abs=0.05),) * 2
    _, later = zones.update(found(), WIDTH, HEIGHT, 110.0)
    assert later.heat.sum() == pytest.approx(5.0, rel=0.05)


def test_distances_to_a_polygon():
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)
    points = np.array([[5, 5], [1, 5], [-3, 5], [13, 14]], float)
    np.testing.assert_allclose(polygon_distances(points, square), [5, 1, -3, -5])
    assert polygon_distances(np.zeros((0, 2)), square).shape == (0,)
    hook = np.array([[0, 0], [10, 0], [10, 10], [8, 10], [8, 2], [0, 2]], float)
    np.testing.assert_array_equal(polygon_distances(np.array([[4.0, 6.0], [9.0, 6.0]]), hook) > 0, [False, True])


def test_places_beside_a_line():
    beside, along = line_places(np.array([[5.0, 3.0], [20.0, -1.0]]), np.array([[0.0, 0.0], [10.0, 0.0]]))
    np.testing.assert_allclose(beside, [3, -1])
    np.testing.assert_allclose(along, [0.5, 2.0])


def test_a_homography_takes_its_points_where_they_belong_and_ends_at_the_horizon():
    image = np.array([[0.4, 0.4], [0.6, 0.4], [0.9, 0.9], [0.1, 0.9]])
    ground = np.array([[0, 30], [7, 30], [7, 0], [0, 0]], float)
    matrix = homography(image, ground)
    np.testing.assert_allclose(project(image, matrix), ground, atol=1e-6)
    assert np.isnan(project(np.array([[0.5, 0.0]]), matrix)).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"areas": {"a": {"polygon": [[0, 0], [1, 1]]}}}, "at least 3"),
        ({"areas": {"a": {"polygon": [[0, 0], [1, 1], [0, 0]]}}}, "differ from each other"),
        ({"areas": {"a": {"polygon": [[0, 0], [1, 1], [0, 1.5]]}}}, "less than or equal to 1"),
        ({"lines": {"a": {"points": [[0, 0], [0, 0]]}}}, "differ from each other"),
        ({**YARD, "lines": {"yard": {"points": [[0, 0], [1, 0]]}}}, "names that no area has, got yard"),
        ({"grounds": {"a": {"image": [[0, 0], [1, 0], [0.5, 0], [0, 1]], "metres": [[0, 0]] * 4}}}, "no three"),
        ({"areas": {"": {"polygon": [[0, 0], [1, 1], [0, 1]]}}}, "at least 1 character"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        options(wrong)
