"""The table of cameras: where each is, kept in a file, so that a driver that starts again finds them."""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from streamdet.cluster.cameras.earlier import check_outputs
from streamdet.cluster.cameras.settings import check_label
from streamdet.errors import ConfigError
from streamdet.frames import Place
from streamdet.jobs.config import PipelineConfig
from streamdet.media.locations import SourceSpec, expand_sources
from streamdet.media.write.part_file import write_at_once

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One camera.

    Attributes:
        name: of its stream.
        source: its address, credentials included.
        machine: name of the machine that is to read it; None: none is.
        since: of that, seconds since 1970.
        place: how far it was, as far as is known.
        crashes: of runners that ended while they read it, one after another.
        not_before: it is not placed before, seconds since 1970.
        problem: why it is not read, one line without credentials; None where nothing is known.
    """

    name: str
    source: str
    machine: str | None = None
    since: float = 0.0
    place: Place | None = None
    crashes: int = 0
    not_before: float = 0.0
    problem: str | None = None

    @property
    def spec(self) -> SourceSpec:
        """The source."""
        [spec] = expand_sources([self.source])
        return replace(spec, name=self.name)


Rows = dict[str, Row]


def load_rows(path: Path) -> Rows:
    """Of the file, by name; none where there is no file.

    Raises:
        ConfigError: it is damaged, or of another version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise ConfigError(f"{path}: has format {document['format']}, expected {_FORMAT}")
        rows = [_row(values) for values in document["cameras"]]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{path}: is no table of cameras; remove it to place all cameras again") from error
    return {row.name: row for row in rows}


def save_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write the file in one step, readable by its owner alone.

    Raises:
        SinkError: it cannot be written.
    """
    before = os.umask(0o077)
    try:
        write_at_once(path, json.dumps({"format": _FORMAT, "cameras": [asdict(row) for row in rows]}).encode())
    finally:
        os.umask(before)


def rows_of(sources: Iterable[str], before: Rows) -> Rows:
    """The rows of the sources of a job: a source that was there before keeps its name and its place.

    Raises:
        ConfigError, SourceOpenError: one is wrong, or is no camera.
    """
    known = {row.source: row for row in before.values()}
    found: Rows = {}
    for source in sources:
        for spec in expand_sources([source], [*found, *before]):
            if spec.kind not in ("network", "camera"):
                raise ConfigError(f"{spec.shown}: expected a camera or a stream, such as rtsp://host/path")
            row = known.get(spec.location) or Row(spec.name, spec.location)
            found[row.name] = row
    return found


class Table:
    """The cameras, and where each is. Its methods may be called from any thread.

    Args:
        config: of the job.
        sources: of the job: the cameras.
        needs: by name of a camera: the label of a machine that can reach it.
        file: where it is kept.

    Attributes:
        lock: guards all that follows.
        rows, needs: by name of the camera.
        changed: it is not in the file as it is here.

    Raises:
        ConfigError: a source is wrong, what is written of it could not be continued, or the file is damaged.
    """

    def __init__(self, config: PipelineConfig, sources: Iterable[str], needs: Mapping[str, str], file: Path) -> None:
        self._config, self._file = config, file
        self.lock = threading.RLock()
        self.rows: Rows = rows_of(sources, load_rows(file))
        self.needs = dict(needs)
        self.changed = True
        if unknown := sorted(set(needs) - set(self.rows)):
            raise ConfigError(f"cluster.needs: there is no camera {unknown[0]}; expected one of {few(self.rows)}")
        check_outputs(config, [row.spec for row in self.rows.values()])

    def add(self, source: str, needs: str | None = None) -> str:
        """Let a camera join; gives its name.

        Raises:
            ConfigError, SourceOpenError: it is no camera, is there already, or what it writes could not be continued.
            ValueError: the label is none.
        """
        if needs is not None:
            check_label(needs)
        with self.lock:
            if any(row.source == source for row in self.rows.values()):
                raise ConfigError("this camera is there already")
            found = rows_of([source], self.rows)
            if len(found) != 1:
                raise ConfigError(f"expected one camera, got {len(found)}")
            [row] = found.values()
            check_outputs(self._config, [row.spec])
            self.rows[row.name] = row
            if needs is not None:
                self.needs[row.name] = needs
            self.changed = True
        return row.name

    def remove(self, name: str) -> None:
        """Let a camera leave.

        Raises:
            KeyError: there is no such camera.
        """
        with self.lock:
            self.row(name)
            del self.rows[name]
            self.needs.pop(name, None)
            self.changed = True

    def row(self, name: str) -> Row:
        """One camera; raises KeyError."""
        if name not in self.rows:
            raise KeyError(f"camera {name}")
        return self.rows[name]

    def set(self, name: str, **values: Any) -> Row:
        """Change what is known of a camera."""
        with self.lock:
            self.changed = True
            self.rows[name] = row = replace(self.rows[name], **values)
            return row

    def note_places(self, places: Mapping[str, Place]) -> None:
        """How far cameras are, which alone need not be kept at once."""
        with self.lock:
            for name in places.keys() & self.rows.keys():
                self.rows[name] = replace(self.rows[name], place=places[name])

    def save(self) -> None:
        """Keep it; raises SinkError."""
        with self.lock:
            save_rows(self._file, self.rows.values())
            self.changed = False


def few(names: Iterable[str]) -> str:
    """Some of them, for a message."""
    some = sorted(names)
    return ", ".join(some[:20]) + (", ..." if len(some) > 20 else "") if some else "none"


def _row(values: dict[str, Any]) -> Row:
    place = values.pop("place")
    return Row(**values, place=None if place is None else Place(**place))
