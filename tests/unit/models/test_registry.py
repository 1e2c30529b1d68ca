"""Which detector a name means, and detectors of other packages."""

import sys

import numpy as np
import pytest

import streamdet
from streamdet.errors import CheckpointError
from streamdet.models.registry import find
from streamdet.runtimes.loading import open_recurrent

PLUGIN = """
import numpy as np
from streamdet.detections import Detections
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.per_frame import PerFrameDetector


def build(name, *, device, runtime, precision):
    spec = DetectorSpec(name, ("bright",), "", InputSpec(64, fit="stretch"))
    return PerFrameDetector(spec, f"plug-in {device}", lambda images: [brightest(x) for x in images])


def brightest(image):
    y, x = np.unravel_index(image[0].argmax(), image.shape[1:])
    return Detections.of([[x, y, x + 1, y + 1]], [0.9], [0], ("bright",))
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package that is installed, with detectors of its own."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "acme_detectors", raising=False)
    (tmp_path / "acme_detectors.py").write_text(PLUGIN)
    info = tmp_path / "acme_detectors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-detectors\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[streamdet.detectors]\nacme = acme_detectors:build\nacme/* = acme_detectors:build\n"
        "street = acme_detectors:build\nbroken = acme_detectors:nothing\ngone = acme_gone:build\n"
    )


def test_a_plug_in_is_loaded_by_name_and_by_pattern(plugin):
    for name in ("acme", "acme/large"):
        detector = streamdet.load(name, device="cpu")
        assert (detector.spec.name, detector.runtime) == (name, "plug-in cpu")
    images = np.zeros((1, 1, 3, 64, 64), np.uint8)
    images[..., 20, 30] = 255
    [[found]] = detector.step(images)[0].detections()
    assert found.boxes.tolist() == [[30, 20, 31, 21]]
    assert found.class_names == ("bright",)


def test_ours_come_before_those_of_others(plugin):
    assert find("street") is open_recurrent
    assert find("runs/mine.safetensors") is open_recurrent


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("strete", r"unknown model strete: did you mean street\? expected street, "),
        ("acme2", r"unknown model acme2: did you mean acme\?"),
        ("broken", r"model broken: acme_detectors:nothing cannot be loaded: "),
        ("gone", r"model gone: acme_gone:build cannot be loaded: No module named 'acme_gone'"),
    ],
)
def test_what_is_not_known_fails(plugin, name, message):
    with pytest.raises(CheckpointError, match=message):
        streamdet.load(name)


def test_a_file_of_another_kind_fails(tmp_path):
    path = tmp_path / "model.zip"
    path.touch()
    with pytest.raises(CheckpointError, match=r"model\.zip is not a model file of a known kind: expected street"):
        streamdet.load(path)


def test_a_file_that_is_not_there_fails(tmp_path):
    with pytest.raises(CheckpointError, match=r"model file not found: .*none\.safetensors"):
        streamdet.load(tmp_path / "none.safetensors")
