"""`streamdet cluster serve` as a process, and what it says and writes of its cameras."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from waiting import wait_until

from streamdet.cluster.cameras.client import ask

TOKEN = "0123456789abcdef-cluster"
PATIENCE_S = 200.0

Line = dict[str, Any]


class Served:
    """The driver, as a process of its own, of the job cameras.yaml.

    Args:
        folder: in which that is; the detections of a camera are in out/<name>.jsonl.
        address: of Ray.
        urls: of cameras.
    """

    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path, address: str, urls: list[str]) -> None:
        self.folder, self.urls, self._address, self._port = folder, urls, address, 0

    def start(self) -> None:
        """Start it, and wait until it listens."""
        options = ["--ray", self._address, "--port", str(self._port), "--log-format", "json"]
        with (self.folder / "said.txt").open("a") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamdet", "cluster", "serve", "cameras.yaml", *options],
                cwd=self.folder,
                stderr=said,
                env={**os.environ, "STREAMDET_TOKEN": TOKEN},
            )
        before = self.said.count('"port"')
        wait_until(lambda: self.said.count('"port"') > before or self.process.poll() is not None, PATIENCE_S)
        assert self.process.poll() is None, self.said
        self._port = [json.loads(line)["port"] for line in self.said.splitlines() if '"port"' in line][-1]

    def end(self) -> None:
        """Kill it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def said(self) -> str:
        """What all drivers so far have logged."""
        return (self.folder / "said.txt").read_text()

    @property
    def url(self) -> str:
        """Of its page."""
        return f"http://127.0.0.1:{self._port}"

    def ask(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> Any:
        """Send a request; gives the answer."""
        return ask(self.url, token, method, path, body)

    def get(self, path: str) -> tuple[str, bytes]:
        """Kind and content of what is there."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers["Content-Type"], answer.read()

    def picture(self, path: str) -> bool:
        """Whether there is a JPEG."""
        kind, content = self.get(path)
        return kind == "image/jpeg" and content[:2] == b"\xff\xd8"

    def command(self, *words: str, token: str = TOKEN) -> tuple[int, str]:
        """Status and output of `streamdet cluster` with these words."""
        done = subprocess.run(
            [sys.executable, "-m", "streamdet", "cluster", *words, "--url", self.url],
            cwd=self.folder,
            env={**os.environ, "STREAMDET_TOKEN": token},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def status(self) -> Line:
        """Machines and cameras."""
        return self.ask("GET", "/api/cluster")

    def where(self) -> dict[str, str | None]:
        """The machine of each camera."""
        return {each["name"]: each["node"] for each in self.status()["cameras"]}

    def live(self) -> set[str]:
        """Cameras that are read."""
        return {each["name"] for each in self.status()["cameras"] if each["state"] == "live"}

    def machines(self) -> list[str]:
        """That are ready."""
        return [each["name"] for each in self.status()["machines"] if each["state"] == "ready"]

    def lines(self, name: str) -> list[Line]:
        """What is written of a camera, as far as it is whole."""
        text = (self.folder / f"out/{name}.jsonl").read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def frames(self, name: str) -> list[Line]:
        """Of these its frames."""
        return [line for line in self.lines(name) if line["type"] == "frame"]

    def gaps(self, name: str) -> list[Line]:
        """Of these its gaps."""
        return [line for line in self.lines(name) if line["type"] == "gap"]

    def read_more(self, name: str, frames: int = 5) -> None:
        """Wait for so many frames."""
        before = len(self.frames(name))
        wait_until(lambda: len(self.frames(name)) >= before + frames, PATIENCE_S)

    def check_file(self, name: str) -> None:
        """Nothing is there twice, out of order, or torn."""
        lines = self.lines(name)
        assert [line["type"] for line in lines].count("run") == 1
        places = [(line["session"], line["frame"]) for line in lines if line["type"] == "frame"]
        assert places == sorted(set(places))
        numbers = [number for _, number in places]
        assert numbers == sorted(set(numbers))
        times = [line["time_s"] for line in lines if line["type"] == "frame"]
        assert times == sorted(times)
        assert [line["session"] for line in lines if line["type"] == "gap"] == list(range(1, places[-1][0] + 1))
