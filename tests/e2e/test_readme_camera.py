"""The README's part on cameras works as it is written there, but for the port."""

import json
import re
import shlex
import signal
import time
from pathlib import Path

import pytest
from rtsp_server import Files

REPOSITORY = Path(__file__).parents[2]
SECTION = re.search(r"## Attach to a camera\n(.*?)\n## ", (REPOSITORY / "README.md").read_text(), re.DOTALL)[1]
COMMANDS = re.findall(r"^streamdet (run .*?)(?: +#.*)?$", SECTION, re.MULTILINE)
PROGRAM = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)[1]
PATIENCE_S = 120.0


@pytest.fixture
def port(rtsp_server, write_clip, tmp_path) -> int:
    """The camera that play_camera.py is."""
    clip = write_clip(tmp_path / "street.mp4", 100, audio=False)
    return rtsp_server({"/camera": Files((clip,))}, user="cam", password="s3cret").port


def test_commands_are_found():
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[2:5]))
def test_command(start, here, port, command):
    words = shlex.split(command.replace(":8554", f":{port}").replace("pipelines/", f"{REPOSITORY}/pipelines/"))
    with (here / "stdout").open("w") as stdout:
        process = start(*words, stdout=stdout)
    deadline_s = time.monotonic() + PATIENCE_S

    def found() -> list[str]:
        files = [here / "stdout", *here.glob("*/*.jsonl")]
        return [line for path in files for line in path.read_text().splitlines() if line.startswith('{"type":"frame"')]

    while len(found()) < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, stderr
    assert {"wall_time", "latency_s", "dropped_before"} <= set(json.loads(found()[0]))


def test_python(here, port, capsys):
    import streamdet

    class Enough(Exception):
        """Of what has no end."""

    lines = []

    def show(*values):
        lines.append(values)
        if len({source for source, *_ in lines}) == 2:
            raise Enough

    with pytest.raises(Enough):
        exec(PROGRAM.replace(":8554", f":{port}"), {"streamdet": streamdet, "print": show})
    assert {source for source, *_ in lines} == {"127.0.0.1-camera", "127.0.0.1-camera-2"}
