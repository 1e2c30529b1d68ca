"""Whatever happens while a video is written: a clear error, and a playable file with what could be written."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.writer import VideoWriter

RATE = Fraction(1, 25)
ENDINGS = [".mp4", ".mov", ".mkv"]


def info(**changes):
    return StreamInfo("cam", 64, 48, RATE, Fraction(25), **changes)


def write_all(writer, images, first=0):
    for number, image in enumerate(images, start=first):
        writer.write(RgbPicture(image), number, RATE, 1)


def fill(path, images, source_info):
    """Write until it fails, then close: the error's text and the number of frames accepted."""
    writer = VideoWriter(path, source_info)
    said = []
    try:
        write_all(writer, images)
    except SinkError as error:
        said.append(str(error))
    try:
        writer.close()
    except SinkError as error:
        said.append(str(error))
    return said, writer.frames


@contextmanager
def file_size_limit(size):
    """Let no file of this process grow beyond that: a write fails with EFBIG, as a full disk does with ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def assert_plays_a_beginning(path, read_video, frames):
    """All that is in it is whole: nearly ascending times of the first frames (B-frames may be cut off between)."""
    times = read_video(path).times
    assert 0 < len(times) <= frames
    assert set(times) <= {number * RATE for number in range(frames)}
    assert times[: len(times) - 5] == [number * RATE for number in range(len(times) - 5)]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kibibytes", [96, 140, 180])
def test_full_disk(small_disk, noise_pictures, read_video, read_audio, write_source, Track, ending, kibibytes):
    source = write_source("in.mp4", [Track("aac"), Track("aac", "deu")], frames=90)
    path = small_disk(kibibytes) / f"out{ending}"

    said, frames = fill(path, noise_pictures(90), info(path=str(source)))

    assert said == [f"{path}: cannot be written: No space left on device"]
    assert_plays_a_beginning(path, read_video, frames)
    for track, original in zip(read_audio(path), read_audio(source), strict=True):
        assert track.data == original.data[: len(track.data)]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_no_room_for_the_index_first_keeps_the_fragments(small_disk, noise_pictures, read_video, caplog):
    path = small_disk(220) / "out.mp4"
    said, _ = fill(path, noise_pictures(90), info())
    assert said == []
    assert read_video(path).times == [number * RATE for number in range(90)]
    assert b"moof" in path.read_bytes()
    assert "stays fragmented" in caplog.text
    assert "No space left" in caplog.text
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_without_room_for_anything_leaves_nothing(small_disk, noise_pictures, ending):
    folder = small_disk(8)
    filler = folder / "filler"
    filler.write_bytes(bytes(8192))
    said, _ = fill(folder / f"out{ending}", noise_pictures(90), info())
    filler.unlink()
    assert "No space left" in said[0]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("limit", [40_000, 80_000, 120_000])
def test_file_that_may_not_grow(tmp_path, noise_pictures, read_video, ending, limit):
    path = tmp_path / f"out{ending}"
    with file_size_limit(limit):
        said, frames = fill(path, noise_pictures(90), info())
    assert said == [f"{path}: cannot be written: File too large"]
    assert_plays_a_beginning(path, read_video, frames)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failed_writer_says_so_again_and_again(tmp_path, noise_pictures):
    (image,) = noise_pictures(1)
    with file_size_limit(20_000):
        writer = VideoWriter(tmp_path / "out.mp4", info())
        with pytest.raises(SinkError, match="too large"):
            write_all(writer, noise_pictures(90))
        with pytest.raises(SinkError, match="too large"):
            writer.write(RgbPicture(image), 1000, RATE)
        writer.close()


def test_a_failure_at_closing_is_raised(tmp_path, noise_pictures):
    with file_size_limit(20_000):
        writer = VideoWriter(tmp_path / "out.mp4", info())
        write_all(writer, noise_pictures(20))  # all of them still in the encoder
        with pytest.raises(SinkError, match="too large"):
            writer.close()
        writer.close()


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("frames", [60, 90])
def test_killed_in_the_middle_leaves_a_part_that_plays(
    tmp_path, read_video, read_audio, write_source, Track, ending, frames
):
    source = write_source("in.mp4", [Track("aac")], frames=120)
    script = """
        import sys, time
        from fractions import Fraction
        import numpy as np
        from streamdet.frames import RgbPicture, StreamInfo
        from streamdet.media.write.writer import VideoWriter
        path, source, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
        noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        writer = VideoWriter(path, StreamInfo("cam", 64, 48, Fraction(1, 25), Fraction(25), path=source))
        for number in range(frames):
            writer.write(RgbPicture(np.roll(noise, number, 1)), number, Fraction(1, 25), 1)
        print("written", flush=True)
        time.sleep(600)
    """
    path = tmp_path / "run" / f"out{ending}"
    path.parent.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(script), str(path), str(source), str(frames)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]) as process:
        try:
            assert process.stdout.readline() == b"written\n"
        finally:
            process.kill()

    (part,) = path.parent.iterdir()
    assert part.name == f".out{ending}.part"
    assert_plays_a_beginning(part, read_video, frames)
    assert len(read_video(part).times) > frames - 45  # what x264 looks ahead, and less than a second
    (track,) = read_audio(part)
    assert track.data == read_audio(source)[0].data[: len(track.data)]


def test_a_part_left_by_a_killed_run_is_in_nobodys_way(tmp_path, pictures, read_video):
    (tmp_path / ".out.mp4.part").write_bytes(b"left over" * 100_000)
    with VideoWriter(tmp_path / "out.mp4", info()) as writer:
        write_all(writer, pictures(5))
    assert len(read_video(tmp_path / "out.mp4").times) == 5
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_the_block_leaves_a_complete_file(tmp_path, pictures, read_video, ending, error):
    with suppress(error), VideoWriter(tmp_path / f"out{ending}", info()) as writer:
        write_all(writer, pictures(10))
        raise error
    assert read_video(tmp_path / f"out{ending}").times == [number * RATE for number in range(10)]


def test_folder_removed_meanwhile(tmp_path, pictures):
    folder = tmp_path / "folder"
    folder.mkdir()
    writer = VideoWriter(folder / "out.mp4", info())
    write_all(writer, pictures(60))
    shutil.rmtree(folder)
    with pytest.raises(SinkError, match=r"folder/out\.mp4: cannot be written: No such file or directory"):
        writer.close()


def test_a_folder_that_took_the_name_meanwhile(tmp_path, pictures, read_video):
    path = tmp_path / "out.mp4"
    writer = VideoWriter(path, info())
    write_all(writer, pictures(10))
    path.mkdir()
    with pytest.raises(SinkError, match=r"out\.mp4: cannot be written: Is a directory"):
        writer.close()
    assert len(read_video(tmp_path / ".out.mp4.part").times) == 10


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path, pictures, read_video):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    with VideoWriter(path, info()) as writer:
        write_all(writer, pictures(60))
        assert path.read_bytes() == b"old"
    assert len(read_video(path).times) == 60


def test_many_writers_leave_no_open_file(tmp_path, pictures, write_source, Track):
    source = write_source("in.mp4", [Track("aac"), Track("aac")])

    def open_files():
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    for number in range(5):
        with VideoWriter(tmp_path / f"{number}.mp4", info(path=str(source))) as writer:
            write_all(writer, pictures(10))
    assert open_files() <= before


def test_a_name_that_looks_like_a_protocol(tmp_path, pictures, monkeypatch, read_video):
    monkeypatch.chdir(tmp_path)
    with VideoWriter("http:%2d é 视频.mp4", info()) as writer:
        write_all(writer, pictures(5))
    with av.open(str(tmp_path / "http:%2d é 视频.mp4")) as container:
        assert len(list(container.decode(video=0))) == 5
