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


@pytest.mark.soak
def test_programs_of_users_are_checked_by_their_types(tmp_path: Path) -> None:
    """py.typed is there, and what is loaded late has its type."""
    program = tmp_path / "program.py"
    program.write_text(
        "import streamdet\n"
        "for r in streamdet.stream('a.mp4', streamdet.load('street')):\n"
        "    reveal_type(r.detections.of_class('car').xyxy)\n"
        "    reveal_type(r.plot(labels='id'))\n"
        "    r.nonsense\n"
        "for again in streamdet.read('a.jsonl', 'a.mp4'):\n"
        "    reveal_type(again.to_dict())\n"
        "streamdet.view(3)\n"
    )
    # As the package itself is checked, so that what that has left in its cache serves here.
    command = [sys.executable, "-m", "mypy", str(program)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]).stdout
    revealed = re.findall(r'Revealed type is "(.*)"', said)
    assert ["ndarray" in revealed[0], "ndarray" in revealed[1]] == [True, True]
    assert revealed[2].replace("builtins.", "") == "dict[str, Any]"
    assert '"Result" has no attribute "nonsense"' in said
    assert 'Argument 1 to "view" has incompatible type "int"' in said
    assert "Found 2 errors" in said


def test_a_job_is_checked_without_what_only_a_later_frame_needs() -> None:
    """Half of the time to the first line of JSON went into scipy.optimize."""
    code = "import sys; from streamdet.jobs.config import load_job; load_job(); print('scipy.optimize' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
