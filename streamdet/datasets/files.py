"""Reading annotation files that may come from anywhere: bounded, checked, and never executed."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Annotated, TypeVar
from xml.etree import ElementTree

import yaml
from pydantic import BaseModel, Field, ValidationError

from streamdet.errors import ConfigError

# The largest public files (COCO train2017, BDD100K det_train) are about half of this.
MAX_JSON_BYTES = 1 << 30
MAX_TEXT_BYTES = 1 << 28
MAX_YAML_BYTES = 1 << 20
MAX_FRAMES = 10_000_000
MAX_SIDE = 65_536

Finite = Annotated[float, Field(allow_inf_nan=False)]
Box = tuple[Finite, Finite, Finite, Finite]
Side = Annotated[int, Field(gt=0, le=MAX_SIDE)]
FrameNumber = Annotated[int, Field(ge=0, lt=MAX_FRAMES)]
Identifier = int | str

Record = TypeVar("Record", bound=BaseModel)


def read_json(path: Path, model: type[Record]) -> Record:
    """Read a JSON file into a model.

    Raises:
        ConfigError: if it cannot be read, is too large or does not fit the model; names the first wrong record.
    """
    content = read_bytes(path, MAX_JSON_BYTES)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise _first_of(path, error) from None


def read_yaml(path: Path, model: type[Record]) -> Record:
    """Read a small YAML file into a model; only plain values are built, never objects.

    Raises:
        ConfigError: as read_json.
    """
    content = read_bytes(path, MAX_YAML_BYTES)
    try:
        # Not yaml.CSafeLoader: deep nesting makes it overflow the stack and end the process.
        return model.model_validate(yaml.safe_load(content))
    except ValidationError as error:
        raise _first_of(path, error) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _first_of(path: Path, error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    record = ".".join(str(part) for part in first["loc"]) or "the file"
    return ConfigError(f"{path}: {record}: {first['msg']}")


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file, stripped, blank ones included so that line numbers hold."""
    try:
        return [line.strip() for line in read_bytes(path, MAX_TEXT_BYTES).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text, found byte {error.object[error.start]:#04x}") from None


def read_number_rows(path: Path, separator: str | None, columns: int) -> Iterator[tuple[str, list[float]]]:
    """Rows of finite numbers, each with its place for messages; blank lines are skipped.

    Args:
        path: a text file.
        separator: between numbers; None is any white space.
        columns: how many a row has at least.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if line:
            where = f"{path}: line {number}"
            yield where, parse_numbers(where, line.rstrip(separator).split(separator), columns)


def parse_numbers(where: str, texts: Sequence[str | None], columns: int) -> list[float]:
    """Finite numbers, at least the given count."""
    try:
        values = [float(text) for text in texts if text is not None]
    except ValueError as error:
        raise ConfigError(f"{where}: expected numbers: {shorten(str(error), 120)}") from None
    if len(values) < columns or not all(map(math.isfinite, values)):
        raise ConfigError(f"{where}: expected at least {columns} finite numbers")
    return values


def read_xml(path: Path) -> ElementTree.Element:
    """Root element of an XML file; a document type (and with it any entity) is refused."""
    content = read_bytes(path, MAX_TEXT_BYTES)
    parser = ElementTree.XMLParser(target=_PlainTree(path))
    try:
        parser.feed(content)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ConfigError(f"{path}: not well-formed XML: {error}") from None
    return root


def read_bytes(path: Path, limit: int) -> bytes:
    """Content of a file of at most limit bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise ConfigError(f"{path}: larger than {limit >> 20} MiB, too large for an annotation file")
    return content


class _PlainTree(ElementTree.TreeBuilder):
    """Refuses document types: entities that expand without bound or name other files need one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called by the parser before it reads what the document type declares."""
        raise ConfigError(f"{self._path}: has a document type ({name}); annotation files need none, so it is refused")
