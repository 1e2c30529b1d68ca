"""Every command and program of README and docs works as it stands there, in its order, in a fresh folder.

A block's language says what runs it, the word behind it when: `elsewhere` is not run here, as it installs or needs more
processors, `server` needs a camera, and `soak` takes minutes. Each page is complete in itself.
"""

import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from rtsp_server import Files, Relay

REPOSITORY = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")))
BLOCK = re.compile(r"^```(shell|python)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = ("elsewhere", "server", "soak")
# A clip of one second shows as well that the command works.
SHORTER = {"demo": ["--seconds", "1", "--no-progress"], "scene": ["--seconds", "1"]}


@dataclass(frozen=True)
class Block:
    """Commands, or a program."""

    language: str
    kind: str
    text: str
    line: int

    @property
    def commands(self) -> Iterator[str]:
        """One by one; a quoted text may reach over several lines."""
        command = ""
        for line in self.text.splitlines():
            command += line + "\n"
            try:
                words = shlex.split(command, comments=True)
            except ValueError:  # its quotation goes on in the next line
                continue
            if words:
                yield command.strip()
            command = ""
        assert not command, command


def blocks(page: str, *kinds: str) -> list[Block]:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    found = [
        Block(match[1], match[2] or "", match[3], 1 + text.count("\n", 0, match.start()))
        for match in BLOCK.finditer(text)
    ]
    return [block for block in found if block.kind in kinds]


def pages(*kinds: str) -> list[str]:
    return [page for page in PAGES if blocks(page, *kinds)]


@pytest.fixture
def checkout(here: Path) -> Path:
    """A folder with what a checkout has for these commands, and nothing else."""
    for name in ("pipelines", "configs"):
        shutil.copytree(REPOSITORY / name, here / name)
    return here


@pytest.fixture
def execute(checkout, streamdet, monkeypatch) -> Callable[..., None]:
    """Run the blocks of a page."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": path}
    monkeypatch.setattr("streamdet.stages.registry._added", {})  # a page's stages end with it

    def run_command(command: str, live: list[str]) -> None:
        program, *words = shlex.split(command, comments=True)
        if program == "streamdet":
            done = streamdet(*words, *SHORTER.get(words[0], []), *live)
            assert done.status == 0, f"{command}\n{done.stderr}"
        else:
            subprocess.run(["bash", "-c", command], cwd=checkout, env=environment, check=True)

    def run(page: str, found: list[Block], replace: Callable[[str], str] = str, live: list[str] | None = None) -> None:
        for block in found:
            text = replace(block.text)
            if block.language == "python":
                lines = "\n" * block.line + text  # so that a traceback names the line of the page
                exec(compile(lines, page, "exec"), {"__name__": "__main__"})
                continue
            for command in Block(block.language, block.kind, text, block.line).commands:
                run_command(command, live or [])

    return run


def test_every_block_is_run_or_meant_not_to_be():
    assert {block.kind for page in PAGES for block in blocks(page, "", *KINDS)} <= {"", *KINDS}
    unknown = {
        (page, word)
        for page in PAGES
        for word in re.findall(r"^```(\S+)", (REPOSITORY / page).read_text(encoding="utf-8"), re.MULTILINE)
        if word not in ("shell", "python", "json", "yaml", "toml")
    }
    assert not unknown


@pytest.mark.parametrize("page", pages(""))
def test_page(execute, page):
    execute(page, blocks(page, ""))


@pytest.mark.soak
@pytest.mark.parametrize("page", pages("soak"))
def test_page_with_what_takes_minutes(execute, checkout, page):
    recipe = checkout / "configs" / "finetune.yaml"
    recipe.write_text(recipe.read_text().replace("steps: 250", "steps: 15").replace("[300, 400]", "[7, 10]"))
    execute(page, blocks(page, "", "soak"))


@pytest.mark.server
@pytest.mark.parametrize("page", pages("server"))
def test_page_with_a_camera(execute, page, rtsp_server, mosquitto, write_clip, tmp_path):
    clip = write_clip(tmp_path / "street.mp4", 100, audio=False)
    mounts = {"/camera": Files((clip,)), "/in": Relay("/out")}
    camera, broker = rtsp_server(mounts, user="cam", password="s3cret"), mosquitto()
    with webhook() as (port, received):

        def here(text: str) -> str:
            text = text.replace("127.0.0.1:8554", f"127.0.0.1:{camera.port}")
            text = text.replace("mqtt://127.0.0.1/", f"mqtt://127.0.0.1:{broker.port}/")
            return text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")

        found = blocks(page, "server")
        execute(page, [block for block in found if block.language == "shell"], here, live=["--max-frames", "5"])
        for block in found:
            if block.language == "python":
                run_until_two_sources(here(block.text))
    assert bool(received) == any(":8080" in block.text for block in found)


def run_until_two_sources(program: str) -> None:
    """Run a program that has no end, until it has shown results of two sources."""

    class Enough(Exception):
        pass

    sources = set()

    def show(source, *values):
        sources.add(source)
        if len(sources) == 2:
            raise Enough

    with pytest.raises(Enough):
        exec(program, {"print": show})


@contextmanager
def webhook() -> Iterator[tuple[int, list[bytes]]]:
    """A web server that takes what is posted to it: its port, and what came."""
    received: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *values: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, received
        server.shutdown()


@pytest.mark.parametrize(
    "page", [*PAGES, *(str(p.relative_to(REPOSITORY)) for p in (REPOSITORY / "docs").glob("*/*.md"))]
)
def test_links_lead_to_files(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert ((REPOSITORY / page).parent / target).exists(), target


def test_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").split()) < 1000
