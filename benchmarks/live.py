"""How old what comes out is: from the camera's clock to the line of JSON, for 1, 4 and 8 streams of 720p25.

A camera (gst-rtsp-server, x264 zerolatency, in a process of its own) burns its wall clock into every picture. The job
decode, batch, detect, track, record runs as `streamdet run` puts it together; once a frame's line is written, the clock
is read from its picture. Up to four streams are of one camera, which is encoded once: eight encoders would measure
themselves, and a server that eight read at once holds its pictures back.

    python benchmarks/live.py [--streams 1 4 8] [--seconds 30] [--model street] [--set detect.image_size=320]

Camera and detector share the machine; what else ran on it is told by its load, at the end of each row.
"""

import argparse
import os
import resource
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from rtsp_server import Live, RtspServer, clock_ms_in, now_ms

from streamdet.config import PipelineConfig
from streamdet.media.locations import SourceSpec
from streamdet.runtimes.contract import Detector
from streamdet.runtimes.loading import load
from streamdet.stages.detection_files import RunHeader
from streamdet.stages.job import Recording, assemble, streams_of
from streamdet.stages.result import Result
from streamdet.yaml_file import load_yaml

_WARM_UP_S = 8.0
_READERS_OF_A_CAMERA = 4
_CAMERA = Live(1280, 720, 25, kbit=3000)


def cpu_s() -> float:
    """Processor time of this process, all threads, so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(urls: list[str], seconds: float, config: PipelineConfig, detector: Detector) -> str:
    """Run streams of these cameras, and describe what came out as a row."""
    specs = [SourceSpec(url, f"cam-{number}", "network") for number, url in enumerate(urls)]
    count = len(urls)
    streams = streams_of(config, specs)
    recording = Recording(dict.fromkeys(streams.names, os.devnull), "jsonl", RunHeader("", "", None, ()))
    run = assemble(config, streams, detector, recording=recording)
    ages_ms: list[int] = []
    counts: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    begins_s: float | None = None
    threading.Timer(_WARM_UP_S + seconds, run.stop).start()
    with run:
        started_s = time.monotonic()
        for item in run:
            if not isinstance(item, Result) or time.monotonic() < started_s + _WARM_UP_S:
                continue
            if begins_s is None:
                begins_s, used_s = time.monotonic(), cpu_s()
                steps = Counter({name: -sum(streams.dropped(name).values()) for name in streams.names})
            ages_ms.append((now_ms(time.time()) - clock_ms_in(item.image)) & 0xFFFFFFFF)
            counts[item.source] += 1
    if begins_s is None:
        return f"{count} | no frame came"
    lasted_s, used_s = time.monotonic() - begins_s, cpu_s() - used_s
    steps.update({name: sum(streams.dropped(name).values()) for name in streams.names})
    p50, p95, worst = np.percentile(ages_ms, (50, 95, 100))
    rates = sorted(counts[name] / lasted_s for name in streams.names)
    dropped = sum(steps.values()) / (sum(steps.values()) + sum(counts.values()))
    return (
        f"{count:7} | {p50:7.0f} | {p95:6.0f} | {worst:6.0f} | {rates[0]:5.1f} to {rates[-1]:4.1f} | {dropped:7.0%} | "
        f"{used_s / lasted_s / count:10.0%} | {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Latency from a camera's clock to the line of JSON.")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--model", default="street")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    stages = "stages=[decode, batch, detect, track, record]"
    config = load_yaml(None, PipelineConfig, [stages, *options.settings])
    detector = load(options.model)
    print(f"{_CAMERA.width}x{_CAMERA.height} at {_CAMERA.fps} fps, {detector.name} with {detector.runtime}")
    print("streams | p50, ms | p95 ms | max ms | fps of a stream | dropped | CPU/stream | load")
    for count in options.streams:
        with ExitStack() as stack:
            cameras = [RtspServer({"/camera": _CAMERA}) for _ in range(0, count, _READERS_OF_A_CAMERA)]
            addresses = [stack.enter_context(camera).url("/camera") for camera in cameras]
            urls = [addresses[number // _READERS_OF_A_CAMERA] for number in range(count)]
            print(measure(urls, options.seconds, config, detector), flush=True)


if __name__ == "__main__":
    main()
