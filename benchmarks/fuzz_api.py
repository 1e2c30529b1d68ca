"""Whether any request makes the REST interface fail: schemathesis over /openapi.json of a server with a demo camera.

    pip install schemathesis
    python benchmarks/fuzz_api.py [--examples 50]

A status of 5xx is a failure; so is a server that has ended.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from serve_load import TOKEN, ask, start

from streamdet.server.demo_camera import DemoCamera


def main() -> None:
    """Run it; the exit status is that of schemathesis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--model", default="street")
    options = parser.parse_args()
    options.streams = 1
    with tempfile.TemporaryDirectory() as folder, DemoCamera() as camera:
        process, port = start(Path(folder), camera.url, options)
        try:
            address = f"http://127.0.0.1:{port}"
            words = ["run", f"{address}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}", "-n"]
            words += [str(options.examples), "-c", "not_a_server_error", "--no-color"]
            done = subprocess.run([str(Path(sys.executable).with_name("schemathesis")), *words], check=False)
            ask(port, "/api/status")
            alive = process.poll() is None
        finally:
            process.terminate()
            process.wait(60)
    print(f"the server {'runs' if alive else 'has ended'}")
    sys.exit(done.returncode or not alive)


if __name__ == "__main__":
    main()
