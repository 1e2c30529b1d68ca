"""What pyproject.toml says of dependencies: all that is imported and no more, from a tested version on."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
DEFAULT = PYPROJECT["project"]["dependencies"]
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
# Imported by what only those call who have it.
BROUGHT_BY_THE_CALLER = {"supervision", "pandas", "ipython"}


def canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def distributions(requirements: list[str]) -> set[str]:
    return {canonical(requirement.partition(">=")[0]) for requirement in requirements}


def imported(node: ast.AST, in_function: bool = False) -> set[tuple[str, bool]]:
    """(top module, whether a function imports it when it is called) of all imports but those for type checkers."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return set()
    if isinstance(node, ast.Import):
        return {(alias.name.partition(".")[0], in_function) for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {((node.module or "").partition(".")[0], in_function)}
    in_function = in_function or isinstance(node, ast.FunctionDef)
    return set(chain.from_iterable(imported(child, in_function) for child in ast.iter_child_nodes(node)))


@cache
def third_party() -> set[tuple[str, bool]]:
    package = REPOSITORY / "streamdet"
    # The server, Ray's part of the cluster and its cameras are imported by their commands alone.
    optional = {package / "server", package / "cluster" / "cameras"}
    found = set(
        chain.from_iterable(
            imported(
                ast.parse(path.read_text(encoding="utf-8")),
                path.parent in optional or path.stem.startswith("ray_"),
            )
            for path in package.rglob("*.py")
        )
    )
    return {(name, late) for name, late in found if name not in {*sys.stdlib_module_names, "streamdet"}}


@cache
def distributions_by_module() -> Mapping[str, list[str]]:
    return packages_distributions()


def homes(module: str) -> set[str]:
    return {canonical(name) for name in distributions_by_module().get(module, [module])}


@pytest.mark.parametrize("requirement", [*PYPROJECT["build-system"]["requires"], *DEFAULT, *chain(*EXTRAS.values())])
def test_a_dependency_has_a_lower_bound_and_no_other(requirement):
    """`.ci/lowest` installs that very version; what is not known to fail is not forbidden."""
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*>=\d+(\.\d+)*", requirement)


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_extras_are_tested(extra):
    assert set(EXTRAS[extra]) <= set(EXTRAS["test"])


@pytest.mark.parametrize(("module", "in_function"), sorted(third_party()))
def test_what_is_imported_is_declared(module, in_function):
    """Extras are only imported by the function that needs them."""
    optional = {requirement for extra, listed in EXTRAS.items() if extra != "test" for requirement in listed}
    declared = distributions([*DEFAULT, *(optional if in_function else ())])
    assert homes(module) & (declared | (BROUGHT_BY_THE_CALLER if in_function else set()))


def test_nothing_is_declared_that_is_not_imported():
    modules = {module for module, _ in third_party()}
    assert distributions(DEFAULT) <= set(chain.from_iterable(homes(module) for module in modules))


def test_jobs_and_recipes_are_in_the_wheel(tmp_path):
    """pipelines/ and configs/ are beside the package; a wheel has them inside, without links, which Windows lacks."""
    assert [path for path in (REPOSITORY / "streamdet").rglob("*") if path.is_symlink()] == []
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    wheels.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(REPOSITORY / "streamdet", source / "streamdet", ignore=ignored)
    for name in ("pipelines", "configs"):
        shutil.copytree(REPOSITORY / name, source / name)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, wheels], cwd=source, check=True, capture_output=True)
    [wheel] = wheels.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"streamdet/{path.relative_to(REPOSITORY)}"
        for name in ("pipelines", "configs")
        for path in (REPOSITORY / name).glob("*.yaml")
    }
    assert len(expected) > 4
    assert expected <= packed


@pytest.mark.parametrize("page", ["docs/install.md", "docs/Dockerfile", "deploy/Dockerfile"])
def test_the_installation_without_torch_lists_all_other_dependencies(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8").replace("\\\n", " ")
    [listed] = re.findall(r"pip install [-a-z ]*(av numpy .*)", text)
    assert {canonical(name) for name in listed.split()} == distributions(DEFAULT) - {"torch", "torchvision"}
