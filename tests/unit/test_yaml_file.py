"""A YAML file becomes a model, or every mistake in it is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamdet.errors import ConfigError
from streamdet.yaml_file import Override, Section, load_yaml, parse_override


class Inner(Section):
    """A section with one of each."""

    rate: float = 0.1
    sizes: tuple[int, ...] = (1, 2)
    name: str = "a"


class Outer(Section):
    """A file with a key that has no default."""

    needed: int
    inner: Inner = Inner()
    other: Inner | None = None


def write(folder: Path, text: str) -> Path:
    path = folder / "job.yaml"
    path.write_text(text)
    return path


def mistakes(path: Path | None, *overrides: str | Override) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Outer, overrides)
    return str(caught.value).replace(f"{path}:", "FILE:").splitlines()


def test_file_and_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "needed: 1\ninner:\n  rate: 1e-3\n  sizes: [4, 5]\n")
    loaded = load_yaml(
        path, Outer, ["needed=7", "inner.sizes=[9]", "other.name=x y", Override("inner.name", "b", "--b")]
    )
    assert loaded == Outer(needed=7, inner=Inner(rate=0.001, sizes=(9,), name="b"), other=Inner(name="x y"))


def test_no_file_means_defaults() -> None:
    assert load_yaml(None, Outer, ["needed=2"]) == Outer(needed=2)


def test_all_mistakes_at_once_with_line_and_key(tmp_path: Path) -> None:
    path = write(tmp_path, "needed: yes\ninner:\n  rte: 3\n  sizes: [1, two]\nother:\n  name: 5\nextra: 1\n")
    assert sorted(mistakes(path)) == [
        "FILE:1: needed: expected a whole number, got true",
        "FILE:3: inner.rte: unknown key; did you mean rate?",
        'FILE:4: inner.sizes[1]: expected a whole number, got "two"',
        "FILE:6: other.name: expected text, got 5",
        "FILE:7: extra: unknown key; expected one of needed, inner, other",
    ]


def test_missing_key(tmp_path: Path) -> None:
    assert mistakes(write(tmp_path, "")) == ["FILE: needed: missing; expected a value"]


def test_a_mistake_in_an_override_is_reported_under_it(tmp_path: Path) -> None:
    path = write(tmp_path, "needed: 1\ninner: {rate: 2}\n")
    assert mistakes(path, "inner.rate=fast", "nonsense", "needed.x=1", Override("inner.name", 3, "--name")) == [
        "--set nonsense: expected key=value, such as detect.conf=0.4",
        "--set needed.x=1: needed is a value, not a section",
        '--set inner.rate=fast: expected a number, got "fast"',
        "--name: expected text, got 3",
    ]


def test_an_override_of_a_value_in_a_list(tmp_path: Path) -> None:
    path = write(tmp_path, "needed: 1\ninner: {sizes: [1, 2]}\n")
    assert load_yaml(path, Outer, ["inner.sizes.1=5"]).inner.sizes == (1, 5)
    assert mistakes(path, "inner.sizes.1=two") == ['--set inner.sizes.1=two: expected a whole number, got "two"']
    outside = "inner.sizes is a list of 2; expected inner.sizes.0 to inner.sizes.1"
    for key in ("inner.sizes.2", "inner.sizes.x", "inner.sizes.2.x"):
        assert mistakes(path, f"{key}=5") == [f"--set {key}=5: {outside}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("needed: 1\nneeded: 2\n", "FILE:2: needed: expected once, is in line 1 already"),
        ("needed: 1\ninner: {rate: 1, rate: 2}\n", "FILE:2: inner.rate: expected once, is in line 2 already"),
        ("- 1\n", "FILE: expected key: value lines, got [1]"),
        ("needed: [1\n", "FILE:2:1: not valid YAML: while parsing a flow sequence expected ',' or ']'"),
        ("a: 1\n---\nb: 2\n", "FILE:2:1: not valid YAML: expected a single document"),
        ("a: !!python/object/apply:os.system [ls]\n", "FILE:1:4: not valid YAML: could not determine a constructor"),
        ("a: &a [*a]\n", "FILE: not valid YAML: nested too deeply"),
        ("[" * 3000, "FILE: not valid YAML: nested too deeply"),
        ("a: \0\n", "FILE: not valid YAML: unacceptable character"),
        ("2024-01-01: 1\n", "FILE: not valid YAML: keys must be"),
    ],
)
def test_yaml_fails(tmp_path: Path, text: str, expected: str) -> None:
    (mistake,) = mistakes(write(tmp_path, text))
    assert mistake.startswith(expected)


def test_nested_aliases_do_not_eat_the_memory(tmp_path: Path) -> None:
    levels = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    levels += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (mistake,) = mistakes(write(tmp_path, "\n".join(levels)))
    assert "more than 100000 values" in mistake


def test_an_override_changes_one_of_two_aliased_sections(tmp_path: Path) -> None:
    path = write(tmp_path, "needed: 1\ninner: &i {rate: 2}\nother: *i\n")
    loaded = load_yaml(path, Outer, ["other.rate=3"])
    assert (loaded.inner.rate, loaded.other and loaded.other.rate) == (2, 3)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8 text"),
    ],
)
def test_file_fails(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    path = tmp_path / "job.yaml"
    make(path)
    assert mistakes(path) == [f"FILE: expected a YAML file: {reason}"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("1e-3", 0.001), ("[a, b]", ["a", "b"]), ("", None), ("true", True), ("a=b", "a=b"), ("'7'", "7")],
)
def test_override_values_are_yaml(text: str, value: object) -> None:
    assert parse_override(f"a.b={text}") == Override("a.b", value, f"--set a.b={text}")


@pytest.mark.parametrize("text", ["a", "=1", "a..b=1", ".a=1", "a=[", "a={b: 1, b: 2}"])
def test_override_fails(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--set "):
        parse_override(text)


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "needed: rtsp://user:s3cret@camera/1\n")
    assert "s3cret" not in "".join(mistakes(path, "inner.rate=rtsp://user:s3cret@camera"))
