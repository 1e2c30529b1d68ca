"""Kills a job at random moments, resumes it, and compares the outputs: `python benchmarks/kills.py CLIP --kills 200`.

The same job runs once undisturbed. Then it is started and killed many times (kill -9 three times out of four, Ctrl-C
otherwise) at a random moment of starting, running or finishing, and continued by --resume until it ends by itself.
After every other kill, what was not synced to the disk is lost as well, as in a power cut: behind the last length that
the journal has noted, the files end, or hold zeros. Every job that ended must have left the very files, byte for byte,
of the undisturbed one: the annotated video, with the source's audio, and the detections.
"""

import argparse
import hashlib
import json
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from streamdet.errors import ConfigError
from streamdet.jobs.resume.checkpoints import read_checkpoint

ENDINGS = ("mp4", "jsonl")


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill a job at random moments, and go on with it.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--options", default="", help="more options of streamdet run, such as '--imgsz 192'")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamdet-kills-") as folder:
        figures = Kills(arguments.clip, Path(folder), shlex.split(arguments.options), arguments.seed).run(
            arguments.kills
        )
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if figures["different"] else 0


class Kills:
    """One job, and what was done to it."""

    def __init__(self, clip: Path, folder: Path, options: list[str], seed: int) -> None:
        self.clip, self.folder, self.options = clip, folder, options
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()

    def run(self, kills: int) -> dict[str, object]:
        """Kill so many times at least; figures."""
        began_s = time.monotonic()
        subprocess.run(self.command("a"), check=True, stderr=subprocess.DEVNULL)
        whole_s = time.monotonic() - began_s
        while self.counts["kills"] < kills:
            self.one_job(1.2 * whole_s)
            same = all((self.folder / f"a.{e}").read_bytes() == (self.folder / f"b.{e}").read_bytes() for e in ENDINGS)
            left = [path.name for path in self.folder.iterdir() if path.name.startswith(".")]
            self.counts["jobs"] += 1
            self.counts["different"] += not same or bool(left)
            print(f"{self.counts['kills']} kills, {self.counts['jobs']} jobs: {'same' if same else 'DIFFERENT'}", *left)
            for ending in ENDINGS:
                (self.folder / f"b.{ending}").unlink()
        return {"undisturbed_s": round(whole_s, 1), "different": self.counts["different"], **self.counts}

    def one_job(self, longest_s: float) -> None:
        """Until it ends by itself."""
        while True:
            process = subprocess.Popen(self.command("b", "--resume"), stderr=subprocess.PIPE, text=True)
            try:
                process.wait(self.random.uniform(0, longest_s))
            except subprocess.TimeoutExpired:
                number = self.random.choice([signal.SIGKILL] * 3 + [signal.SIGINT])
                process.send_signal(number)
                self.counts["kills"] += 1
                self.counts[f"by {number.name}"] += 1
            _, said = process.communicate()
            if process.returncode == 0 or "complete already" in said:  # killed when all was done
                return
            if process.returncode not in (-signal.SIGKILL, 128 + signal.SIGINT):
                sys.exit(f"ended with {process.returncode}:\n{said}")
            self.counts["continued"] += "continues from frame" in said
            if process.returncode == -signal.SIGKILL and self.random.random() < 0.5:
                self.lose_what_was_not_synced()

    def lose_what_was_not_synced(self) -> None:
        """As a power cut does."""
        for path in sorted(self.folder.glob(".b.mp4.journal/*.checkpoint"), reverse=True):
            try:
                sections: Any = read_checkpoint(path).checkpoint.sections
            except ConfigError:
                continue
            for name, length in (
                (".b.mp4.part", sections["encode"].video["mark"]["length"]),
                ("b.jsonl", sections["record"].length),
            ):
                file = self.folder / name
                if file.exists() and file.stat().st_size >= length:
                    lost = file.stat().st_size - length
                    file.write_bytes(file.read_bytes()[:length] + bytes(self.random.randrange(lost + 1)))
            forget_boot(self.folder / ".b.mp4.journal" / "job.json")
            self.counts["power cuts"] += 1
            return

    def command(self, name: str, *more: str) -> list[str]:
        """The job, with outputs of that name."""
        outputs = ("-o", str(self.folder / f"{name}.mp4"), "--detections", str(self.folder / f"{name}.jsonl"))
        command = [sys.executable, "-m", "streamdet", "run", str(self.clip), *outputs, "--no-progress"]
        return [*command, *more, *self.options]


def forget_boot(path: Path) -> None:
    """Let a journal be of an earlier start of the machine."""
    noted = json.loads(path.read_text())
    noted["job"] = json.dumps({**json.loads(noted["job"]), "boot": "an earlier one"})
    noted["sha256"] = hashlib.sha256(noted["job"].encode()).hexdigest()
    path.write_text(json.dumps(noted))


if __name__ == "__main__":
    sys.exit(main())
