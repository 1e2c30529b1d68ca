"""--show on a real X server: what the window shows, and what happens without a display."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from waiting import wait_until

from streamdet.cli.window import Windows, check_display
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.frames import Frame, RgbPicture, StreamEnded
from streamdet.result import Result

pytest.importorskip("tkinter")


@dataclass(frozen=True)
class Display:
    """A virtual screen: its X server, and the folder that holds its contents as an XWD file."""

    process: subprocess.Popen[bytes]
    folder: Path


@pytest.fixture
def display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    if shutil.which("Xvfb") is None:
        if os.environ.get("STREAMDET_REQUIRE_SERVERS"):
            pytest.fail("Xvfb is not installed")
        pytest.skip("needs Xvfb (Debian: apt install xvfb)")
    read, write = os.pipe()
    words = ["Xvfb", "-displayfd", str(write), "-screen", "0", "400x300x24", "-fbdir", str(tmp_path)]
    process = subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as numbers:
        monkeypatch.setenv("DISPLAY", f":{numbers.readline().strip()}")
    yield Display(process, tmp_path)
    process.kill()
    process.wait()


def result(colour: tuple[int, int, int], source: str = "a", width: int = 64, height: int = 48) -> Result:
    picture = RgbPicture(np.full((height, width, 3), colour, np.uint8))
    return Result(Frame(source, 0, 0, 0, Fraction(1, 25), picture), Detections.empty(("person",)))


def pixels_on(display: Display, colour: tuple[int, int, int]) -> int:
    """How many pixels of a screen have a colour; 32 bits a pixel, BGRX."""
    data = (display.folder / "Xvfb_screen0").read_bytes()
    screen = np.frombuffer(data[-400 * 300 * 4 :], np.uint8).reshape(-1, 4)
    return int((screen[:, :3] == colour[::-1]).all(axis=1).sum())


def test_each_result_is_shown(display):
    windows = Windows()
    windows(result((200, 30, 10)))
    wait_until(lambda: pixels_on(display, (200, 30, 10)) == 64 * 48)
    windows(result((10, 30, 200)))
    wait_until(lambda: pixels_on(display, (10, 30, 200)) == 64 * 48)
    windows(StreamEnded("a", 2))
    assert pixels_on(display, (10, 30, 200)) == 0
    windows(result((10, 200, 30)))  # a window that is closed stays closed
    windows.close()
    assert pixels_on(display, (10, 200, 30)) == 0


def test_a_large_picture_is_made_smaller(display, monkeypatch):
    monkeypatch.setattr("streamdet.cli.window._MAX_SIZE", (100, 100))
    windows = Windows()
    windows(result((200, 30, 10), width=640, height=480))
    wait_until(lambda: pixels_on(display, (200, 30, 10)) == 100 * 75)
    windows.close()


def test_a_display_that_goes_away_ends_no_job(display):
    windows = Windows()
    windows(result((200, 30, 10)))
    wait_until(lambda: pixels_on(display, (200, 30, 10)) > 0)
    display.process.kill()
    display.process.wait()
    for _ in range(100):
        windows(result((10, 30, 200)))
    windows.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_the_error_says_what_to_do(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ConfigError, match=r"--show needs a display.*-o live\.m3u8"):
        check_display()
