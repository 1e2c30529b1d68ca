"""Many files in folders, shared by jobs that do a part each."""

import json
from pathlib import Path

from streamdet.jobs.config import load_job
from streamdet.jobs.plan import plan

NAMES = ("a", "x/a", "x/y/a")


def _files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_shards_write_what_one_job_writes(streamdet, clips, tiny_model, tmp_path):
    for name in NAMES:
        path = tmp_path / f"in/{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((clips / "walk.mp4").read_bytes())
    common = ["run", str(tmp_path / "in/**/*.mp4"), "--max-frames", "4", "--model", tiny_model, "--conf", "0.001"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert streamdet(*common, "-o", f"{whole}/", "--detections", f"{whole}/").status == 0
    for index in range(4):
        done = streamdet(*common, "-o", f"{parts}/", "--detections", f"{parts}/", "--shard", f"{index}/4", "--resume")
        assert done.status == 0, done.stderr
    assert "nothing to do" in done.stderr
    written = _files(parts)
    assert set(written) == {f"{name}{ending}" for name in NAMES for ending in (".annotated.mp4", ".jsonl")}
    assert written == _files(whole)
    first = json.loads(written["x/a.jsonl"].splitlines()[0])
    assert first["sources"] == ["x/a"]
    again = streamdet(*common, "-o", f"{parts}/", "--detections", f"{parts}/", "--shard", "0/4", "--resume")
    assert again.status == 0
    assert _files(parts) == written


def test_one_file_is_no_place_for_the_outputs_of_two_shards(streamdet, clips, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes((clips / "walk.mp4").read_bytes())
    done = streamdet("run", str(tmp_path), "-o", str(tmp_path / "out.mp4"), "--shard", "0/2")
    assert done.status == 2
    assert "2 sources need a folder" in done.stderr


def test_a_shard_that_is_not_there_says_what_was_expected(streamdet, clips):
    done = streamdet("run", clips / "walk.mp4", "--shard", "4/4")
    assert done.status == 2
    assert "--shard: expected i/n with i from 0 to n - 1, such as 0/8 to 7/8, got 4/4" in done.stderr


def test_planning_ten_thousand_files_asks_for_each_a_few_times(tmp_path, monkeypatch):
    """Each output was compared with each input."""
    (tmp_path / "in").mkdir()
    for number in range(300):
        (tmp_path / f"in/{number}.mp4").touch()
    asked = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **more: asked.append(path) or stat(path, **more))
    jobs = plan(load_job(None, [f"sources=[{tmp_path}/in]", f"encode.path={tmp_path}/out/"]))
    assert len(jobs) == 300
    assert len(asked) < 20 * 300
