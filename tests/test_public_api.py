"""What `import streamdet` offers: every name is there, and nothing heavy is loaded before it is used."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import streamdet
import streamdet.errors


def test_all_is_sorted_and_complete() -> None:
    assert list(streamdet.__all__) == sorted(set(streamdet.__all__))
    assert set(streamdet.__all__) <= set(dir(streamdet))


@pytest.mark.parametrize("name", streamdet.__all__)
def test_name_imports(name: str) -> None:
    assert getattr(streamdet, name) is not None


def test_every_error_is_public() -> None:
    errors = {name for name in vars(streamdet.errors) if isinstance(getattr(streamdet.errors, name), type)}
    assert errors <= set(streamdet.__all__)


def test_unknown_name_fails() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = streamdet.nonsense


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "streamdet.version.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", streamdet.__version__)


def test_import_is_light() -> None:
    code = "import sys, streamdet; print(sorted({'torch', 'av', 'cv2', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
