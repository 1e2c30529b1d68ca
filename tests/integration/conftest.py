"""Real clips, made by a real encoder, and detections that follow a square in them."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.flow import Stage
from streamdet.frames import Clip, RgbPicture, StreamInfo
from streamdet.media.write.writer import VideoWriter
from streamdet.result import Result

WIDTH, HEIGHT, TIME_BASE = 160, 120, Fraction(1, 12800)


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """A clip in which a white square walks to the right, four pixels a frame, 25 frames a second."""

    def make(name: str = "walk.mp4", frames: int = 20) -> Path:
        path = tmp_path / name
        with VideoWriter(path, StreamInfo(name, WIDTH, HEIGHT, TIME_BASE)) as video:
            for n in range(frames):
                image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
                image[40:80, 10 + 4 * n : 50 + 4 * n] = 220
                video.write(RgbPicture(image), 512 * n, TIME_BASE, 512)
        return path

    return make


@pytest.fixture
def find_square() -> Callable[[], Stage]:
    """In the place of detect: the box of what is bright."""

    def find(image: np.ndarray) -> Detections:
        rows, columns = np.nonzero(image[..., 1] > 130)
        if len(rows) == 0:
            return Detections.empty(("square",))
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return Detections.of([box], [0.9], [0], ("square",))

    def process(inbox):
        for item in inbox:
            if not isinstance(item, Clip):
                yield item
                continue
            yield from (Result(frame, find(frame.image)) for frames in item for frame in frames)

    return lambda: Stage("detect", process)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of that many KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kibibytes: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a tmpfs needs root")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)
