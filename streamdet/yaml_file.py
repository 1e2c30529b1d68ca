"""One YAML file becomes one pydantic model: every mistake in it is named by file, line and key, all at once."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from streamdet.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]


class Section(BaseModel):
    """Base of every section: an unknown key or a value of another type is a mistake, never ignored or converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Override:
    """One value that replaces the file's.

    Attributes:
        key: dotted, as `detect.conf`.
        value: as YAML would read it.
        origin: what a mistake in it is reported under, such as `--conf`.
    """

    key: str
    value: Any
    origin: str


def find_yaml(name: str | Path, folder: Literal["pipelines", "configs"]) -> Path:
    """The file that a name means.

    Args:
        name: a path; or the name of a file in the package, without folder and suffix, such as `annotate_file`.
        folder: of the package.

    Raises:
        ConfigError: if it looks like a name and neither is there.
    """
    path = Path(name)
    if path.suffix or path.name != str(name) or path.is_file():
        return path
    package = Path(str(files("streamdet")))
    # In a checkout they are beside the package.
    places = (package / folder, package.parent / folder)
    packaged = {file.stem: file for place in places if place.is_dir() for file in place.glob("*.yaml")}
    if path.name not in packaged:
        known = ", ".join(sorted(packaged))
        raise ConfigError(
            f"{name}: no such file, and not a name in the package; expected a YAML file or one of {known}"
        )
    return packaged[path.name]


def load_yaml(path: str | Path | None, model_class: type[Model], overrides: Sequence[str | Override] = ()) -> Model:
    """Read one YAML file into a model.

    Args:
        path: the file; None: an empty one, so that the model's defaults and the overrides make up everything.
        model_class: a pydantic model; lists become tuples, texts paths and enums where it asks for them.
        overrides: applied in order on top of the file; a text is `key=value`, the value in YAML.

    Raises:
        ConfigError: one line for every mistake: file and line (or the override), key, what was expected.
    """
    document, lines = ({}, {}) if path is None else _read(Path(path))
    mistakes: list[str] = []
    applied: list[Override] = []
    for override in overrides:
        try:
            applied.append(parse_override(override) if isinstance(override, str) else override)
            _apply(document, applied[-1])
        except ConfigError as error:
            mistakes.append(str(error))
    model = None
    try:
        # JSON's rules, not Python's: strict, yet a list may become a tuple and a text a path.
        model = model_class.model_validate_json(json.dumps(document))
    except ValidationError as error:
        for details in error.errors(include_url=False):
            where = _where(details["loc"], path, lines, applied)
            mistakes.append(f"{where}: {_problem(details, model_class)}")
    if mistakes or model is None:
        raise ConfigError("\n".join(mistakes))
    return model


def read_values(values: Mapping[str, Any], model_class: type[Model], origin: str) -> Model:
    """Check values that came from elsewhere than a file, as JSON holds them.

    Args:
        values: by key.
        model_class: as in `load_yaml`.
        origin: what mistakes are reported under.

    Raises:
        ConfigError: one line for every mistake.
    """
    try:
        return model_class.model_validate_json(json.dumps(values))
    except ValidationError as error:
        lines = [
            f"{_where(details['loc'], origin, {}, [])}: {_problem(details, model_class)}"
            for details in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from error


def parse_override(text: str) -> Override:
    """Read `key=value`; the value is YAML, so `0.4` is a number, `[person, car]` a list and nothing is null.

    Raises:
        ConfigError: if it is not of that form.
    """
    origin = f"--set {_hide_urls(text)}"
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ConfigError(f"{origin}: expected key=value, such as detect.conf=0.4")
    node, _ = _parse(value, origin)
    return Override(key, node, origin)


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 does and YAML 1.1 does not."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _read(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: expected a YAML file: {reason}") from error
    document, lines = _parse(text, str(path))
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected key: value lines, got {_shown(document)}")
    return document, lines


