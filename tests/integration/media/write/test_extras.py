"""What a file holds beside pictures and sound is kept where the output can hold it."""

from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.media.read.source import open_source
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.writer import VideoWriter

CHAPTERS = [(0, 1000, "one"), (1000, 2000, "two")]


def _film(path):
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": "My film", "creation_time": "2024-05-06T07:08:09.000000Z"})
        container.set_chapters(
            [
                {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for number, (start, end, title) in enumerate(CHAPTERS)
            ]
        )
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _copied(source_path, path, **part):
    with open_source(source_path, **part) as source, VideoWriter(path, source.info, **part) as writer:
        for frame in source:
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
    with av.open(str(path)) as written:
        unit_s = [chapter["time_base"] for chapter in written.chapters()]
        chapters = [
            (round(each["start"] * unit * 1000), round(each["end"] * unit * 1000), each["metadata"]["title"])
            for each, unit in zip(written.chapters(), unit_s, strict=True)
        ]
        tags = {key.lower(): value for key, value in written.metadata.items()}
        return tags, chapters


@pytest.mark.parametrize("source", ["in.mkv", "in.mp4"])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov"])
def test_tags_and_chapters_are_kept(tmp_path, source, name):
    tags, chapters = _copied(_film(tmp_path / source), tmp_path / name)
    assert tags["title"] == "My film"
    assert tags["creation_time"].startswith("2024-05-06T07:08:09")
    assert chapters == CHAPTERS


def test_chapters_outside_the_part_are_left_out(tmp_path):
    _, chapters = _copied(_film(tmp_path / "in.mkv"), tmp_path / "out.mkv", start_s=1.2)
    assert [title for _, _, title in chapters] == ["two"]


SUBTITLES = [(500, 500, "Hello"), (1200, 500, "World")]


def _film_with_subtitles(path):
    codec = "mov_text" if path.suffix in (".mp4", ".mov") else "subrip"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height = 64, 48
        subtitles = container.add_mux_stream(codec)
        subtitles.metadata["language"] = "fra"
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start, duration, text in SUBTITLES:
            packet = av.Packet((len(text).to_bytes(2, "big") if codec == "mov_text" else b"") + text.encode())
            packet.pts = packet.dts = start
            packet.duration, packet.time_base, packet.stream = duration, Fraction(1, 1000), subtitles
            container.mux(packet)
    return path


def _subtitles(path):
    """(start, duration, text) in ms of the only track; the language."""
    with av.open(str(path)) as container:
        [stream] = container.streams.subtitles
        found = []
        for packet in container.demux(stream):
            text = bytes(packet)[2:] if stream.codec_context.name == "mov_text" else bytes(packet)
            if packet.size and text:
                unit_ms = 1000 * packet.time_base
                found.append((round(packet.pts * unit_ms), round(packet.duration * unit_ms), text.decode()))
        return found, stream.language


@pytest.mark.parametrize(
    ("source", "name"), [("in.mkv", "out.mkv"), ("in.mp4", "out.mp4"), ("in.mp4", "out.mov"), ("in.mov", "out.mp4")]
)
@pytest.mark.parametrize("audio", ["copy", "drop"])
def test_subtitles_are_copied_where_the_container_holds_them(tmp_path, caplog, source, name, audio):
    path = _film_with_subtitles(tmp_path / source)
    assert _subtitles(path) == (SUBTITLES, "fra")
    with (
        open_source(path) as opened,
        VideoWriter(tmp_path / name, opened.info, EncodeOptions(audio=audio)) as writer,
    ):
        for frame in opened:
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
    assert _subtitles(tmp_path / name) == (SUBTITLES, "fra")
    assert caplog.messages == []


def test_subtitles_of_the_part_alone_are_copied(tmp_path):
    for ending in ("mkv", "mp4"):
        _copied(_film_with_subtitles(tmp_path / f"in.{ending}"), tmp_path / f"out.{ending}", start_s=1.1)
        assert _subtitles(tmp_path / f"out.{ending}") == (SUBTITLES[1:], "fra")


def test_subtitles_that_the_container_cannot_hold_are_named(tmp_path, caplog):
    _copied(_film_with_subtitles(tmp_path / "in.mkv"), tmp_path / "out.mp4")
    [said] = caplog.messages
    assert said.endswith("in.mkv, subtitle track 1 (subrip, fra): mp4 cannot hold it, left out; -o x.mkv keeps it")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.subtitles
