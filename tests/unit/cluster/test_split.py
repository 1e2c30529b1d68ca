"""Parts of one video: where it is cut, and track ids that go through."""

import pytest

from streamdet.cli.files import split_seconds
from streamdet.cluster.split.parts import WARM_UP_FRAMES, Part, parts_of
from streamdet.cluster.split.stitch import Agreement, stitched
from streamdet.errors import ConfigError


def test_parts_follow_each_other_and_start_early():
    early_s = WARM_UP_FRAMES / 25
    assert parts_of(0.0, 1300.0, 600.0, 1 / 25) == [
        Part(0, 0.0, 0.0, 600.0),
        Part(1, 600.0 - early_s, 600.0, None),
    ]
    assert parts_of(100.0, 102.0, 600.0, 1 / 25) == [Part(0, 100.0, 100.0, None)]
    assert [part.warm_s for part in parts_of(3.0, 11.0, 4.0, 1 / 25)] == [3.0, max(3.0, 7.0 - early_s)]


def _line(frame, **boxes):
    """A frame at one a second; `t7=100` is a box of track 7 at x = 100."""
    rows = [
        {"box": [x, 0, x + 50, 50], "class": "car", "track": int(name[1:]) if name[0] == "t" else None}
        for name, x in boxes.items()
    ]
    return {"type": "frame", "frame": frame, "time_s": float(frame), "detections": rows}


def test_an_object_keeps_its_id_over_a_cut_and_a_new_one_gets_a_new_one():
    first = [_line(frame, t5=frame, t9=500) for frame in range(10)]
    second = [_line(frame, t1=501, t2=frame, t3=900) for frame in range(6, 12)]
    found = list(stitched([first, second], [10.0], agreement := Agreement()))
    assert [line["frame"] for line in found] == list(range(12))
    ids = [{row["track"]: row["box"][0] for row in line["detections"]} for line in found]
    assert ids[9] == {5: 9, 9: 500}
    assert ids[10] == {9: 501, 5: 10, 10: 900}
    assert (agreement.cuts, agreement.boxes, agreement.agreeing, agreement.extra) == (1, 8, 8, 4)


def test_objects_of_one_place_at_other_times_are_others():
    first = [_line(frame, t1=100) for frame in range(10)]
    second = [_line(frame, **({"t1": 100} if frame >= 10 else {})) for frame in range(6, 12)]
    found = list(stitched([first, second], [10.0], Agreement()))
    assert [row["track"] for line in found[9:] for row in line["detections"]] == [1, 2, 2]


def test_boxes_without_track_ids_pass():
    first, second = [_line(0, a=1)], [_line(0, a=1), _line(1, a=2)]
    found = list(stitched([first, second], [1.0], Agreement()))
    assert [line["detections"][0]["track"] for line in found] == [None, None]


@pytest.mark.parametrize("text", ["", "0s", "ten", "1.5m", "-3s"])
def test_a_length_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="expected a length such as 90s, 10m or 1h"):
        split_seconds(text)
    assert (split_seconds("90"), split_seconds("10m"), split_seconds("1h")) == (90.0, 600.0, 3600.0)