def _parse(text: str, origin: str) -> tuple[Any, dict[Location, int]]:
    """Read one YAML document as plain JSON values, and the line of every key."""
    lines: dict[Location, int] = {}
    mistakes: list[str] = []
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        _index(node, (), lines, mistakes)
        if mistakes:
            raise ConfigError("\n".join(f"{origin}:{mistake}" for mistake in mistakes))
        # Through JSON: values that two places share by an alias become separate, so an override changes one.
        return json.loads(json.dumps(loader.construct_document(node), default=str)), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{origin}{at}: not valid YAML: {' '.join(filter(None, (error.context, error.problem)))}"
        ) from error
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ConfigError(f"{origin}: not valid YAML: {reason}") from error


def _index(node: yaml.Node, at: Location, lines: dict[Location, int], mistakes: list[str]) -> None:
    """Note the line of every key, and every key that comes twice: YAML would let the last one win in silence."""
    if len(lines) > 100_000:  # a few nested aliases expand to billions of values
        raise ValueError("more than 100000 values once its aliases are expanded")
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for place, child in enumerate(node.value):
            _index(child, (*at, place), lines, mistakes)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, child in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen and name != "<<":
                mistakes.append(f"{line}: {_dotted((*at, name))}: expected once, is in line {seen[name]} already")
            seen[name] = line
            lines[(*at, name)] = line
            _index(child, (*at, name), lines, mistakes)


def _apply(document: dict[str, Any], override: Override) -> None:
    *sections, last = override.key.split(".")
    values: Any = document
    for depth, section in enumerate(sections):
        values = _inner(values, section, override.origin, ".".join(sections[:depth]))
        if not isinstance(values, dict | list):
            raise ConfigError(f"{override.origin}: {'.'.join(sections[: depth + 1])} is a value, not a section")
    if isinstance(values, list):
        _inner(values, last, override.origin, ".".join(sections))
        values[int(last)] = override.value
    else:
        values[last] = override.value


def _inner(values: dict[str, Any] | list[Any], key: str, origin: str, at: str) -> Any:
    """What a section holds under a key, a new section where there is none; or a list at a place, from 0."""
    if isinstance(values, dict):
        return values.setdefault(key, {})
    if not key.isdecimal() or int(key) >= len(values):
        raise ConfigError(f"{origin}: {at} is a list of {len(values)}; expected {at}.0 to {at}.{len(values) - 1}")
    return values[int(key)]


def _where(location: Location, path: str | Path | None, lines: Mapping[Location, int], applied: list[Override]) -> str:
    """Name what a mistake came from: the override that set it, else file, line and key."""
    for override in reversed(applied):
        key = tuple(override.key.split("."))
        if key == tuple(map(str, location[: len(key)])):
            return override.origin
    place = next((f":{lines[location[:n]]}" for n in range(len(location), 0, -1) if location[:n] in lines), "")
    return f"{path or 'job'}{place}: {_dotted(location)}"


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a section",
    "model_type": "a section",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
}


def _problem(details: Mapping[str, Any], model_class: type[BaseModel]) -> str:
    """Say what was expected and what the file has."""
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return "missing; expected a value"
    if kind == "extra_forbidden":
        known = _fields(model_class, details["loc"][:-1])
        near = difflib.get_close_matches(str(details["loc"][-1]), known, n=1)
        return "unknown key; " + (f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}")
    if kind == "value_error":
        return str(context["error"])
    context = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    expected = _EXPECTED[kind].format(**context) if kind in _EXPECTED else details["msg"]
    return f"expected {expected}, got {_shown(details['input'])}"


def _fields(model_class: type[BaseModel], location: Location) -> list[str]:
    """Names of the keys that the section at a location may hold."""
    for name in location:
        field = model_class.model_fields.get(str(name))
        types: list[Any] = [field.annotation] if field else []
        while types and not (isinstance(types[0], type) and issubclass(types[0], BaseModel)):
            types = [*get_args(types[0]), *types[1:]]
        model_class = types[0] if types else model_class
    return list(model_class.model_fields)


def _dotted(location: Location) -> str:
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return parts.removeprefix(".")


def _shown(value: Any) -> str:
    text = _hide_urls(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _hide_urls(text: str) -> str:
    """Drop all of a URL but its scheme: it may carry a password."""
    return re.sub(r"([A-Za-z][\w+.-]*://)[^\s\"']*", r"\1...", text)
