"""What length costs: a clip, and the same clip ten times over, through `streamdet run`. One command:

    python benchmarks/length.py --source CLIP

prints frames, seconds, frames a second and peak memory of both: ten times as long must take ten times as long, and no
more memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av

TIMES = 10


def main() -> None:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(".")[0])
    parser.add_argument("--source", type=Path, required=True, help="a video file with the same codec all through")
    clip = parser.parse_args().source
    print("| clip | frames | seconds | fps | peak memory, MB |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="streamdet-length-") as folder:
        long = repeated(clip, Path(folder) / "long.mp4")
        for name, path in (("once", clip), (f"{TIMES} times", long)):
            report = run(path, Path(folder))
            memory_mb = report["machine"]["peak_memory_mb"]
            print(f"| {name} | {report['frames']} | {report['wall_s']:.1f} | {report['fps']:.1f} | {memory_mb:.0f} |")


def repeated(clip: Path, path: Path) -> Path:
    """Write the clip's pictures several times, one after another, as they are encoded."""
    with av.open(str(path), "w") as output:
        stream, shift = None, 0
        for _ in range(TIMES):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                stream = stream or output.add_stream_from_template(video)
                end = shift
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.stream = stream
                    output.mux(packet)
                shift = end
    return path


def run(clip: Path, folder: Path) -> dict[str, Any]:
    """The report of a run in a process of its own."""
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "streamdet",
        "run",
        clip,
        "-o",
        folder / "annotated.mp4",
        "--overwrite",
    ]
    subprocess.run([*words, "--report", folder / "report.json", "--no-progress", "-q"], check=True)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


if __name__ == "__main__":
    main()
