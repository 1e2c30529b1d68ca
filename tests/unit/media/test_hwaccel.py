import logging

import av
import pytest

from streamdet.errors import ConfigError
from streamdet.frames import Frame
from streamdet.media import hwaccel
from streamdet.media.hwaccel import accelerator, choose_device, kinds, tell
from streamdet.media.locations import SourceSpec
from streamdet.media.source import open_source

NONE_HERE = "no driver, or no device (Operation not permitted)"


@pytest.fixture
def devices(monkeypatch):
    """What kinds there are, each with what keeps it from being opened, if anything does."""

    def have(**problems):
        monkeypatch.setattr(hwaccel, "kinds", lambda: list(problems))
        monkeypatch.setattr(hwaccel, "why_not", problems.get)

    return have


@pytest.fixture
def clip(tmp_path):
    """Ten frames of H.264."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([20 * number]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_software_is_the_default_and_says_nothing(caplog):
    assert choose_device("none") is None
    assert accelerator(None) is None
    assert caplog.records == []


def test_a_kind_that_there_is_not_fails(devices):
    devices(cuda=None, vaapi=None)
    with pytest.raises(ConfigError, match=r"decode\.hwaccel: expected none, auto, cuda, vaapi, got quantum"):
        choose_device("quantum")
    devices()
    with pytest.raises(ConfigError, match="expected none, auto, got cuda"):
        choose_device("cuda")


def test_auto_is_the_first_that_opens(devices, caplog):
    devices(qsv=NONE_HERE, cuda=None, vaapi=None)
    assert choose_device("auto") == "cuda"
    assert choose_device("vaapi") == "vaapi"
    assert caplog.records == []


@pytest.mark.parametrize(
    ("wanted", "why"), [("cuda", f"(cuda has {NONE_HERE})"), ("auto", f"(qsv has no decoder; cuda has {NONE_HERE})")]
)
def test_without_a_device_software_decodes_and_it_is_said(devices, caplog, wanted, why):
    devices(qsv="no decoder", cuda=NONE_HERE)
    assert choose_device(wanted) is None
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.WARNING,
        f"no device decodes video here {why}: software does",
    )


def test_auto_where_pyav_knows_no_device(devices, caplog):
    devices()
    assert choose_device("auto") is None
    assert "this PyAV has no decoder for any" in caplog.text


def test_the_kinds_are_those_of_pyavs_decoders(caplog):
    """Whatever there is on this machine, each either opens or is left with a reason."""
    for kind in kinds():
        assert choose_device(kind) == kind or f"{kind} has no" in caplog.text


def test_a_source_that_the_device_does_not_decode_comes_from_software_and_says_so_once(clip, caplog):
    """drm stands for a device: there is one on no machine, but FFmpeg knows the name, and no H.264 decoder uses it."""
    spec = SourceSpec(str(clip), "clip", "file", hwaccel="drm")
    brightness = []
    for _ in range(2):
        with open_source(spec) as source:
            brightness.append([frame.image.mean() for frame in source if isinstance(frame, Frame)])
    with open_source(SourceSpec(str(clip), "clip", "file")) as source:
        expected = [frame.image.mean() for frame in source if isinstance(frame, Frame)]
    assert brightness == [expected] * 2
    assert len(expected) == 10
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == (
        f"{clip}: decoded in software: h264 yuv420p of 64x48 pixels is nothing that drm decodes here"
    )


@pytest.mark.parametrize(
    ("accelerated", "format_", "said"),
    [(True, "nv12", "decoded by cuda"), (True, "p010le", "decoded by cuda"), (True, "yuv420p", "decoded in software")],
)
def test_what_comes_out_tells_whether_the_device_did_it(caplog, accelerated, format_, said):
    class Decoder:
        is_hwaccel = accelerated
        codec = av.Codec("h264", "r")

    caplog.set_level(logging.DEBUG)
    spec = SourceSpec(f"rtsp://cam:s3cret@{format_}/a", "a", "network", hwaccel="cuda")
    for _ in range(3):
        tell(spec, Decoder, av.VideoFrame(64, 48, format_))
    (text,) = [record.getMessage() for record in caplog.records if record.name == hwaccel.__name__]
    assert said in text
    assert "s3cret" not in text
