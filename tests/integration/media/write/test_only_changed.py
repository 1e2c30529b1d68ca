"""Files in which groups of pictures that changed are encoded, and all others are copied."""

import base64
import json
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture
from streamdet.media.read.source import open_source
from streamdet.media.write import groups
from streamdet.media.write.interrupted import written_before
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.part_file import Mark
from streamdet.media.write.writer import VideoWriter

SIZE, GROUP, FRAMES = (320, 192), 10, 80
# One in the middle of a group, one at a group's start, and one at the end of the file's last group.
CHANGED = (14, 50, 51, 79)
CHANGED_GROUPS = {number // GROUP for number in CHANGED}
H264 = {"g": str(GROUP), "sc_threshold": "0"}
HEVC = {"x265-params": f"log-level=error:keyint={GROUP}:min-keyint={GROUP}:open-gop=0:scenecut=0:pools=1"}
QUICK = EncodeOptions(preset="ultrafast")


def mark(picture):
    """The picture with a white corner, as a box would be drawn."""
    image = picture.rgb().copy()
    image[:64, :64] = 255
    return RgbPicture(image)


def annotate(source, target, changed=CHANGED, **options):
    """Write a file as a run with detections in some frames does; gives how many frames were copied and encoded."""
    with (
        open_source(source) as opened,
        VideoWriter(target, opened.info, QUICK, only_changed=True, **options) as writer,
    ):
        for number, frame in enumerate(opened):
            picture = mark(frame.picture) if number in changed else frame.picture
            writer.write(picture, frame.pts, frame.time_base, frame.duration, changed=number in changed)
    return writer.counts


def decoded(path, *, allowed=()):
    """(time in seconds, planes) of every frame; damage raises, and so does anything that FFmpeg complains about."""
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as complaints, av.open(str(path)) as container:
            frames = [(frame.pts * frame.time_base, frame.to_ndarray()) for frame in container.decode(video=0)]
    finally:
        av.logging.set_level(None)
    assert [said for _, _, said in complaints if not said.startswith(allowed)] == []
    return frames


def assert_changed(source, target, changed=CHANGED, encoded=CHANGED_GROUPS):
    """Copied groups are the source's bit for bit, and encoded ones have the drawing."""
    before, after = decoded(source), decoded(target)
    rounded = Fraction(1, 2000) if target.suffix == ".mkv" else 0  # it counts in milliseconds
    assert all(abs(ours - theirs) <= rounded for (theirs, _), (ours, _) in zip(before, after, strict=True))
    for number, ((_, theirs), (_, ours)) in enumerate(zip(before, after, strict=True)):
        if number // GROUP not in encoded:
            assert np.array_equal(theirs, ours), number
        elif number in changed:
            assert ours[8:56, 8:56].mean() > 225
        else:
            assert np.abs(theirs.astype(int) - ours).mean() < 8
    with av.open(str(target)) as container:
        decoding = [packet.dts for packet in container.demux(video=0) if packet.size and packet.dts is not None]
    assert all(one < other for one, other in pairwise(decoding))


@pytest.fixture
def make_source(make_clip):
    def make(name="clip.mp4", codec="libx264", options=None, **more):
        return make_clip(
            name, FRAMES, codec=codec, size=SIZE, options=options or (HEVC if codec == "libx265" else H264), **more
        )

    return make


def remuxed(source, name):
    """The same packets in another container."""
    path = source.with_name(name)
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0], opaque=True)
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    return path


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_what_did_not_change_is_copied(make_source, tmp_path, codec, container, target):
    source = make_source(codec=codec)
    source = source if container == "mp4" else remuxed(source, f"source.{container}")
    assert annotate(source, tmp_path / target) == (50, 30)
    assert_changed(source, tmp_path / target)


@pytest.mark.parametrize(
    "options",
    [
        {"bf": "0", "profile": "baseline"},  # no B-frames in the source, but in what is encoded
        {"bf": "5", "b-pyramid": "none", "refs": "5"},
        {"profile": "main", "level": "51", "slices": "4"},
        {"color_range": "pc", "colorspace": "bt709"},
    ],
)
def test_encoders_differ(make_source, tmp_path, options):
    source = make_source(options=H264 | options)
    assert annotate(source, tmp_path / "out.mp4") == (50, 30)
    assert_changed(source, tmp_path / "out.mp4")


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_uneven_times_stay(make_source, tmp_path, target):
    times = np.cumsum(np.random.default_rng(0).integers(20, 200, FRAMES)).tolist()
    source = make_source(pts=times, time_base=Fraction(1, 1000))
    assert annotate(source, tmp_path / target) == (50, 30)
    assert_changed(source, tmp_path / target)


