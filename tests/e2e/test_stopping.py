"""Ctrl-C, SIGTERM and readers that go away, in processes of their own."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import wait_until

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")


@pytest.mark.parametrize(
    ("numbers", "status"), [([signal.SIGINT], 130), ([signal.SIGTERM], 143), ([signal.SIGINT] * 2, 130)]
)
def test_a_signal_leaves_whole_files(start, clips, tiny_model, here, read_video, numbers, status):
    process = start(
        *("run", clips / "long.mp4", "--model", tiny_model, "--preset", "ultrafast"),
        *("--detections", "found.jsonl", "--report", "report.json"),
    )
    found = here / "found.jsonl"
    wait_until(lambda: found.exists() and found.stat().st_size > 5000)
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.01)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == status, stderr
    assert "stopped before the end" in stderr
    assert "Traceback" not in stderr
    left = sorted(path.name for path in here.iterdir())
    assert left == [".long.annotated.mp4.journal", "found.jsonl", "long.annotated.mp4", "report.json"]
    first, *frames, last = [json.loads(line) for line in found.read_text().splitlines()]
    written = len(read_video(here / "long.annotated.mp4").times_s)
    assert 10 < len(frames) < 3000
    assert (first["type"], last["type"], last["frames"], last["error"]) == ("run", "end", len(frames), "interrupted")
    if len(numbers) == 1:  # all that was in flight came through every stage
        assert written == len(frames)
    report = json.loads((here / "report.json").read_text())
    assert (report["exit_status"], report["sources"][0]["ended"]) == (status, False)


def test_a_reader_that_goes_away_ends_it_quietly(start, clips, tiny_model, here):
    process = start("run", clips / "long.mp4", "--model", tiny_model, "--no-video", "--detections", "-")
    assert json.loads(process.stdout.readline())["type"] == "run"
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(timeout=120) == 1
    assert "error" not in stderr
    assert "Traceback" not in stderr
    assert int(re.search(r"^(\d+) frames in ", stderr, re.MULTILINE)[1]) < 3000


def test_a_player_that_is_closed_ends_it_quietly(start, clips, tiny_model, here):
    process = start("run", clips / "long.mp4", "--model", tiny_model, "-o", "-", "--progress", text=False)
    assert process.stdout.read(4) == b"\x1aE\xdf\xa3"  # Matroska
    process.stdout.close()
    stderr = process.stderr.read().decode()
    assert process.wait(timeout=120) == 1
    assert "standard output: its reader has closed it" in stderr
    assert "error" not in stderr
    assert "Traceback" not in stderr
    assert list(here.iterdir()) == []


def test_a_reader_that_goes_away_leaves_the_video_whole(start, clips, tiny_model, here, read_video):
    process = start("run", clips / "walk.mp4", "--model", tiny_model, "--detections", "-")
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(timeout=120) == 1
    assert "Traceback" not in stderr
    assert len(read_video(here / "walk.annotated.mp4").times_s) == 30


def test_ctrl_c_while_the_command_is_still_loaded_is_quiet():
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'streamdet.cli.run': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from streamdet.__main__ import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("arguments", [("probe", "--json"), ("probe",)])
def test_other_commands_into_a_closed_pipe(start, clips, arguments):
    process = start(*arguments, clips / "walk.mp4")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=120) == 1
