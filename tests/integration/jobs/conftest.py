"""A small detector, and jobs in an empty folder."""

import pytest
import torch

from streamdet.jobs.config import load_job
from streamdet.jobs.plan import plan
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.runtimes.torch import TorchDetector


@pytest.fixture(scope="session")
def detector():
    """Small and untrained: scores near 0.01 everywhere."""
    torch.manual_seed(0)
    config = ModelConfig(name="tiny", classes=("person", "car"), channels=16, recurrent_channels=8, image_size=96)
    return TorchDetector(build_detector(config), "cpu")


@pytest.fixture
def plan_job(tmp_path, monkeypatch):
    """Plan a job of these sources in a folder of its own; settings are those of --set."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def make(sources, *settings):
        common = ["detect.conf=0.001", "detect.max_detections=5", "encode.preset=ultrafast"]
        return plan(load_job(None, [f"sources={[str(source) for source in sources]}", *common, *settings]))

    return make
