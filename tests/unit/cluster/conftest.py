"""Pieces of a job over files that are only names."""

import pytest

from streamdet.cluster.planning import plan_pieces
from streamdet.jobs.config import load_job


@pytest.fixture
def plan_files(tmp_path, monkeypatch):
    """Pieces of files of these names; their detections go to out/."""
    monkeypatch.chdir(tmp_path)

    def make(*names, settings=()):
        for name in names:
            path = tmp_path / f"in/{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        scratch = tmp_path / f"scratch{len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        stages = "stages=[decode,batch,detect,track,record]"
        config = load_job(None, ["sources=['in/**/*.mp4']", "record.path=out/", stages, *settings])
        return plan_pieces(config, scratch)

    return make
