"""One video in parts: every frame once, at its own time, with the audio of the source, close to a run in one piece."""

import json
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamdet.cluster.split.job import in_processes


@pytest.fixture
def film(tmp_path):
    """Eight seconds with a tone."""
    path = tmp_path / "film.mp4"
    noise = np.random.default_rng(0).integers(60, 120, (96, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 96, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(200):
            image = noise.copy()
            image[30:60, number % 140 : number % 140 + 20] = 220
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            tone = (8000 * np.sin(np.arange(1920) / 10)).astype(np.int16)[None]
            samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            samples.sample_rate, samples.pts = 48000, number * 1920
            container.mux(sound.encode(samples))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return path


def _lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def _times(path):
    with av.open(str(path)) as container:
        return [Fraction(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def _audio(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_a_video_in_parts(streamdet, film, settings, tmp_path):
    job = ["run", film, *settings]
    assert streamdet(*job, "-o", "whole.mp4", "--detections", "whole.jsonl")[0] == 0
    split = ["-o", "parts.mp4", "--detections", "parts.jsonl", "--split", "4s", "--report", "report.json"]
    status, said = streamdet(*job, *split)
    assert status == 0, said
    assert _times("parts.mp4") == _times("whole.mp4") == _times(film)
    assert _audio("parts.mp4") == _audio(film)
    whole, parts = _lines("whole.jsonl"), _lines("parts.jsonl")
    assert [line | {"detections": []} for line in parts] == [line | {"detections": []} for line in whole]
    assert parts[:100] == whole[:100]  # before the first cut
    agreement = json.loads(Path("report.json").read_text())["split"]["agreement"]
    assert agreement["cuts"] == 1
    assert "cuts: 1; where the parts overlap, " in said
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--detections", "x.txt"], "expected -o x.mp4 or --detections x.jsonl"),
        (["--detections", "x.jsonl", "--max-frames", "9"], "not with --stride, --max-frames"),
        (["--detections", "x.jsonl", "--csv", "x.csv"], "the stage table needs the video in one piece"),
    ],
)
def test_what_needs_the_video_in_one_piece_is_refused(streamdet, film, settings, options, said):
    status, error = streamdet("run", film, *settings, "--no-video", "--split", "4s", *options)
    assert status == 2
    assert said in error


def test_what_is_at_work_ends_with_the_part_that_fails():
    with pytest.raises(TypeError):
        in_processes(time.sleep, [("a",), (3600,)])
