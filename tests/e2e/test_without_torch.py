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
