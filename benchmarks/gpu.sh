#!/usr/bin/env bash
# All that a GPU has to show, in under 8 minutes, as one JSON file:
#   benchmarks/gpu.sh [gpu.json]
#   DEVICE=cpu benchmarks/gpu.sh     a rehearsal of the script on the CPU, with few streams
# `pytest -m gpu`; streams of 1080p30 with their latency and the share of time that the GPU is busy; each stage's time;
# and decoding by NVDEC beside software. What fails is noted, and the rest is measured all the same.
set -uo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD
out=${1:-gpu.json} device=${DEVICE:-cuda} folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
streams=${STREAMS:-16 32 64 128} seconds=10 size=1920x1080 hwaccel=cuda
if [ "$device" = cpu ]; then
    export CUDA_VISIBLE_DEVICES=
    streams=${STREAMS:-1 2} seconds=4 size=640x360 hwaccel=none
fi

measure() { # name, most seconds, command
    local name=$1 most=$2 status start=$SECONDS
    shift 2
    timeout "$most" "$@" >"$folder/$name.log" 2>&1
    status=$?
    printf '{"status": %d, "seconds": %d}\n' "$status" $((SECONDS - start)) >"$folder/$name.status"
    echo "$name: exit status $status, $((SECONDS - start)) s"
    [ $status = 0 ] || tail -3 "$folder/$name.log"
}

[ "$device" = cpu ] || measure tests 120 python -m pytest -q -n 0 -m gpu tests/gpu
measure live 130 python benchmarks/live.py --device "$device" --size $size --rate 30 --streams $streams \
    --seconds $seconds --readers 16 --set decode.hwaccel=$hwaccel --json "$folder/live.json"
measure scene 50 python -m streamdet scene -o "$folder/scene.mp4" --seconds 4 --width "${size%x*}" --height "${size#*x}"
measure stages 120 python -m streamdet bench --source "$folder/scene.mp4" --rounds 1 --json "$folder/stages.json"
measure decode 40 python - "$folder" $hwaccel <<'PYTHON'
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from streamdet.media.locations import expand_sources
from streamdet.media.read.source import open_source

folder, hwaccel = Path(sys.argv[1]), sys.argv[2]
figures = {}
for name in dict.fromkeys(["none", hwaccel]):
    [spec] = expand_sources([str(folder / "scene.mp4")])
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    with open_source(replace(spec, hwaccel=None if name == "none" else name)) as source:
        frames = sum(1 for _ in source)
    lasted_s = time.perf_counter() - begun_s
    figures[name] = {"fps": frames / lasted_s, "cpu_ms": 1000 * (time.process_time() - begun_cpu_s) / frames}
(folder / "decode.json").write_text(json.dumps(figures))
PYTHON
python - "$folder" "$out" "$device" <<'PYTHON'
import json
import subprocess
import sys
from pathlib import Path

folder, out, device = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
gpu = None if device == "cpu" else subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
report = {"device": device, "gpu": gpu}
for status in sorted(folder.glob("*.status")):
    name = status.stem
    figures = folder / f"{name}.json"
    done = json.loads(status.read_text())
    last = (folder / f"{name}.log").read_text(errors="replace").splitlines()[-1:]
    report[name] = {**done, "said": " ".join(last)}
    if figures.exists():
        report[name]["figures"] = json.loads(figures.read_text())
live = report.get("live", {}).get("figures", [])
in_time = [row["streams"] for row in live if row["p95_ms"] < 300 and row["dropped"] < 0.01]
report["most_streams_in_300_ms"] = max(in_time, default=0)
out.write_text(json.dumps(report, indent=2) + "\n")
print(f"{out}: at most {report['most_streams_in_300_ms']} streams with p95 below 300 ms and nothing dropped")
PYTHON
