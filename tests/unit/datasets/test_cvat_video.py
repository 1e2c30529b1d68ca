import numpy as np
import pytest

from streamdet.datasets.cvat_video import read_cvat_video
from streamdet.errors import ConfigError

META = """<meta><task><id>3</id><name>gate</name><size>12</size><mode>interpolation</mode>
{frames}
<labels><label><name>car</name><color>#fff</color><attributes/></label><label><name>person</name></label>
<label><name>ignore</name></label></labels>
<original_size><width>64</width><height>48</height></original_size><source>gate.mp4</source></task>
<dumped>2024-01-01</dumped></meta>"""
FRAMES = "<start_frame>0</start_frame><stop_frame>11</stop_frame><frame_filter></frame_filter>"
TRACKS = """
<track id="0" label="person" source="manual">
  <box frame="2" outside="0" occluded="0" keyframe="1" xtl="0" ytl="0" xbr="10.0" ybr="20.0" z_order="0">
    <attribute name="age">old</attribute></box>
  <box frame="6" outside="0" occluded="1" keyframe="1" xtl="20" ytl="4" xbr="30" ybr="24" z_order="0"></box>
  <box frame="8" outside="1" occluded="0" keyframe="1" xtl="20" ytl="4" xbr="30" ybr="24" z_order="0"></box>
</track>
<track id="1" label="car" source="manual">
  <box frame="9" outside="0" keyframe="1" xtl="40" ytl="10" xbr="60" ybr="30"></box>
</track>
<track id="2" label="ignore" source="manual">
  <box frame="0" outside="0" keyframe="1" xtl="0" ytl="40" xbr="64" ybr="48"></box>
  <box frame="1" outside="1" keyframe="1" xtl="0" ytl="40" xbr="64" ybr="48"></box>
</track>
"""


@pytest.fixture
def write(tmp_path, film):
    film(tmp_path / "gate.mp4", 12)

    def write(tracks=TRACKS, frames=FRAMES, meta=META):
        path = tmp_path / "annotations.xml"
        body = f"<annotations><version>1.1</version>{meta.format(frames=frames)}{tracks}</annotations>"
        path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{body}')
        return path

    return write


def boxes(video):
    return [None if labels is None else labels.boxes.tolist() for labels in video.labels]


def test_keyframes_are_interpolated_until_outside(write, number_in):
    labelled = read_cvat_video(write())
    assert labelled.classes == ("car", "person")
    (video,) = labelled.videos
    assert video.name == "gate"
    person = [[[0, 0, 10, 20]], [[5, 1, 15, 21]], [[10, 2, 20, 22]], [[15, 3, 25, 23]], [[20, 4, 30, 24]]]
    still_there = [[[20, 4, 30, 24]]]
    car = [[[40, 10, 60, 30]]] * 3
    assert boxes(video) == [[], [], *person, *still_there, [], *car]
    assert [labels.class_ids.tolist() for labels in video.labels[7:10]] == [[1], [], [0]]
    assert [labels.track_ids.tolist() for labels in video.labels[7:10]] == [[0], [], [1]]
    np.testing.assert_array_equal(video.labels[0].ignore, [[0, 40, 64, 48]])
    assert all(len(labels.ignore) == 0 for labels in video.labels[1:])
    np.testing.assert_allclose(video.times_s, np.arange(12) * 0.04)
    assert [number_in(image) for image in video.frames.read(4, 6)] == [4, 5]


def test_frames_that_the_task_skips_are_not_annotated(write):
    frames = "<start_frame>1</start_frame><stop_frame>9</stop_frame><frame_filter>step=4</frame_filter>"
    (video,) = read_cvat_video(write(frames=frames)).videos
    expected: list[list[list[int]] | None] = [None] * 12
    expected[1], expected[5], expected[9] = [], [[15, 3, 25, 23]], [[40, 10, 60, 30]]
    assert boxes(video) == expected


def test_an_object_that_comes_back_is_not_seen_in_between(write):
    first = 'xtl="0" ytl="0" xbr="10" ybr="10"'
    later = 'xtl="8" ytl="0" xbr="18" ybr="10"'
    track = f"""<track id="5" label="car">
      <box frame="0" outside="0" {first}/><box frame="1" outside="1" {first}/>
      <box frame="4" outside="0" {later}/><box frame="5" outside="1" {later}/>
    </track>"""
    (video,) = read_cvat_video(write(track)).videos
    assert boxes(video)[:6] == [[[0, 0, 10, 10]], [], [], [], [[8, 0, 18, 10]], []]