def test_groups_that_look_behind_their_keyframe_are_encoded(make_source, tmp_path):
    """Open groups: only what starts with a picture that refreshes all (IDR) can follow what was encoded."""
    source = make_source(options={"x264-params": f"keyint={GROUP}:open-gop=1:scenecut=0:bframes=3:b-adapt=0"})
    copied, encoded = annotate(source, tmp_path / "out.mp4")
    assert (copied, encoded) == (0, FRAMES)
    assert_changed(source, tmp_path / "out.mp4", encoded=range(FRAMES))


def test_a_group_that_is_too_long_is_encoded(make_source, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(groups, "MOST_PACKETS", 8)
    source = make_source()
    assert annotate(source, tmp_path / "out.mkv", changed=()) == (0, FRAMES)
    assert "all frames were encoded: a group of pictures is too long" in caplog.text
    assert_changed(source, tmp_path / "out.mkv", changed=(), encoded=range(FRAMES))


def test_a_group_with_a_torn_packet_is_encoded(make_source, tmp_path):
    """The decoder leaves that packet out; all others come as they would without copying."""
    source, torn = make_source(), 33
    with av.open(str(source)) as container:
        place = [packet.pos for packet in container.demux(video=0) if packet.size][torn]
    data = bytearray(source.read_bytes())
    data[place : place + 4] = (2**24).to_bytes(4, "big")  # a unit that is longer than its packet
    source.write_bytes(data)
    copied, encoded = annotate(source, tmp_path / "out.mp4", changed=())
    assert (copied, encoded) == (FRAMES - GROUP, GROUP - 1)
    assert len(decoded(tmp_path / "out.mp4")) == FRAMES - 1


def test_frames_that_wait_and_cannot_be_decoded_again_do_not_cost_the_others(make_source, tmp_path, monkeypatch):
    """The file is given up, yet what is in it before them stays, as after any other failure."""
    monkeypatch.setattr(groups.GroupReader, "_decoded", lambda self, packets: iter(()))
    with open_source(make_source()) as opened:
        frames, info = [frame for frame, _ in zip(opened, range(15), strict=False)], opened.info
    writer = VideoWriter(tmp_path / "out.mp4", info, QUICK, only_changed=True)
    for frame in frames:
        writer.write(frame.picture, frame.pts, frame.time_base, frame.duration, changed=False)
    with pytest.raises(SinkError, match=r"out.mp4: cannot be written: other pictures come out .* use --encode all"):
        writer.close()
    assert len(decoded(tmp_path / "out.mp4")) == GROUP
    assert list(tmp_path.glob(".*")) == []


def test_frames_that_an_edit_list_hides_stay_hidden(make_hiding_clip, tmp_path):
    source = make_hiding_clip(13)
    with open_source(source) as opened:
        shown = sum(1 for _ in opened)
    copied, encoded = annotate(source, tmp_path / "out.mp4", changed=())
    assert copied + encoded == shown
    assert len(decoded(tmp_path / "out.mp4")) == shown


def test_a_part_starts_and_ends_within_a_group(make_source, tmp_path):
    source = make_source()
    with (
        open_source(source, start_s=0.6, end_s=2.6) as opened,
        VideoWriter(tmp_path / "out.mp4", opened.info, QUICK, only_changed=True) as writer,
    ):
        for frame in opened:
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration, changed=False)
    assert writer.counts == (40, 10)  # frames 15 to 19 and 60 to 64 are parts of groups
    theirs, ours = decoded(source)[20:60], decoded(tmp_path / "out.mp4")[5:45]
    assert [at for at, _ in theirs] == [at for at, _ in ours]
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(theirs, ours, strict=True))


def test_parameter_sets_that_change_under_way_come_along(make_source, tmp_path):
    """Two recordings in a row, as a transport stream holds them: both use set 0, and the second is another one."""
    first = remuxed(make_source("first.mp4", options=H264 | {"bf": "0", "refs": "1"}), "first.ts")
    later = [1000 + number for number in range(FRAMES)]
    second = remuxed(make_source("second.mp4", options=H264 | {"bf": "3", "refs": "4"}, pts=later), "second.ts")
    source = tmp_path / "both.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    changed = (*CHANGED, FRAMES + 14)
    copied, encoded = annotate(source, tmp_path / "out.mp4", changed)
    assert (copied, encoded) == (120, 40)
    before = decoded(source, allowed="Packet corrupt")  # where the two meet, packets are not counted on
    after = decoded(tmp_path / "out.mp4")
    equal = [np.array_equal(one, other) for (_, one), (_, other) in zip(before, after, strict=True)]
    assert sum(equal) >= copied
    assert all(equal[FRAMES + 20 :])


