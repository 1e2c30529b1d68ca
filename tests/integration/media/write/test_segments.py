"""Segments: cut where the clock or the source says, complete together, playable whatever happens."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.segments import SegmentedWriter, file_segments

BASE = Fraction(1, 25)
NOON_S = 1_795_348_800  # 2026-11-22T12:00:00Z
LIVE = StreamInfo("rtsp://cam", 160, 96, BASE, Fraction(25), live=True)


@pytest.fixture
def delivery():
    return Delivery("out.mp4")


def write_live(writer, clock, start_s, frames, picture):
    """25 frames a second of the clock, from a camera whose own time begins at 7 s."""
    for number in range(frames):
        clock.now_s = start_s + number / 25
        writer.write(RgbPicture(picture), 7 * 25 + number, BASE)


@pytest.fixture
def clock():
    class Clock:
        now_s = 0.0

        def __call__(self):
            return self.now_s

    return Clock()


def test_a_file_is_cut_at_multiples_of_its_time(
    tmp_path, write_source, Track, info_of, copy_frames, read_video, read_audio, delivery
):
    source = write_source("in.mp4", [Track("aac")], 100)
    (tmp_path / "out.00h01m00s.mp4").write_text("of a longer run before")
    (tmp_path / "out.xxhxxmxxs.mp4").write_text("somebody else's")
    writer = SegmentedWriter(tmp_path / "out.mp4", info_of(source), 2, delivery)
    copy_frames(source, writer)
    writer.close()
    files = file_segments(tmp_path / "out.mp4")
    assert [file.name for file in files] == ["out.00h00m00s.mp4", "out.00h00m02s.mp4"]
    assert [len(read_video(file).times) for file in files] == [50, 50]
    whole = read_audio(source)[0]
    heard = [(time + 2 * number, data) for number, file in enumerate(files)
             for time, data in zip(read_audio(file)[0].times, read_audio(file)[0].data, strict=True)]  # fmt: skip
    assert {data for _, data in heard} == set(whole.data)
    for time, data in heard:  # what is heard at the cut is in both
        assert min(abs(time - at) for at, its in zip(whole.times, whole.data, strict=True) if its == data) < 0.001
    for file in files:
        video = read_video(file)
        assert video.times == [Fraction(number, 25) for number in range(50)]
        assert video.duration == 2
    assert (delivery.sent, delivery.failures) == (2, 0)


def test_a_source_that_does_not_begin_at_0_is_named_from_its_beginning(
    tmp_path, write_source, info_of, copy_frames, read_video, delivery
):
    source = write_source("in.ts", frames=75, first=1000)
    writer = SegmentedWriter(tmp_path / "out.mkv", info_of(source), 2, delivery)
    copy_frames(source, writer)
    writer.close()
    first, second = sorted(tmp_path.glob("out.*"))
    assert [first.name, second.name] == ["out.00h00m00s.mkv", "out.00h00m02s.mkv"]
    assert (len(read_video(first).times), len(read_video(second).times)) == (50, 25)
    assert read_video(second).times[0] == 0


def test_a_live_stream_is_cut_by_the_clock(tmp_path, pictures, read_video, delivery, clock):
    writer = SegmentedWriter(tmp_path / "cam.mp4", LIVE, 2, delivery, clock=clock)
    write_live(writer, clock, NOON_S + 0.52, 87, pictures(1)[0])  # to 4 s
    writer.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"cam.20261122T12000{second}Z.mp4" for second in (0, 2)]
    assert [time for file in files for time in read_video(file).times] == [
        *(Fraction(number, 25) for number in range(13, 50)),  # 0.52 s after what the name says
        *(Fraction(number, 25) for number in range(50)),
    ]


def test_a_live_file_is_never_replaced(tmp_path, pictures, read_video, delivery, clock):
    for _ in range(2):
        writer = SegmentedWriter(tmp_path / "cam.mp4", LIVE, 60, delivery, clock=clock)
        write_live(writer, clock, NOON_S, 25, pictures(1)[0])
        writer.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "cam.20261122T120000Z-2.mp4",
        "cam.20261122T120000Z.mp4",
    ]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_kill_leaves_every_segment_playable(tmp_path, read_video, ending):
    code = f"""
import os, numpy as np
from fractions import Fraction
from pathlib import Path
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.segments import SegmentedWriter
info = StreamInfo("a", 160, 96, Fraction(1, 25), Fraction(25))
writer = SegmentedWriter(Path({str(tmp_path)!r}, "out.{ending}"), info, 4, Delivery("out"),
    EncodeOptions(preset="ultrafast"))
random = np.random.default_rng(0)
for number in range(190):
    writer.write(RgbPicture(random.integers(0, 255, (96, 160, 3), np.uint8)), number, Fraction(1, 25))
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    first, second = sorted(tmp_path.iterdir())
    assert [first.name, second.name] == [f"out.00h00m00s.{ending}", f"out.00h00m04s.{ending}"]
    assert len(read_video(first).times) == 100
    assert 20 < len(read_video(second).times) < 90


@pytest.mark.parametrize("live", [True, False])
def test_a_failing_segment(tmp_path, pictures, delivery, clock, live):
    """A camera's next segment is tried anew; a file's failure is final."""
    folder = tmp_path / "out"
    info = LIVE if live else StreamInfo("a.mp4", 160, 96, BASE)
    writer = SegmentedWriter(folder / "cam.mp4", info, 1, delivery, clock=clock)
    picture = pictures(1)[0]
    if not live:
        with pytest.raises(SinkError, match="there is no folder"):
            writer.write(RgbPicture(picture), 0, BASE)
        return
    write_live(writer, clock, NOON_S, 25, picture)
    folder.mkdir()
    write_live(writer, clock, NOON_S + 1, 25, picture)
    writer.close()
    assert [file.name for file in folder.iterdir()] == ["cam.20261122T120001Z.mp4"]
    assert (delivery.sent, delivery.failures, delivery.failing) == (1, 1, None)
    assert delivery.dropped == {"failed": 25}


def test_frames_of_a_segment_that_grows_can_be_read(tmp_path, pictures, read_video, delivery, clock):
    writer = SegmentedWriter(tmp_path / "cam.mp4", LIVE, 60, delivery, EncodeOptions(preset="ultrafast"), clock=clock)
    random = np.random.default_rng(0)
    for number in range(150):
        clock.now_s = NOON_S + number / 25
        writer.write(RgbPicture(random.integers(0, 255, (96, 160, 3), np.uint8)), number, BASE)
    (file,) = tmp_path.iterdir()
    assert len(read_video(file).times) > 50
    writer.close()
    assert len(read_video(file).times) == 150