def test_a_turned_box_becomes_the_upright_one_around_it(write):
    box = '<box frame="11" outside="0" xtl="10" ytl="20" xbr="30" ybr="24" rotation="90"/>'
    track = f'<track id="0" label="car">{box}</track>'
    (video,) = read_cvat_video(write(track)).videos
    np.testing.assert_allclose(video.labels[11].boxes, [[18, 12, 22, 32]], atol=1e-5)


SHAPES = {
    "polygon": ('points="1,2;9,4;5,20"', "", [1, 2, 9, 20]),
    "polyline": ('points="1,2;9,4"', "", [1, 2, 9, 4]),
    "mask": ('rle="3,4,1" left="5" top="6" width="4" height="2"', "", [5, 6, 9, 8]),
    "ellipse": ('cx="20" cy="20" rx="8" ry="4"', "", [12, 16, 28, 24]),
    "skeleton": ("", '<points label="a" points="1,2"/><points label="b" points="7,9"/>', [1, 2, 7, 9]),
    "cuboid": (
        'xtl1="1" ytl1="2" xbl1="1" ybl1="9" xtr1="5" ytr1="2" xbr1="5" ybr1="9" '
        'xtl2="3" ytl2="1" xbl2="3" ybl2="8" xtr2="7" ytr2="1" xbr2="7" ybr2="8"',
        "",
        [1, 1, 7, 9],
    ),
}


@pytest.mark.parametrize("tag", SHAPES)
def test_other_shapes_become_the_boxes_around_them(write, tag):
    attributes, inside, box = SHAPES[tag]
    track = f'<track id="0" label="car"><{tag} frame="11" outside="0" {attributes}>{inside}</{tag}></track>'
    (video,) = read_cvat_video(write(track)).videos
    np.testing.assert_allclose(video.labels[11].boxes, [box])


def test_a_joint_that_is_outside_is_no_part_of_its_skeleton(write):
    joints = '<points label="a" points="1,2"/><points label="b" points="7,9"/><points outside="1" points="50,40"/>'
    track = f'<track id="0" label="car"><skeleton frame="11" outside="0">{joints}</skeleton></track>'
    (video,) = read_cvat_video(write(track)).videos
    np.testing.assert_allclose(video.labels[11].boxes, [[1, 2, 7, 9]])


def test_pictures_instead_of_the_video(tmp_path, write, draw):
    path = write()
    (tmp_path / "gate.mp4").unlink()
    for number in range(12):
        draw(tmp_path / f"images/frame_{number:06}.png", colour=(number,) * 3)
    (video,) = read_cvat_video(path).videos
    assert [int(image[0, 0, 0]) for image in video.frames.read(3, 5)] == [3, 4]
    assert boxes(video)[6] == [[20, 4, 30, 24]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meta": ""}, "expected <annotations> with <meta> of one <task> or <job>"),
        ({"meta": META.replace("<width>64", "<width>640")}, "is for 640x48 pixels, its video has 64x48"),
        ({"frames": "<stop_frame>12</stop_frame>"}, "covers frames up to 12, but its video has 12 frames"),
        ({"frames": "<frame_filter>every 5</frame_filter>"}, "frame_filter like step=5"),
        ({"frames": "<frame_filter>step=0</frame_filter>"}, "frame_filter like step=5"),
        ({"frames": "<start_frame>x</start_frame>"}, "start_frame: expected numbers"),
        ({"tracks": '<track id="4" label="cat"/>'}, "track 4: label 'cat' is not among the labels"),
        ({"tracks": '<track id="4" label="car"><box frame="1" xtl="1"/></track>'}, "track 4: box: expected at least 4"),
        ({"tracks": '<track id="4" label="car"><box frame="-1" xtl="1" ytl="1" xbr="2" ybr="2"/></track>'}, "frame -1"),
    ],
)
def test_a_malformed_file_fails(write, change, message):
    with pytest.raises(ConfigError, match=message):
        read_cvat_video(write(**change))


def test_a_file_without_its_video_fails(tmp_path, write):
    path = write()
    (tmp_path / "gate.mp4").unlink()
    with pytest.raises(ConfigError, match=r"annotations\.xml: expected gate\.mp4 or exactly one video beside it"):
        read_cvat_video(path)
