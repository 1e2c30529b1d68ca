"""What users read from a result."""

import sys
import webbrowser
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamdet.drawing.pictures import view
from streamdet.errors import SinkError
from streamdet.frames import RgbPicture


def test_a_result_shows_its_frame(make_result):
    result = make_result([(1, 2, 3, 4, 0.9, 0, 7)], source="cam", index=12, session=1)
    assert (result.source, result.session, result.index, result.frame_index) == ("cam", 1, 12, 12)
    assert (result.pts, result.pts_s) == (6144, 0.48)
    assert (result.width, result.height) == (64, 48)
    assert result.image is result.frame.image
    assert result.detections.class_names.tolist() == ["person"]


def test_another_picture_leaves_the_rest(make_result):
    result = make_result(latency_s=0.1)
    black = np.zeros_like(result.image)
    other = result.with_picture(RgbPicture(black))
    assert other.image is black
    assert result.image is not black
    assert (other.pts, other.latency_s, other.detections) == (result.pts, 0.1, result.detections)


def test_short_names_of_the_columns(make_result):
    found = make_result([(1, 2, 30, 40, 0.9, 1, 7)]).detections
    assert found.xyxy is found.boxes
    assert (found.conf is found.scores, found.cls is found.class_ids, found.id is found.track_ids) == (True, True, True)


def test_plot_draws_on_a_copy(make_result):
    result = make_result([(10, 10, 40, 40, 0.9, 0, 7)], size=(128, 96))
    drawn = result.plot(labels="none", line_width=3)
    assert drawn.shape == (96, 128, 3)
    assert (drawn[8, 20] != 90).any()
    assert (result.image == 90).all()
    with pytest.raises(ValueError, match=r"line_width: .*1 to 100"):
        result.plot(line_width=0)


def test_save_writes_a_picture(make_result, tmp_path):
    result = make_result([(10, 10, 40, 40, 0.9, 0, 7)], size=(128, 96))
    path = result.save(tmp_path / "a.png", labels="none")
    read = cv2.imread(str(path))
    assert read is not None
    np.testing.assert_array_equal(read[..., ::-1], result.plot(labels="none"))
    with pytest.raises(SinkError, match=r"a\.txt: no picture has this ending"):
        result.save(tmp_path / "a.txt")
    with pytest.raises(SinkError, match="No such file"):
        result.save(tmp_path / "none" / "a.png")


def test_a_notebook_shows_the_picture_and_what_is_in_it(make_result):
    html = make_result([(10, 10, 40, 40, 0.9, 0, 7), (1, 2, 9, 9, 0.8, 0, -1)], source="<cam>")._repr_html_()
    assert "data:image/jpeg;base64," in html
    assert "&lt;cam&gt;, frame 0, 0.000 s: 2 person" in html


def test_show_opens_a_picture_where_there_is_no_notebook(make_result, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    make_result([(10, 10, 40, 40, 0.9, 0, 7)]).show()
    [path] = [Path(address.removeprefix("file://")) for address in opened]
    assert cv2.imread(str(path)).shape == (48, 64, 3)
    path.unlink()
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    with pytest.raises(SinkError, match="nothing here shows pictures"):
        make_result([]).show()


def test_a_dictionary_is_the_line_of_json(make_result):
    line = make_result([(10.126, 10, 40, 40, 0.9, 0, 7)], source="cam", index=12).to_dict()
    assert (line["type"], line["source"], line["frame"], line["time_s"]) == ("frame", "cam", 12, 0.48)
    assert line["detections"] == [
        {"box": [10.13, 10.0, 40.0, 40.0], "class": "person", "class_id": 0, "score": 0.9, "track": 7}
    ]


def test_a_table_has_a_row_for_each_box(make_result):
    pandas = pytest.importorskip("pandas")
    result = make_result([(1, 2, 30, 40, 0.9, 0, 7), (3, 4, 9, 9, 0.8, 2, -1)], source="cam", index=12)
    table = result.to_df()
    assert list(table.columns) == [
        *("source", "session", "frame", "pts", "time_s", "track", "class", "class_id", "score", "x1", "y1", "x2", "y2"),
    ]
    assert table["class"].tolist() == ["person", "truck"]
    assert (table["track"][0], table["track"][1] is pandas.NA) == (7, True)
    assert result.detections.to_df()[["x1", "y2"]].to_numpy().tolist() == [[1, 40], [3, 9]]
    assert len(make_result([]).to_df()) == 0


def test_a_table_without_pandas_says_what_to_install(make_result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="to_df needs pandas, which is not installed: pip install pandas"):
        make_result([]).to_df()


def test_view_plays_small_videos(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    assert "data:video/mp4;base64,dmlkZW8=" in view(path)._repr_html_()
    with path.open("r+b") as file:
        file.truncate(2**26)
    with pytest.raises(ValueError, match="64 MB are too many for a notebook"):
        view(path)
