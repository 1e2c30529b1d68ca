"""Kill a camera's server again and again: prints what each reconnect costs, and what a process that reads it keeps.

    python benchmarks/live_reconnects.py --times 100

Needs what the RTSP tests need, see tests/helpers/rtsp_server.py.
"""

import argparse
import logging
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from rtsp_server import Live, RtspServer

from streamdet.frames import Frame, StreamGap
from streamdet.media.live.options import LiveOptions
from streamdet.media.read.source import open_source


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def kept() -> str:
    files = len(os.listdir("/proc/self/fd"))
    return f"{threading.active_count()} threads, {files} open files, {resident_mib():.1f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    times = parser.parse_args().times
    logging.getLogger("streamdet").setLevel(logging.ERROR)
    lost_s: list[float] = []
    options = LiveOptions(first_retry_s=0.05, max_retry_s=0.2)
    with RtspServer({"/live": Live(1280, 720)}) as server, open_source(server.url("/live"), live=options) as source:
        frames_of_session = 0
        for item in source:
            if isinstance(item, StreamGap):
                lost_s.append(item.lost_s or 0.0)
                frames_of_session = 0
            elif isinstance(item, Frame):
                frames_of_session += 1
            if frames_of_session != 5:
                continue
            if item.session % 10 == 0:
                print(f"after {item.session:3} reconnects: {kept()}", flush=True)
            if item.session == times:
                break
            server.restart()
    lost_s.sort()
    median, worst = lost_s[len(lost_s) // 2], lost_s[-1]
    print(f"lost at each, the start of the server included: median {median:.2f} s, worst {worst:.2f} s")
    time.sleep(0.5)
    print(f"closed: {kept()}")


if __name__ == "__main__":
    main()
