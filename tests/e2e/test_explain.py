"""`streamdet explain`, and the page that it writes."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import streamdet as package
from streamdet.scenes.scene import SceneSpec, render

HIDDEN = range(10, 13)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A street; in some frames there is nothing to be seen."""
    folder = tmp_path_factory.mktemp("street")
    for number, frame in enumerate(render(SceneSpec(seed=4, width=320, height=192, frames=16, occluders=0.0))):
        image = np.full_like(frame.image, 114) if number in HIDDEN else frame.image
        cv2.imwrite(str(folder / f"{number:03}.png"), image[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def explained(pictures):
    return package.explain(pictures, package.load("street", runtime="torch"), last=4)


def test_what_is_hidden_owes_everything_to_the_past_and_what_is_new_nothing(explained) -> None:
    first, hidden = explained.moments[0], explained.moments[HIDDEN[1]]
    assert len(first.detections) > 1
    assert (first.detections.support == 0).all()
    assert len(hidden.detections) > 1
    assert hidden.detections.carried.all()
    assert (hidden.detections.support >= 0.99).all()
    seen = explained.moments[HIDDEN[0] - 1].detections
    assert 0.1 < seen.support.mean() < 0.9
    assert set(hidden.tracks) >= set(hidden.detections.track_ids.tolist()) - {-1}


def test_a_box_rests_on_the_frame_and_on_those_before_it(explained) -> None:
    assert explained.bases
    for basis in explained.bases:
        assert len(basis.images) == 4
        assert basis.saliency.frames[-1] == pytest.approx(1)  # street has no recurrent state
        x1, y1, x2, y2 = basis.box.round().astype(int)
        heat = basis.saliency.maps[-1]
        assert heat[y1:y2, x1:x2].mean() > 2 * heat.mean()
        assert (basis.needed >= 0).all()


def test_the_page_needs_nothing_but_itself(explained, tmp_path) -> None:
    page = explained.save(tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") > 8
    assert not re.search(r"<script|https?://(?!www\.w3\.org/2000/svg)|style=|\bon\w+=", page)
    assert "default-src 'none'" in page
    shown = explained._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "<!doctype" not in shown


def test_a_browser_shows_it(explained, tmp_path, chromium) -> None:
    page = chromium.open(explained.save(tmp_path / "page.html").as_uri())
    page.wait("document.querySelectorAll('svg').length > 3")
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.complaints == []


def test_the_command_shows_the_gates_of_a_recurrent_state(streamdet, clips, tiny_model, here) -> None:
    options = ("--conf", "0.005", "--max-frames", "8", "--last", "3")
    command = ("explain", clips / "walk.mp4", "--model", tiny_model, *options)
    assert streamdet(*command).status == 0
    page = (here / "walk.explained.html").read_text()
    assert "Forget gate" in page
    assert "8 frames" in page
    assert streamdet(*command).status == 2  # the page is there
    assert streamdet(*command, "--overwrite", "-o", "page.txt").status == 2
    assert streamdet("explain", "rtsp://127.0.0.1/x").status == 2
