"""The rules of imports and sizes hold in every file of the package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "streamdet"
MAX_LINES = 400

# Imports run one way: a lower layer knows nothing of a higher one, and neighbours on one layer are strangers.
LAYERS = (
    {"errors", "version", "boxes", "columns", "masks", "skeleton", "tables"},
    {"interchange"},
    {"frames", "detections"},
    {"result", "yaml_file"},
    {"flow"},
    {"media", "models", "scenes", "tracking", "zones"},
    {"datasets", "drawing", "sinks"},
    {"runtimes"},
    {"stages"},
    {"evaluation", "hindsight", "jobs"},
    {"training", "convert", "explanation"},
    {"server"},
    {"cluster"},  # its machines serve what the page shows
    {"cli"},
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

# Libraries that only one part may import.
ONLY_IN = {"av": "media"}
# Libraries that a part must not import: the engine knows no video and no model, models know no video.
NEVER_IN = {"flow": {"torch", "torchvision", "av", "cv2", "numpy"}, "models": {"av", "cv2", "threading"}}
# Packages whose __init__.py is not empty: elsewhere an import names the module.
RE_EXPORTING = {"streamdet", "cli", "flow"}


def import_offences(part: str, imported: str) -> Iterator[str]:
    """What is wrong with one imported module, such as `streamdet.media.colour`, in a part such as `media`."""
    library, _, rest = imported.partition(".")
    if part != ONLY_IN.get(library, part):
        yield f"only {ONLY_IN[library]} may import {library}"
    if library in NEVER_IN.get(part, ()):
        yield f"{part} must not import {library}"
    if library == "streamdet" and part not in ("__init__", "__main__"):
        other = rest.partition(".")[0]
        if not rest:
            yield "imports from streamdet itself, not from the module"
        elif other != part and LEVEL.get(other, 0) >= LEVEL.get(part, 0):
            yield f"{part} must not import {other}"


def offences(path: Path) -> Iterator[str]:
    """All offences of one file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part not in LEVEL and part not in ("__init__", "__main__"):
        yield f"{part} stands in no layer"
    if len(text.splitlines()) >= MAX_LINES:
        yield f"has {MAX_LINES} lines or more"
    if text and not ast.get_docstring(tree):
        yield "has no docstring"
    if text and path.name == "__init__.py" and path.parent.name not in RE_EXPORTING:
        yield "is not empty"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"line {node.lineno}: relative import"
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in names:
            yield from (f"line {node.lineno}: {offence}" for offence in import_offences(part, name))


def test_architecture() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 100
    found = [f"{path.relative_to(PACKAGE.parent)}: {offence}" for path in files for offence in offences(path)]
    assert not found, "\n".join(found)


def test_the_command_line_starts_without_heavy_libraries() -> None:
    heavy = "{'torch', 'torchvision', 'av', 'cv2', 'scipy', 'numpy'}"
    code = f"import sys, streamdet.cli as c; c.main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
