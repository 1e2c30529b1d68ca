"""How old what comes out is: from the camera's clock to the line of JSON, for 1, 4 and 8 streams of 720p25, or others.

A camera (gst-rtsp-server, x264 zerolatency, in a process of its own) burns its wall clock into every picture. The job
decode, batch, detect, track, record runs as `streamdet run` puts it together; once a frame's line is written, the clock
is read from its picture. Up to four streams (--readers) are of one camera, which is encoded once: eight encoders would
measure themselves, and a server that eight read at once holds its pictures back.

    python benchmarks/live.py [--streams 1 4 8] [--seconds 30] [--model street] [--set detect.image_size=320]
    python benchmarks/live.py --device cuda --size 1920x1080 --rate 30 --streams 16 32

Camera and detector share the machine; what else ran on it is told by its load, at the end of each row. With a GPU, a
row also has the share of the time that it was at work, as nvidia-smi says, whoever it worked for.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from rtsp_server import Live, RtspServer, clock_ms_in, now_ms

from streamdet.jobs.config import PipelineConfig, load_job
from streamdet.jobs.outputs import SourceOutput
from streamdet.jobs.plan import SourceJob
from streamdet.jobs.session import Session
from streamdet.media.locations import SourceSpec
from streamdet.models.contract import Detector
from streamdet.runtimes.loading import load
from streamdet.runtimes.torch import resolve_device

_WARM_UP_S = 8.0


def camera_of(size: str, rate: int) -> Live:
    """A camera of WxH pixels and so many frames a second; 3 Mbit/s at 1280x720 and 25, others in proportion."""
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    if found is None:
        raise SystemExit(f"--size: expected WIDTHxHEIGHT, such as 1920x1080, got {size}")
    width, height = int(found[1]), int(found[2])
    return Live(width, height, rate, kbit=3000 * width * height * rate // (1280 * 720 * 25))


class GpuLoad:
    """How busy a GPU is, asked every second from entering to leaving."""

    def __init__(self, gpu: torch.device) -> None:
        # By its name: nvidia-smi does not number GPUs as CUDA_VISIBLE_DEVICES does.
        self._name = "GPU-" + str(torch.cuda.get_device_properties(gpu).uuid).removeprefix("GPU-")
        self._percent: list[int] = []
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "GpuLoad":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _ask(self) -> None:
        asked = ["nvidia-smi", f"--id={self._name}", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._left.wait(1.0):
            answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
            if answer.isdigit():
                self._percent.append(int(answer))

    def percent(self, since_s: float) -> float | None:
        """The mean of the last seconds; None where nvidia-smi did not say."""
        percent = self._percent[-max(1, round(since_s)) :]
        return float(np.mean(percent)) if percent else None


class Row(NamedTuple):
    """What came of so many streams.

    Attributes:
        p50_ms, p95_ms, max_ms: from the camera's clock to the line of JSON.
        fps: of the slowest and of the fastest stream.
        dropped: share of the frames.
        cpu_of_a_stream: cores.
        gpu_busy_percent: of the time; None without a GPU, or where it does not say.
        load: of the machine.
    """

    streams: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    fps: tuple[float, float]
    dropped: float
    cpu_of_a_stream: float
    gpu_busy_percent: float | None
    load: float

    def __str__(self) -> str:
        busy = "" if self.gpu_busy_percent is None else f"{self.gpu_busy_percent:7.0f}% | "
        return (
            f"{self.streams:7} | {self.p50_ms:7.0f} | {self.p95_ms:6.0f} | {self.max_ms:6.0f} | "
            f"{self.fps[0]:5.1f} to {self.fps[1]:4.1f} | {self.dropped:7.0%} | {self.cpu_of_a_stream:10.0%} | "
            f"{busy}{self.load:.1f}"
        )


def cpu_s() -> float:
    """Processor time of this process, all threads, so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(
    urls: list[str], seconds: float, config: PipelineConfig, detector: Detector, gpu: GpuLoad | None
) -> Row | None:
    """Run streams of these cameras; None where no frame came."""
    specs = [SourceSpec(url, f"cam-{number}", "network") for number, url in enumerate(urls)]
    count = len(urls)
    nowhere = SourceOutput("record", "detections", Path(os.devnull))
    session = Session([SourceJob(spec, config, (nowhere,)) for spec in specs], detector)
    ages_ms: list[int] = []
    counts: Counter[str] = Counter()
    drops = 0
    begins_s: float | None = None
    threading.Timer(_WARM_UP_S + seconds, session.stop).start()
    started_s = time.monotonic()
    for result in session.results():
        if time.monotonic() < started_s + _WARM_UP_S:
            continue
        if begins_s is None:
            begins_s, used_s = time.monotonic(), cpu_s()
        ages_ms.append((now_ms(time.time()) - clock_ms_in(result.image)) & 0xFFFFFFFF)
        counts[result.source] += 1
        drops += result.frame.dropped_before
    if begins_s is None:
        return None
    lasted_s, used_s = time.monotonic() - begins_s, cpu_s() - used_s
    p50, p95, worst = np.percentile(ages_ms, (50, 95, 100))
    rates = sorted(counts[name] / lasted_s for name in session.sources)
    return Row(
        streams=count,
        p50_ms=float(p50),
        p95_ms=float(p95),
        max_ms=float(worst),
        fps=(rates[0], rates[-1]),
        dropped=drops / (drops + counts.total()),
        cpu_of_a_stream=used_s / lasted_s / count,
        gpu_busy_percent=None if gpu is None else gpu.percent(lasted_s),
        load=os.getloadavg()[0],
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Latency from a camera's clock to the line of JSON.")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--model", default="street")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="of the camera's picture, pixels")
    parser.add_argument("--rate", type=int, default=25, help="of the camera, frames a second")
    parser.add_argument("--readers", type=int, default=4, help="streams of one camera")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures as well")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    stages = "stages=[decode, batch, detect, track, record]"
    config = load_job(None, [stages, *options.settings])
    live = camera_of(options.size, options.rate)
    device = resolve_device(options.device)
    on_gpu = device.type == "cuda"
    detector = load(options.model, device=options.device)
    print(f"{live.width}x{live.height} at {live.fps} fps, {detector.spec.name} with {detector.runtime}")
    busy = "GPU busy | " if on_gpu else ""
    print(f"streams | p50, ms | p95 ms | max ms | fps of a stream | dropped | CPU/stream | {busy}load")
    rows: list[Row] = []
    for count in options.streams:
        with ExitStack() as stack:
            cameras = [RtspServer({"/camera": live}) for _ in range(0, count, options.readers)]
            addresses = [stack.enter_context(camera).url("/camera") for camera in cameras]
            urls = [addresses[number // options.readers] for number in range(count)]
            gpu = stack.enter_context(GpuLoad(device)) if on_gpu else None
            row = measure(urls, options.seconds, config, detector, gpu)
            print(row or f"{count} | no frame came", flush=True)
            rows += [] if row is None else [row]
    if options.json is not None:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
