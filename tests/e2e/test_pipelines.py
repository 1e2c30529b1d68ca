"""Every file of pipelines/ does what it says, as it is, through the command line."""

from pathlib import Path

import pytest

PIPELINES = sorted((Path(__file__).parents[2] / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.name)
def test_pipeline(start, here, write_clip, read_video, pipeline):
    write_clip(here / "street.mp4")
    process = start("run", "--pipeline", pipeline)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert len(read_video(here / "street.annotated.mp4").times_s) == 30
    assert len((here / "street.jsonl").read_text().splitlines()) == 32


def test_there_are_pipelines():
    assert PIPELINES
