"""A run on OpenVINO or ONNX Runtime loads no torch: it would take more time and memory than all the rest."""

import json
import subprocess
import sys

import pytest

JOB = """
import sys
from streamdet.cli import main
status = main(sys.argv[1:])
print(status, sorted({"torch", "torchvision"} & set(sys.modules)))
"""


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_whole_job_loads_no_torch(clips, here, runtime):
    job = ["run", clips / "walk.mp4", "--runtime", runtime, "--precision", "fp32", "--device", "auto", "-q"]
    outputs = [
        "-o",
        here / "a.mp4",
        "--detections",
        here / "a.jsonl",
        "--max-frames",
        "12",
        "--report",
        here / "a.json",
    ]
    words = [str(word) for word in (*job, *outputs)]
    done = subprocess.run([sys.executable, "-c", JOB, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    kinds = [json.loads(line)["type"] for line in (here / "a.jsonl").read_text().splitlines()]
    assert kinds == ["run", *["frame"] * 12, "end"]
    assert json.loads((here / "a.json").read_text())["model"]["runtime"] == f"{runtime} cpu fp32"


WITHOUT = """
import sys
sys.modules |= dict.fromkeys(sys.argv[1].split(","))
from streamdet.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def without_torch(here, monkeypatch):
    """Runs a command where torch and other modules cannot be imported, and no choice of a runtime is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    monkeypatch.setenv("HOME", "/proc")  # nothing can be written there, and no package shall try

    def run(*words, nor=()):
        modules = ",".join(("torch", "torchvision", *nor))
        command = [sys.executable, "-c", WITHOUT, modules, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_a_clip_is_rendered_probed_and_run_where_torch_is_not_installed(without_torch, here):
    scene = without_torch("scene", "-o", "street.mp4", "--seconds", "1", "--width", "320", "--height", "192")
    assert scene.returncode == 0, scene.stderr
    assert without_torch("probe", "street.mp4").returncode == 0
    done = without_torch("run", "street.mp4", "--csv", "street.csv", "--report", "street.json")
    assert done.returncode == 0, done.stderr
    assert (here / "street.annotated.mp4").is_file()
    assert (here / "street.csv").is_file()
    assert not json.loads((here / "street.json").read_text())["model"]["runtime"].startswith("torch")


def test_an_engine_that_is_alone_needs_no_judge(without_torch, clips, here):
    """`auto` compares runtimes; with one of them and no torch there is nothing to compare it with."""
    job = ["run", clips / "walk.mp4", "--max-frames", "3", "--no-video", "--report", "a.json"]
    done = without_torch(*job, nor=["onnxruntime"])
    assert done.returncode == 0, done.stderr
    assert json.loads((here / "a.json").read_text())["model"]["runtime"].startswith("openvino cpu")


def test_without_any_runtime_the_message_names_the_one_to_install(without_torch, clips):
    job = ["run", clips / "walk.mp4", "--max-frames", "3", "--no-video", "--detections", "-"]
    done = without_torch(*job, nor=["onnxruntime", "openvino"])
    assert done.returncode == 2
    assert "pip install openvino" in done.stderr


def test_doctor_names_what_is_not_installed_and_fails_nothing(without_torch):
    done = without_torch("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "--    torch" in done.stdout
    assert "train, export, --runtime torch and GPUs need it: pip install torch torchvision" in done.stdout
    assert done.stdout.splitlines()[-1] == "all is well for files and cameras on the CPU"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["train", "finetune.yaml"], "training"),
        (["export"], "export"),
        (["run", "CLIP", "--no-video", "--detections", "-", "--runtime", "torch"], "runtime torch"),
        (["run", "CLIP", "--no-video", "--detections", "-", "--device", "cuda"], "device cuda"),
    ],
)
def test_what_needs_torch_says_so_in_one_line(without_torch, clips, words, what):
    done = without_torch(*(clips / "walk.mp4" if word == "CLIP" else word for word in words))
    assert done.returncode == 2
    assert done.stderr == f"error: {what} needs torch, which is not installed: pip install torch torchvision\n"
