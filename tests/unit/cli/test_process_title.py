"""What other users see of a command line that holds a password."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only on Linux can it be hidden")

PROGRAM = """
import sys
from streamdet.cli.process_title import hide_credentials

hide_credentials(sys.argv[1:])
hide_credentials(sys.argv[1:])
print(sys.argv[1:])
print(open("/proc/self/cmdline", "rb").read().split(b"\\0")[3:])
"""


def test_credentials_are_hidden_from_others_and_kept_for_us():
    words = ["run", "rtsp://cam:s3cret@host/ä", "plain", "http://host/a?token=t0ken&x=1", "--set", "a=b"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True,
        check=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[3],
    )
    ours, shown = done.stdout.splitlines()
    assert ours == str(words)
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    seen = [part.decode().rstrip() for part in eval(shown)]
    assert seen[:4] == ["run", "rtsp://host/ä", "plain", "http://host/a?token=***&x=1"]
    assert seen[4:6] == ["--set", "a=b"]
