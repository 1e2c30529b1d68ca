"""What a file holds beside pictures and sound is kept where the output can hold it."""

from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.media.read.source import open_source
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.hls import HlsWriter
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.segments import SegmentedWriter
from streamdet.media.write.subtitles import packed
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


def _copied(source_path, path, codec="h264", **part):
    options = EncodeOptions(codec=codec)
    with open_source(source_path, **part) as source, VideoWriter(path, source.info, options, **part) as writer:
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


def _film_with_subtitles(path, subtitles_ms=SUBTITLES, codec=None, frames=20):
    codec = codec or ("mov_text" if path.suffix in (".mp4", ".mov") else "subrip")
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height = 64, 48
        subtitles = container.add_mux_stream(codec)
        subtitles.metadata["language"] = "fra"
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start, duration, text in subtitles_ms:
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


@pytest.mark.parametrize(
    ("source", "name", "codec"),
    [("in.mkv", "out.mp4", "mov_text"), ("in.mp4", "out.mkv", "subrip"), ("in.mp4", "out.webm", "webvtt")],
)
def test_subtitles_are_wrapped_as_the_container_holds_them(tmp_path, caplog, source, name, codec):
    path = _film_with_subtitles(tmp_path / source)
    options = EncodeOptions(codec="av1" if name.endswith("webm") else "h264")
    with open_source(path) as opened, VideoWriter(tmp_path / name, opened.info, options) as writer:
        for frame in opened:
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
    assert _subtitles(tmp_path / name) == (SUBTITLES, "fra")
    with av.open(str(tmp_path / name)) as written:
        assert written.streams.subtitles[0].codec_context.codec.canonical_name == codec
    assert caplog.messages == []


def test_styled_subtitles_keep_their_words():
    styled = b"3,0,Default,,0,0,0,,{\\i1}Hello{\\i0}, you\\Nthere"
    assert packed(styled, "ass", "subrip") == b"Hello, you\nthere"
    assert packed(styled, "ass", "mov_text") == b"\0\x10Hello, you\nthere"
    assert packed(b"\0\2hi\0\0\0\x0cstyl", "mov_text", "webvtt") == b"hi"


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_subtitles_are_in_the_segments(tmp_path, caplog, ending):
    path = _film_with_subtitles(tmp_path / "in.mp4")
    with open_source(path) as opened:
        writer = SegmentedWriter(tmp_path / f"out.{ending}", opened.info, 1, Delivery("out"))
        for frame in opened:
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
        writer.close()
    found = [_subtitles(tmp_path / f"out.00h00m0{second}s.{ending}") for second in (0, 1)]
    assert found == [([(500, 500, "Hello")], "fra"), ([(200, 500, "World")], "fra")]
    assert caplog.messages == []


def test_a_subtitle_over_a_cut_is_in_both_segments(tmp_path):
    path = tmp_path / "in.mp4"
    _film_with_subtitles(path, [(800, 700, "Hello")])
    with open_source(path) as opened:
        writer = SegmentedWriter(tmp_path / "out.mp4", opened.info, 1, Delivery("out"))
        for frame in opened:
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
        writer.close()
    found = [_subtitles(tmp_path / f"out.00h00m0{second}s.mp4")[0] for second in (0, 1)]
    assert found == [[(800, 200, "Hello")], [(0, 500, "Hello")]]


def test_segments_can_be_played_before_their_first_subtitle(tmp_path):
    _film_with_subtitles(tmp_path / "in.mp4", [(9000, 50, "late")], frames=100)
    with open_source(tmp_path / "in.mp4") as opened:
        writer = SegmentedWriter(tmp_path / "out.mp4", opened.info, 60, Delivery("out"))
        for number, frame in enumerate(opened):
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
            if number == 80:  # an encoder holds some back
                with av.open(str(tmp_path / "out.00h00m00s.mp4")) as growing:
                    assert len([packet for packet in growing.demux(video=0) if packet.size]) >= 20
        writer.close()
    assert _subtitles(tmp_path / "out.00h00m00s.mp4")[0] == [(9000, 50, "late")]


def test_subtitles_that_the_container_cannot_hold_are_named(tmp_path, caplog):
    path = _film_with_subtitles(tmp_path / "in.mkv", codec="dvd_subtitle")
    _copied(path, tmp_path / "out.webm", codec="av1")
    [said] = caplog.messages
    assert said.endswith(
        "in.mkv, subtitle track 1 (dvd_subtitle, fra): webm cannot hold it, left out; -o x.mkv keeps it"
    )
    with av.open(str(tmp_path / "out.webm")) as container:
        assert not container.streams.subtitles


def test_a_playlist_says_what_it_does_not_keep(tmp_path, caplog):
    path = _film_with_subtitles(_film(tmp_path / "in.mkv"))
    _film(tmp_path / "chapters.mp4")
    for source in (path, tmp_path / "chapters.mp4"):
        with open_source(source) as opened:
            writer = HlsWriter(tmp_path / "out.m3u8", opened.info, Delivery("out"))
            for frame in opened:
                writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
            writer.close()
    playlist = tmp_path / "out.m3u8"
    assert caplog.messages == [
        f"{path}: not copied to {playlist}: 1 subtitle track",
        f"{tmp_path / 'chapters.mp4'}: not copied to {playlist}: title and creation_time and 2 chapters",
    ]


def test_a_timecode_is_named_where_chapters_are_kept(tmp_path, caplog):
    with av.open(str(_film(tmp_path / "in.mov"))) as plain, av.open(str(tmp_path / "tc.mov"), "w") as container:
        container.set_chapters(plain.chapters())
        video = container.add_stream_from_template(plain.streams.video[0])
        video.metadata["timecode"] = "01:00:00:00"
        for packet in plain.demux(plain.streams.video[0]):
            if packet.size:
                packet.stream = video
                container.mux(packet)
    _, chapters = _copied(tmp_path / "tc.mov", tmp_path / "out.mov")
    assert chapters == CHAPTERS
    assert caplog.messages == [f"{tmp_path / 'tc.mov'}: not copied to the output: 1 timecode track"]
