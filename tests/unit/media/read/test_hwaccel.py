import logging

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel, hwdevices_available

from streamdet.errors import ConfigError, SourceOpenError
from streamdet.frames import Frame
from streamdet.media import container
from streamdet.media.locations import SourceSpec
from streamdet.media.planes import Planes, picture_of
from streamdet.media.read import hwaccel
from streamdet.media.read.deinterlace import Label, deinterlaced
from streamdet.media.read.hwaccel import accelerator, choose_device, kinds, tell, tell_failure
from streamdet.media.read.source import open_source

NONE_HERE = "no driver, or no device that can be opened (Operation not permitted)"
needs_cuda = pytest.mark.skipif("cuda" not in kinds(), reason="this PyAV was built without CUDA")


@pytest.fixture
def devices(monkeypatch):
    """What kinds there are, each with what keeps it from being opened, if anything does."""

    def have(**problems):
        monkeypatch.setattr(hwaccel, "kinds", lambda: list(problems))
        monkeypatch.setattr(hwaccel, "why_not", problems.get)

    return have


def write_clip(path, picture, **options):
    """Ten frames of H.264. picture: gives the samples of a plane, from the frame's number and the plane's size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(picture(number, plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def clip(tmp_path):
    """Gets brighter."""
    return write_clip(tmp_path / "clip.mp4", lambda number, size: bytes([20 * number]) * size)


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
        f"no device can decode video here {why}; decoding in software",
    )


def test_auto_where_pyav_knows_no_device(devices, caplog):
    devices()
    assert choose_device("auto") is None
    assert "this PyAV has no decoder for any" in caplog.text


def test_the_kinds_are_those_of_pyavs_decoders(caplog):
    """Whatever there is on this machine, each either opens or is left with a reason."""
    assert kinds() == [kind for kind in hwdevices_available() if kind in kinds()]
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


@needs_cuda
def test_a_device_that_can_be_had_no_more_costs_no_frame(clip, caplog, monkeypatch):
    """As when the memory of the device is full: the hundredth one is on no machine."""
    monkeypatch.setattr(container, "accelerator", lambda kind: kind and HWAccel(kind, device="99"))
    monkeypatch.setattr(container, "why_not", lambda kind: NONE_HERE)
    for _ in range(2):
        with open_source(SourceSpec(str(clip), "clip", "file", hwaccel="cuda")) as source:
            assert len([frame for frame in source if isinstance(frame, Frame)]) == 10
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == f"{clip}: decoded in software: cuda has {NONE_HERE}"


def test_a_source_that_fails_is_not_blamed_on_the_device(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(container, "why_not", lambda kind: None)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(SourceOpenError, match="not a video"):
        open_source(SourceSpec(str(tmp_path / "text.mp4"), "text", "file", hwaccel="drm"))
    assert hwaccel.__name__ not in {record.name for record in caplog.records}


class Decoder:
    """One that was given a device; pix_fmt is that of its memory as long as the device decodes."""

    is_hwaccel = True
    codec = av.Codec("hevc", "r")

    def __init__(self, pix_fmt):
        self.pix_fmt = pix_fmt


def said_by(caplog):
    return [record.getMessage() for record in caplog.records if record.name == hwaccel.__name__]


@needs_cuda
@pytest.mark.parametrize(
    ("pix_fmt", "downloaded", "said"),
    [
        ("cuda", "nv12", "decoded by cuda"),
        ("cuda", "p010le", "decoded by cuda"),
        ("cuda", "p016le", "decoded by cuda"),
        ("cuda", "yuv444p", "decoded by cuda"),
        ("yuv444p", "yuv444p", "decoded in software: hevc yuv444p of 64x48 pixels is nothing that cuda decodes here"),
        ("yuv420p", "yuv420p", "decoded in software: hevc yuv420p of 64x48 pixels is nothing that cuda decodes here"),
    ],
)
def test_what_comes_out_tells_whether_the_device_did_it(caplog, pix_fmt, downloaded, said):
    caplog.set_level(logging.DEBUG)
    spec = SourceSpec(f"rtsp://cam:s3cret@{pix_fmt}-{downloaded}/a", "a", "network", hwaccel="cuda")
    for _ in range(3):
        tell(spec, Decoder(pix_fmt), av.VideoFrame(64, 48, downloaded))
    (text,) = said_by(caplog)
    assert text == f"rtsp://{pix_fmt}-{downloaded}/a: {said}"


@needs_cuda
def test_a_device_that_fails_is_told_from_broken_packets(caplog):
    spec = SourceSpec("rtsp://cam:s3cret@fails/a", "a", "network", hwaccel="cuda")
    fails = av.error.ExternalError(1, "Generic error in an external library")
    tell_failure(spec, Decoder("cuda"), av.error.InvalidDataError(1, "Invalid data found"))
    tell_failure(spec, Decoder("yuv420p"), fails)
    assert said_by(caplog) == []
    for _ in range(3):
        tell_failure(spec, Decoder("cuda"), fails)
    (text,) = said_by(caplog)
    assert text.startswith("rtsp://fails/a: cuda fails to decode some of it (Generic error in an external library)")


def test_a_devices_interlaced_frames_are_deinterlaced_alike(tmp_path):
    rng = np.random.default_rng(0)
    path = write_clip(
        tmp_path / "interlaced.mp4",
        lambda number, size: rng.integers(16, 235, size, np.uint8).tobytes(),
        **{"x264-params": "tff=1"},
    )

    def pictures(format_):
        with av.open(str(path)) as opened:
            frames = [frame.reformat(format=format_) for frame in opened.decode(video=0)]
        assert all(frame.interlaced_frame for frame in frames)
        return [picture_of(frame) for _, frame in deinterlaced((Label(0, frame.pts, 1), frame) for frame in frames)]

    given, expected = pictures("nv12"), pictures("yuv420p")
    assert len(given) == len(expected) == 10
    for picture, same in zip(given, expected, strict=True):
        assert isinstance(picture, Planes)
        assert np.array_equal(picture.rgb(), same.rgb())
