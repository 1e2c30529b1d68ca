"""The folder for what can be made again: compiled graphs, and which runtime is the fastest here."""

import contextlib
import os
from pathlib import Path


def cache_folder(name: str) -> Path | None:
    """A folder of streamdet in the user's cache, made if it is not there; None where it cannot be written."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(base) if base else Path.home() / ".cache") / "streamdet" / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a user without a home is a RuntimeError
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def write_whole(path: Path, text: str) -> None:
    """Write a file at once, or not at all: other processes may read it meanwhile, and a cache is not worth an error."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def keep_newest(folder: Path, pattern: str, files: int) -> None:
    """Delete the oldest files of a cache, which otherwise only grows, down to a number."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)[:-files]:
            path.unlink(missing_ok=True)
