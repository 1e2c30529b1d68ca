"""The command line as a user has it: real clips, a real (small, untrained) model, exit status and messages."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tiny_detector import save_tiny_detector

from streamdet.cli import main

REPOSITORY = Path(__file__).parents[2]
WIDTH, HEIGHT, FPS, AUDIO_RATE = 160, 96, 25, 48000


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Video:
    """What is in a video file: (pts in seconds) of every frame that decodes, and the audio's packets."""

    times_s: list[Fraction]
    size: tuple[int, int]
    audio: list[bytes]


def write_clip(path: Path, frames: int = 30, *, video: bool = True, audio: bool = True, **options: str) -> Path:
    """A box that walks to the right before noise, with a tone."""
    noise = np.random.default_rng(0).integers(60, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    tone = (8000 * np.sin(np.arange(AUDIO_RATE // FPS) / 10)).astype(np.int16)[None]
    with av.open(str(path), "w", options=options) as container:
        if video:
            pictures = container.add_stream("libx264", rate=FPS)
            pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if audio:
            sound = container.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        for number in range(frames):
            if video:
                image = np.roll(noise, number, axis=0)
                image[30:60, number % WIDTH : number % WIDTH + 20] = 220
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            if audio:
                samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                samples.sample_rate, samples.pts = AUDIO_RATE, number * tone.shape[1]
                container.mux(sound.encode(samples))
        if video:
            container.mux(pictures.encode(None))
        if audio:
            container.mux(sound.encode(None))
    return path


def read_video(path: Path) -> Video:
    """Decode all of a file; any damage raises."""
    with av.open(str(path)) as container:
        frames = [
            (Fraction(frame.pts * frame.time_base), (frame.width, frame.height)) for frame in container.decode(video=0)
        ]
    with av.open(str(path)) as container:
        tracks = container.streams.audio
        audio = [bytes(packet) for packet in container.demux(tracks) if packet.size] if tracks else []
    return Video([time_s for time_s, _ in frames], frames[0][1], audio)


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """A background job's SIGINT is ignored, and stays so in what it starts: not here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained detector of people and cars: scores near 0.01 everywhere."""
    return save_tiny_detector(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clips, whole and broken; not to be written to."""
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "walk.mp4")
    write_clip(folder / "long.mp4", 3000, audio=False)
    write_clip(folder / "fast.mp4", 100, movflags="faststart")
    write_clip(folder / "audio-only.mp4", video=False)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    for whole, cut in (("walk", "cut-before-index"), ("fast", "cut")):
        content = (folder / f"{whole}.mp4").read_bytes()
        (folder / f"{cut}.mp4").write_bytes(content[: len(content) // 2])
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def streamdet(here: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process: what a fresh one would do, without loading torch again."""

    def run(*arguments: str | Path) -> Done:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Done(status, *capfd.readouterr())

    return run


@pytest.fixture
def start(here: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command as a process of its own; what still runs at the test's end is killed.

    `program` is what Python runs in place of `-m streamdet`.
    """
    started: list[subprocess.Popen[str]] = []

    def run(
        *arguments: str | Path, program: tuple[str, str] = ("-m", "streamdet"), **options: Any
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(name="read_video")
def read_video_fixture() -> Callable[[Path], Video]:
    return read_video


@pytest.fixture(name="write_clip")
def write_clip_fixture() -> Callable[..., Path]:
    return write_clip
