"""What a file holds beside pictures and sound is kept where the output can hold it."""

from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.media.read.source import open_source
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
