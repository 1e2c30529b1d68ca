"""HLS: whole at every moment, bounded for a camera, with sound and the right times for a file."""

import re
import subprocess
import sys
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.hls import HlsWriter

BASE = Fraction(1, 25)
LIVE = StreamInfo("rtsp://cam", 160, 96, BASE, Fraction(25), live=True)


@pytest.fixture
def delivery():
    return Delivery("cam.m3u8")


def listed(playlist):
    """The segments that a playlist names, as a player reads it."""
    return [line for line in playlist.read_text().splitlines() if line and not line.startswith("#")]


def play(path):
    """Times of all frames that decode."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def test_a_file_is_there_from_beginning_to_end(
    tmp_path, write_source, Track, info_of, copy_frames, read_audio, delivery
):
    source = write_source("in.mp4", [Track("aac"), Track("ac3")], 130)
    folder = tmp_path / "100 % live"
    folder.mkdir()
    writer = HlsWriter(folder / "cam.m3u8", info_of(source), delivery)
    copy_frames(source, writer)
    writer.close()
    playlist = folder / "cam.m3u8"
    assert listed(playlist) == ["cam-0.ts", "cam-1.ts", "cam-2.ts"]
    text = playlist.read_text()
    assert [float(length) for length in re.findall(r"EXTINF:([\d.]+)", text)] == pytest.approx([2, 2, 1.2])
    assert text.rstrip().endswith("#EXT-X-ENDLIST")
    times = play(playlist)
    assert [float(time - times[0]) for time in times] == pytest.approx([number / 25 for number in range(130)], abs=1e-4)
    for name in listed(playlist):
        assert len(play(folder / name)) in (50, 30)  # each begins with a keyframe and is whole by itself
    with av.open(str(playlist)) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"]
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    seconds = sum((Fraction(packet.duration * packet.time_base) for packet in packets), Fraction(0))
    assert float(seconds) == pytest.approx(5.2, abs=0.05)
    assert (delivery.sent, delivery.failures) == (130, 0)


def test_a_camera_keeps_a_window(tmp_path, pictures, delivery):
    (tmp_path / "cam-7.ts").write_text("of a run before")
    (tmp_path / "cam-notes.ts").write_text("somebody else's")
    writer = HlsWriter(tmp_path / "cam.m3u8", LIVE, delivery, window_s=6)
    picture = pictures(1)[0]
    for number in range(40 * 25):
        writer.write(RgbPicture(picture), number, BASE)
    names = listed(tmp_path / "cam.m3u8")
    assert len(names) == 6
    there = {file.name for file in tmp_path.iterdir()} - {"cam-notes.ts"}
    assert set(names) < there
    assert "cam-7.ts" not in there
    assert len(there) < 20  # 40 were written
    assert "ENDLIST" not in (tmp_path / "cam.m3u8").read_text()
    writer.close()
    assert "ENDLIST" in (tmp_path / "cam.m3u8").read_text()
    assert (tmp_path / "cam-notes.ts").exists()


def test_segments_are_a_second_at_any_frame_rate(tmp_path, pictures, delivery):
    """A camera of 25 frames a second of which the detector takes 3."""
    writer = HlsWriter(tmp_path / "cam.m3u8", LIVE, delivery)
    picture = pictures(1)[0]
    for number in range(30):
        writer.write(RgbPicture(picture), 8 * number, BASE)
    lengths = [float(length) for length in re.findall(r"EXTINF:([\d.]+)", (tmp_path / "cam.m3u8").read_text())]
    assert len(lengths) == 7
    assert max(lengths) <= 1.3
    writer.close()


def test_it_is_whole_at_every_moment(tmp_path, delivery):
    """A viewer who looks all the time never meets a playlist or a segment that is not whole."""
    playlist, seen, problems, over = tmp_path / "cam.m3u8", set(), [], threading.Event()

    def look():
        while not over.wait(0.002):
            if not playlist.exists():
                continue
            for name in listed(playlist):
                segment = tmp_path / name
                if not segment.exists():
                    problems.append(f"{name} is not there")
                elif name not in seen:
                    seen.add(name)
                    problems.extend([f"{name} is torn"] if len(play(segment)) != 25 else [])

    viewer = threading.Thread(target=look)
    viewer.start()
    try:
        writer = HlsWriter(playlist, LIVE, delivery, window_s=10)
        random = np.random.default_rng(0)
        for number in range(20 * 25 + 1):
            writer.write(RgbPicture(random.integers(0, 255, (96, 160, 3), np.uint8)), number, BASE)
        over.wait(0.1)
    finally:
        over.set()
        viewer.join()
    writer.close()
    assert problems == []
    assert len(seen) >= 10


def test_a_kill_leaves_what_was_complete(tmp_path):
    code = f"""
import os, numpy as np
from fractions import Fraction
from pathlib import Path
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.hls import HlsWriter
info = StreamInfo("a", 160, 96, Fraction(1, 25), Fraction(25), live=True)
writer = HlsWriter(Path({str(tmp_path)!r}, "cam.m3u8"), info, Delivery("out"))
random = np.random.default_rng(0)
for number in range(190):
    writer.write(RgbPicture(random.integers(0, 255, (96, 160, 3), np.uint8)), number, Fraction(1, 25))
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    names = listed(tmp_path / "cam.m3u8")
    assert len(names) == 7
    assert [len(play(tmp_path / name)) for name in names] == [25] * 7


def test_the_next_run_goes_on_with_greater_numbers(tmp_path, pictures, delivery):
    numbers = []
    for _ in range(2):
        writer = HlsWriter(tmp_path / "cam.m3u8", LIVE, delivery)
        for number in range(60):
            writer.write(RgbPicture(pictures(1)[0]), number, BASE)
        numbers.append([int(re.findall(r"\d+", name)[0]) for name in listed(tmp_path / "cam.m3u8")])
        writer.close()
        time.sleep(1.1)  # numbers count seconds of the clock
    assert numbers[1] > numbers[0]


@pytest.mark.parametrize("live", [True, False])
def test_a_failing_playlist(tmp_path, pictures, delivery, live):
    folder, now_s = tmp_path / "out", [100.0]
    info = LIVE if live else StreamInfo("a.mp4", 160, 96, BASE)
    writer = HlsWriter(folder / "cam.m3u8", info, delivery, clock=lambda: now_s[0])
    picture = pictures(1)[0]
    if not live:
        with pytest.raises(SinkError, match="there is no folder"):
            writer.write(RgbPicture(picture), 0, BASE)
        return
    writer.write(RgbPicture(picture), 0, BASE)
    folder.mkdir()
    writer.write(RgbPicture(picture), 1, BASE)  # too soon
    now_s[0] += 6
    for number in range(2, 80):
        writer.write(RgbPicture(picture), number, BASE)
    writer.close()
    assert (delivery.sent, delivery.failures, delivery.failing) == (78, 1, None)
    assert delivery.dropped == {"failed": 2}
    assert len(play(folder / "cam.m3u8")) == 78
