"""Files that a stage writes, by the path in its settings."""

import os
from collections.abc import Sequence
from pathlib import Path

from streamdet.errors import ConfigError


def files_of(path: str | None, names: Sequence[str], ending: str) -> dict[str, Path]:
    """One file for each source: the path itself, or <name><ending> in the folder that it is.

    Args:
        path: a file, which suits one source only, or a folder; None: the current folder.
        names: of the sources.
        ending: of the files in a folder.

    Raises:
        ConfigError: several sources and one file.
    """
    if path is not None and not is_folder(path):
        if len(names) > 1:
            raise ConfigError(f"output {path}: {len(names)} sources need a folder, not a file; end its name with /")
        return {name: Path(path) for name in names}
    return {name: Path(path or ".") / f"{name}{ending}" for name in names}


def is_folder(path: str) -> bool:
    """Whether a path is meant as a folder: by its end, because there is one, or because it has no ending."""
    return path.endswith(("/", os.sep)) or Path(path).is_dir() or not Path(path).suffix
