"""Which pictures of what is found are written, and what is in them."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from streamdet.frames import RgbPicture, StreamEnded
from streamdet.media.locations import SourceSpec
from streamdet.stages.crops import CropsSettings, plan_crops
from streamdet.stages.crops import crops as stage_of
from streamdet.stages.entry import StageContext
from streamdet.stages.outputs import OutputLog


@pytest.fixture
def crops(tmp_path, run_stage, make_result, started):
    """Names of the pictures that are written of rows of boxes, one for each frame."""

    def write(frames, *, keep="best", tracked=True, log=None, folder="out", **of_info):
        context = StageContext(None, 0.25, tracked=tracked, log=log or OutputLog())
        begin = started("a", crops=f"{tmp_path / folder}/")
        begin = replace(begin, info=replace(begin.info, **of_info))
        results = [make_result(rows, index=number) for number, rows in enumerate(frames)]
        items = [begin, *results, StreamEnded("a", len(frames))]
        assert run_stage(stage_of(CropsSettings(keep=keep), context), items) == items
        return sorted(path.name for path in (tmp_path / folder).iterdir())

    return write


SMALL, LARGE, SURE = (0, 0, 8, 8, 0.6, 0, 7), (10, 10, 40, 30, 0.6, 0, 7), (0, 0, 8, 8, 0.9, 0, 7)


def test_best_picture_of_each_track(tmp_path, crops):
    car = (5, 5, 25, 15, 0.5, 1, 8)
    assert crops([[SMALL], [LARGE, car], [SURE]]) == ["car-8.jpg", "person-7.jpg"]
    assert cv2.imread(str(tmp_path / "out/person-7.jpg")).shape == (20, 30, 3)
    assert cv2.imread(str(tmp_path / "out/car-8.jpg")).shape == (10, 20, 3)


def test_boxes_without_a_track_are_left_out_where_there_are_tracks(crops):
    untracked = (0, 0, 8, 8, 0.6, 0, -1)
    assert crops([[untracked], [untracked]]) == []
    names = ["person-frame000000-0.jpg", "person-frame000001-0.jpg"]
    assert crops([[untracked], [untracked]], tracked=False) == names
    assert crops([[SMALL], [LARGE]], keep="all") == names
    assert crops([[SMALL], [LARGE]], pictures=("a.jpg", "b.jpg")) == names


def test_a_track_that_is_over_is_written_before_the_end(tmp_path, run_stage, make_result, started):
    stage = stage_of(CropsSettings(), StageContext(None, 0.25, tracked=True))
    there = []

    def items():
        yield started("a", crops=f"{tmp_path / 'out'}/")
        for number in range(0, 400, 40):
            yield make_result([SMALL] if number == 0 else [], index=number)
            there.append((tmp_path / "out/person-7.jpg").exists())
        yield StreamEnded("a", 400)

    run_stage(stage, items())
    assert (there[0], there[-1]) == (False, True)


def test_pictures_show_the_frame_and_not_what_is_beside_it(tmp_path, run_stage, make_result, started):
    image = np.zeros((48, 64, 3), np.uint8)
    image[10:30, 20:40] = 200
    result = make_result([(20, 10, 40, 30, 0.9, 0, 1), (60, 40, 70, 50, 0.9, 0, 2), (70, 50, 80, 60, 0.9, 0, 3)])
    frame = replace(result.frame, picture=RgbPicture(image), pixel_aspect=Fraction(2))
    stage = stage_of(CropsSettings(), StageContext(None, 0.25, tracked=True))
    run_stage(stage, [started("a", crops=f"{tmp_path}/"), replace(result, frame=frame), StreamEnded("a", 1)])
    inside = cv2.imread(str(tmp_path / "person-1.jpg"))
    assert inside.shape == (20, 40, 3)
    assert abs(inside.mean() - 200) < 3
    assert cv2.imread(str(tmp_path / "person-2.jpg")).shape == (8, 8, 3)
    assert not (tmp_path / "person-3.jpg").exists()


def test_pictures_of_an_earlier_run_are_removed_and_nothing_else(tmp_path, crops):
    (tmp_path / "out").mkdir()
    for name in ("car-1.jpg", "bus-frame000003-2.jpg", "mine.jpg", "car-1.txt"):
        (tmp_path / "out" / name).touch()
    sources = [SourceSpec("a.mp4", "a", "file")]
    plan = plan_crops(CropsSettings(path=str(tmp_path / "out")), sources)
    assert list(plan.earlier) == [tmp_path / "out/bus-frame000003-2.jpg"]
    assert crops([[SMALL]]) == ["car-1.txt", "mine.jpg", "person-7.jpg"]


def test_several_sources_have_folders_of_their_own():
    sources = [SourceSpec(f"{name}.mp4", name, "file") for name in "ab"]
    assert plan_crops(CropsSettings(path="c"), sources).targets == {"a": "c/a/", "b": "c/b/"}
    assert plan_crops(CropsSettings(path="c"), sources[:1]).targets == {"a": "c/"}


def test_folder_that_cannot_be_made_is_said(tmp_path, crops, said):
    (tmp_path / "file").touch()
    log = OutputLog()
    with pytest.raises(NotADirectoryError):
        crops([[SMALL]], log=log, folder="file/out")
    [(source, message)] = said(log)
    assert (source, message.partition(":")[0]) == ("a", str(tmp_path / "file/out"))
