"""Clips and a small model; what one machine makes of them is what many have to make."""

import av
import numpy as np
import pytest
from tiny_detector import save_tiny_detector


def write_clip(path, frames, seed=0):
    """A box that walks before noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(60, 120, (96, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 96, "yuv420p"
        for number in range(frames):
            image = noise.copy()
            image[30:60, number % 140 : number % 140 + 20] = 220
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(pictures.encode(None))


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Untrained: scores near 0.01 everywhere."""
    return save_tiny_detector(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Three clips in folders, two of one name."""
    folder = tmp_path_factory.mktemp("clips")
    for seed, name in enumerate(("a", "x/a", "x/y/b")):
        write_clip(folder / f"{name}.mp4", 12, seed)
    return folder


@pytest.fixture
def settings(model):
    """What every run here has; one inference thread and one of the encoder, as workers have."""
    return [
        *("--model", str(model), "--conf", "0.001", "--max-det", "5", "--runtime", "torch", "--precision", "fp32"),
        *("--set", "encode.threads=1", "--preset", "ultrafast"),
    ]


@pytest.fixture
def streamdet(tmp_path, monkeypatch, capfd):
    """Run a command in an empty folder, in this process."""
    from streamdet.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(*arguments):
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return status, capfd.readouterr().err

    return run


@pytest.fixture
def whole(streamdet, clips, settings, tmp_path):
    """What a plain run writes of the clips, by name."""
    status, said = streamdet("run", f"{clips}/**/*.mp4", "-o", "whole/", "--detections", "whole/", *settings)
    assert status == 0, said
    return files_of(tmp_path / "whole")


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(name="files_of")
def files_of_fixture():
    return files_of


@pytest.fixture(name="write_clip")
def write_clip_fixture():
    return write_clip
