"""Video on standard output: what a player gets from the pipe, and what happens when nobody reads."""

import errno
import io
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.standard_output import StandardOutputWriter

BASE = Fraction(1, 25)


class Pipe(io.RawIOBase):
    """Takes a few bytes at a time, as a pipe does, and cannot be sought."""

    def __init__(self):
        self.taken = b""

    def writable(self):
        return True

    def write(self, data):
        part = bytes(data[:1000])
        self.taken += part
        return len(part)


@pytest.fixture
def pipe(monkeypatch):
    """Lets standard output be a pipe; pytest has its own one until the test itself starts."""

    def start():
        pipe = Pipe()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe)))
        return pipe

    return start


@pytest.fixture
def piped(tmp_path, pipe, copy_frames):
    """A clip's frames through a writer and a pipe into a file."""

    def file(source, writer, **part):
        read = pipe()
        copy_frames(source, writer, **part)
        writer.close()
        path = tmp_path / "piped.mkv"
        path.write_bytes(read.taken)
        return path

    return file


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_a_player_gets_times_and_audio_of_the_source(
    write_source, Track, info_of, read_video, read_audio, piped, codec
):
    source = write_source("in.mp4", [Track("aac"), Track("ac3", "deu")], 60, first=10)
    writer = StandardOutputWriter(info_of(source), EncodeOptions(codec=codec))
    written = piped(source, writer)
    assert read_video(written).times == pytest.approx([Fraction(number, 25) for number in range(10, 70)])
    assert [(audio.codec, audio.language, audio.data) for audio in read_audio(written)] == [
        (audio.codec, audio.language, audio.data) for audio in read_audio(source)
    ]


def test_a_part_has_its_audio_only(write_source, Track, info_of, read_audio, piped):
    source = write_source("in.mp4", [Track("aac")], 75)
    writer = StandardOutputWriter(info_of(source), start_s=1.0, end_s=2.0)
    [audio] = read_audio(piped(source, writer, start_s=1, end_s=2))
    assert 0.9 < audio.times[0] < 1.1
    assert 1.8 < audio.times[-1] < 2.1


def test_audio_can_be_dropped(write_source, Track, info_of, read_audio, piped):
    source = write_source("in.mp4", [Track("aac")], 10)
    writer = StandardOutputWriter(info_of(source), EncodeOptions(audio="drop"))
    assert read_audio(piped(source, writer)) == []


def test_a_live_picture_leaves_when_the_next_one_comes(pictures, pipe):
    read = pipe()
    writer = StandardOutputWriter(StreamInfo("rtsp://cam", 64, 48, BASE, Fraction(25), live=True))
    for number, image in enumerate(pictures(5)):
        writer.write(RgbPicture(image), number, BASE, 1)
        if number:
            with av.open(io.BytesIO(read.taken)) as container:
                assert len([packet for packet in container.demux(video=0) if packet.size]) == number
    writer.close()


def write_all(writer, images):
    for number, image in enumerate(images):
        writer.write(RgbPicture(image), number, BASE, 1)
    writer.close()


@pytest.mark.parametrize("count", [1, 80])  # the first bytes are refused at the end, or on the way
def test_a_reader_that_goes_away(pictures, monkeypatch, count):
    reader, end = os.pipe()
    os.close(reader)
    with os.fdopen(end, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        writer = StandardOutputWriter(StreamInfo("a", 64, 48, BASE, Fraction(25)))
        with pytest.raises(SinkError, match=r"^standard output: its reader has closed it$") as caught:
            write_all(writer, pictures(count))
        assert isinstance(caught.value.__cause__, BrokenPipeError)
        writer.close()


def test_a_full_disk_behind_it(pictures, monkeypatch):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        writer = StandardOutputWriter(StreamInfo("a", 64, 48, BASE, Fraction(25)))
        message = f"^standard output: cannot be written: {os.strerror(errno.ENOSPC)}$"
        with pytest.raises(SinkError, match=message):
            write_all(writer, pictures(80))
