"""A report's hashes fit what was written, as docs/resume.md checks it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "resume.md"


@pytest.fixture
def check(here):
    """Run the page's own check; what it says."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    def run():
        done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    return run


def test_a_run_is_verified_and_what_was_changed_is_found(streamdet, clips, tiny_model, here, check):
    command = ("run", clips / "walk.mp4", "--model", tiny_model, "--conf", "0.005", "--no-video")
    assert streamdet(*command, "--detections", "long.jsonl", "--report", "report.json").status == 0
    assert check() == "verified"
    for name, old, new, problem in (
        ("long.jsonl", '"frame":7', '"frame":8', "other results"),
        ("long.jsonl", '"score":0.01', '"score":0.91', "other results"),
        ("report.json", '"conf": 0.005', '"conf": 0.5', "other settings"),
        ("report.json", '"model_sha256": "', '"model_sha256": "00', "not of one run"),
    ):
        path = here / name
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new, 1))
        assert problem in check()
        path.write_text(before)
    assert check() == "verified"


def test_the_same_job_has_the_same_chain_and_another_has_another(streamdet, clips, tiny_model, here):
    chains = []
    for number, more in enumerate(((), (), ("--conf", "0.006"), ("--memory", "reset"))):
        command = ("run", clips / "walk.mp4", "--model", tiny_model, "--conf", "0.005", "--no-video", *more)
        assert streamdet(*command, "--report", f"{number}.json", "--runtime", "torch").status == 0
        verification = json.loads((here / f"{number}.json").read_text())["verification"]
        chains.append(verification["chain_sha256"])
    assert chains[0] == chains[1]
    assert len(set(chains)) == 3
