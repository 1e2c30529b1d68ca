"""A video that goes on where a killed run left it: the same packets as if nothing had happened."""

import json
import random
import shutil
from fractions import Fraction

import av
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.read.source import open_source
from streamdet.media.write.interrupted import written_before
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.part_file import Mark
from streamdet.media.write.writer import VideoWriter

EVERY = 20
WAYS = [(".mp4", "h264"), (".mov", "h264"), (".mkv", "h264"), (".mp4", "hevc"), (".mp4", "av1"), (".webm", "av1")]


def packets_of(path):
    with av.open(str(path)) as file:
        return [
            (p.stream.index, p.pts * p.time_base, p.dts and p.dts * p.time_base, p.duration, p.is_keyframe, bytes(p))
            for p in file.demux()
            if p.size
        ]


def growing(path):
    return path.with_name(f".{path.name}.part")


def write(source, path, codec, *, resume=None, keep=None):
    """Copy a source; a checkpoint every so often, with a copy of the growing file as a kill would leave it."""
    skip = 0 if resume is None else resume["frames"]
    states = []
    with (
        open_source(source, skip=skip) as frames,
        VideoWriter(path, frames.info, EncodeOptions(codec=codec), resume=resume) as writer,
    ):
        for number, frame in enumerate(frames, skip):
            if number % EVERY == 0 and number > skip:
                states.append(json.loads(json.dumps(writer.checkpoint())))
                if keep is not None:
                    shutil.copy(growing(path), keep / f"at{number}")
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
    return states


@pytest.mark.parametrize(("ending", "codec"), WAYS)
def test_it_is_what_it_would_have_been(write_source, tmp_path, Track, ending, codec):
    tracks = [] if ending == ".webm" else [Track("aac")]
    source = write_source("source.mp4", tracks, frames=70)
    whole, again = tmp_path / f"whole{ending}", tmp_path / f"again{ending}"
    states = write(source, whole, codec, keep=tmp_path)
    assert [state["packets"] for state in states] == [20, 40, 60]
    expected = packets_of(whole)
    for state, killed_at in ((states[0], "at40"), (states[1], "at60")):
        shutil.copy(tmp_path / killed_at, growing(again))
        written, packets = written_before(again, [Mark(**state["mark"])], whole=True, published=False)
        assert packets >= state["packets"]
        write(source, again, codec, resume={**state, "written": str(written)})
        assert packets_of(again) == expected
        again.unlink()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("seed", range(6))
def test_a_torn_file_gives_what_is_whole_of_it(write_source, tmp_path, ending, seed):
    source = write_source("source.mp4", frames=70)
    whole, again = tmp_path / f"whole{ending}", tmp_path / f"again{ending}"
    states = write(source, whole, "h264", keep=tmp_path)
    rng = random.Random(seed)
    torn = bytearray((tmp_path / "at60").read_bytes())
    length = rng.randrange(states[1]["mark"]["length"], len(torn))
    torn[length:] = b"" if seed % 2 else bytes(len(torn) - length)  # as file systems leave it: shorter, or zeros
    growing(again).write_bytes(torn)
    marks = [Mark(**state["mark"]) for state in states]
    written, packets = written_before(again, marks, whole=bool(seed % 2), published=False)
    usable = [state for state in states if state["packets"] <= packets]
    write(source, again, "h264", resume={**usable[-1], "written": str(written)})
    assert packets_of(again) == packets_of(whole)


def test_uneven_times_and_a_late_beginning_are_kept(tmp_path, pictures):
    whole, again = tmp_path / "whole.mp4", tmp_path / "again.mp4"
    times = [1000 + 40 * number + (number % 7) * (number % 3) for number in range(60)]
    images = list(pictures(60))
    info = StreamInfo("x", images[0].shape[1], images[0].shape[0], Fraction(1, 1000), Fraction(25))

    def add(path, first, resume=None):
        states = {}
        with VideoWriter(path, info, resume=resume) as writer:
            for number in range(first, 60):
                if number % EVERY == 0 and number > first:
                    states[number] = writer.checkpoint()
                    shutil.copy(growing(path), tmp_path / f"at{number}")
                writer.write(RgbPicture(images[number]), times[number], Fraction(1, 1000))
        return states

    states = add(whole, 0)
    shutil.copy(tmp_path / "at40", growing(again))
    add(again, 20, resume={**states[20], "written": str(growing(again))})
    assert packets_of(again) == packets_of(whole)


def test_what_is_gone_is_an_error_that_loses_nothing(write_source, tmp_path):
    source = write_source("source.mp4", frames=50)
    path = tmp_path / "a.mp4"
    states = write(source, path, "h264", keep=tmp_path)
    path.unlink()
    with open_source(source) as frames, pytest.raises(SinkError, match=r"a\.mp4: cannot be written: No such file"):
        VideoWriter(path, frames.info, resume={**states[0], "written": str(growing(path))})
    data = (tmp_path / "at20").read_bytes()
    growing(path).write_bytes(data)
    with open_source(source) as frames, pytest.raises(SinkError, match="of the 40 pictures of the run before"):
        VideoWriter(path, frames.info, resume={**states[1], "written": str(growing(path))})
    assert (tmp_path / ".a.mp4.resumed").read_bytes() == data
