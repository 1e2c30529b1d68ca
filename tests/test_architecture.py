"""The house rules of imports and sizes hold in every file of the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "streamdet"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# Lower layers know nothing of higher ones; neighbours are strangers, except where one file carries two names.
LAYERS = (
    {"errors", "version", "boxes"},
    {"frames", "detections"},
    {"result", "yaml_file"},
    {"flow"},
    {"media", "models", "scenes", "tracking"},
    {"datasets", "drawing", "sinks"},
    {"runtimes"},
    {"stages"},
    {"evaluation", "jobs"},
    {"training"},
    {"cli"},
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

# The library that only these parts may import.
ONLY_IN = {"av": {"media"}}
# What the parts must not import: flow is a general engine; models know no video.
NEVER_IN = {"flow": {"torch", "torchvision", "av", "cv2", "numpy"}, "models": {"av", "cv2", "threading"}}


def part_of(path: Path) -> str:
    """First name under the package: `media` for streamdet/media/probe.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, ast.ImportFrom | ast.Import]]:
    """Every module that a file imports, wherever in it."""
    found: list[tuple[str, ast.ImportFrom | ast.Import]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node))
    return found


def identify(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_every_part_has_its_layer() -> None:
    parts = {part_of(path) for path in FILES} - {"__init__", "__main__"}
    assert parts <= set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    for module, node in imports(path):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
        top, _, rest = module.partition(".")
        if top != "streamdet" or part in ("__init__", "__main__"):
            continue
        assert rest, f"line {node.lineno}: import from the part, never from streamdet itself"
        other = rest.partition(".")[0]
        assert other == part or LEVEL[other] < LEVEL[part], f"line {node.lineno}: {part} must not know {other}"


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_libraries_stay_in_their_part(path: Path) -> None:
    part = part_of(path)
    for module, node in imports(path):
        library = module.partition(".")[0]
        assert part in ONLY_IN.get(library, {part}), f"line {node.lineno}: only {ONLY_IN[library]} may import {library}"
        assert library not in NEVER_IN.get(part, ()), f"line {node.lineno}: {part} must not import {library}"


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < MAX_LINES


@pytest.mark.parametrize("path", [path for path in FILES if path.stat().st_size], ids=identify)
def test_files_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_imports_name_the_module() -> None:
    """A part's own page is empty; the package, the command line and the engine, which stands alone, have one."""
    pages = {path.parent.name for path in PACKAGE.rglob("__init__.py") if path.stat().st_size}
    assert pages == {"streamdet", "cli", "flow"}


def test_the_command_line_starts_without_heavy_libraries() -> None:
    heavy = "{'torch', 'torchvision', 'av', 'cv2', 'scipy', 'numpy'}"
    code = f"import sys, streamdet.cli as c; c.main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