def packets_of(path):
    with av.open(str(path)) as container:
        return [(packet.pts, packet.dts, bytes(packet)) for packet in container.demux() if packet.size]


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize(("checkpoint_at", "certain"), [(35, 30), (52, 52), (40, 30)])
def test_a_run_that_was_killed_is_continued(make_source, tmp_path, target, checkpoint_at, certain):
    """The checkpoint is in a group that may still be copied, in one that is encoded, and between two groups."""
    source, whole, again = make_source(), tmp_path / f"whole{Path(target).suffix}", tmp_path / target
    left = again.with_name(f".{again.name}.part")
    growing = whole.with_name(f".{whole.name}.part")

    def write(path, frames, info, resume=None):
        state = None
        with VideoWriter(path, info, QUICK, only_changed=True, resume=resume) as writer:
            for number, frame in frames:
                if number == checkpoint_at and resume is None:
                    state = json.loads(json.dumps(writer.checkpoint()))
                if number == checkpoint_at + 27 and resume is None:
                    left.write_bytes(growing.read_bytes())
                picture = mark(frame.picture) if number in CHANGED else frame.picture
                writer.write(picture, frame.pts, frame.time_base, frame.duration, changed=number in CHANGED)
        return state

    with open_source(source) as opened:
        frames, info = list(enumerate(opened)), opened.info
    state = write(whole, frames, info)
    written, packets = written_before(again, [Mark(**state["mark"])], whole=True, published=False)
    assert packets >= state["packets"] == certain
    write(again, frames[checkpoint_at:], info, resume={**state, "written": str(written)})
    assert_changed(source, again)
    assert packets_of(again) == packets_of(whole)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ({"codec": "mpeg4", "options": {"g": "10"}}, "is mpeg4, expected H.264 or H.265"),
        ({"pix_fmt": "yuv444p"}, "is stored as yuv444p, expected 8 bit 4:2:0"),
        ({"options": H264 | {"flags": "+ildct+ilme", "x264-params": "tff=1"}}, "is interlaced"),
    ],
)
def test_what_cannot_lie_beside_encoded_pictures_is_refused(make_source, tmp_path, make, said):
    with pytest.raises(SinkError, match=f"{said}, which cannot lie beside what is encoded; use --encode all"):
        annotate(make_source(**make), tmp_path / "out.mp4")
    assert list(tmp_path.glob("*out*")) == []


def test_a_source_that_is_gone_is_refused(make_source, tmp_path):
    with open_source(make_source()) as opened:
        info = opened.info
    for path, said in ((None, "no video file that could be copied"), (str(tmp_path / "gone.mp4"), "cannot be read")):
        with pytest.raises(SinkError, match=said):
            VideoWriter(tmp_path / "out.mp4", replace(info, path=path), only_changed=True)


def painted(page):
    """The green of what the page's video shows now, (H, W), 0 to 255."""
    seen = page.evaluate(
        "(() => { const c = document.createElement('canvas'); c.width = video.videoWidth;"
        "c.height = video.videoHeight; const d = c.getContext('2d'); d.drawImage(video, 0, 0);"
        "const p = d.getImageData(0, 0, c.width, c.height).data;"
        "return Array.from({length: p.length / 4}, (_, i) => p[4 * i + 1]); })()"
    )
    return np.reshape(np.array(seen, float), SIZE[::-1])


def test_a_browser_plays_both_kinds(make_source, tmp_path, chromium):
    """Also where it jumps from one kind into the other."""
    source = make_source()
    annotate(source, tmp_path / "out.mp4")
    page = chromium.open()
    data = base64.b64encode((tmp_path / "out.mp4").read_bytes()).decode()
    page.evaluate(
        "window.video = document.createElement('video'); video.muted = true; document.body.append(video);"
        f"video.src = 'data:video/mp4;base64,{data}'; true"
    )
    page.wait("video.readyState >= 2 || video.error")
    assert page.evaluate("video.error && video.error.message") is None
    frames = decoded(tmp_path / "out.mp4")
    for number in (5, 14, 25, 51, 33, 79, 65):
        page.evaluate(
            f"window.shown = false; video.onseeked = () => shown = true; video.currentTime = {number / 25 + 0.02}"
        )
        page.wait("shown && video.readyState >= 2")
        luma = frames[number][1][: SIZE[1]].astype(float)
        green = np.clip((luma - 16) * 255 / 219, 0, 255)
        # On a busy machine a picture may be painted some time after the event that says so.
        deadline_s = time.monotonic() + 20
        while (difference := np.abs(painted(page) - green).mean()) >= 6 and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert difference < 6, number
    page.evaluate("video.currentTime = 0; video.playbackRate = 4; video.play()")
    page.wait("video.ended || video.error")
    assert page.evaluate("video.error && video.error.message") is None
