"""A camera to try things on: rtsp://cam:s3cret@127.0.0.1:8554/camera plays an H.264 or H.265 clip until Ctrl-C.

What is published to /in there is played at /out.

python tests/helpers/play_camera.py demo.annotated.mp4
"""

import signal
import sys
from pathlib import Path

from rtsp_server import Files, Relay, RtspServer

PORT = 8554

if __name__ == "__main__":
    clip = Path(sys.argv[1]).resolve(strict=True)
    mounts = {"/camera": Files((clip,)), "/in": Relay("/out")}
    with RtspServer(mounts, port=PORT, user="cam", password="s3cret") as server:
        print(f"playing {clip.name} at {server.url('/camera')}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print()
