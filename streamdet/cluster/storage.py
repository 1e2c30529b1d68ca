"""Files here and in buckets: read, written at once, created only where nothing is, and moved.

A place is a path, or an address: s3://, gs:// (fsspec has more), and for reading http(s)://.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from streamdet.errors import ConfigError, SinkError, SourceOpenError
from streamdet.media.locations import redact
from streamdet.media.write.part_file import write_at_once

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_WRITABLE = frozenset({"s3", "gs", "gcs", "abfs", "abfss", "az", "memory"})
_EXTRAS = {"s3": "streamdet[s3]", "gs": "gcsfs", "gcs": "gcsfs", "http": "fsspec aiohttp", "https": "fsspec aiohttp"}


def is_bucket(place: str) -> bool:
    """Whether this is an address in a bucket, which can be read and written."""
    scheme = _SCHEME.match(place)
    return scheme is not None and scheme[1].lower() in _WRITABLE


def file_system(place: str) -> Any:
    """What gives access to a bucket or a web server, with the credentials of this machine's environment.

    Raises:
        ConfigError: the package for it is not installed.
    """
    scheme = place.partition("://")[0].lower()
    try:
        import fsspec

        return fsspec.filesystem(scheme)
    except (ImportError, ValueError) as error:
        package = _EXTRAS.get(scheme, "fsspec and what it needs for it")
        raise ConfigError(f"{redact(place)}: {scheme}:// needs {package}: pip install '{package}'") from error


@contextmanager
def _failing_as(kind: type[Exception], place: str, what: str) -> Iterator[None]:
    """Errors of all file systems as one of ours, without what they know of credentials."""
    try:
        yield
    except (ConfigError, SinkError, SourceOpenError):
        raise
    except Exception as error:  # of botocore, aiohttp, gcsfs ...
        said = redact(" ".join(str(error).split())) or type(error).__name__
        raise kind(f"{redact(place)}: {what}: {said[:300]}") from error


def join(place: str, name: str) -> str:
    """A name below a place."""
    return f"{place.rstrip('/')}/{name}"


def read(place: str) -> bytes | None:
    """What is there; None where nothing is.

    Raises:
        SinkError: it cannot be read.
    """
    with _failing_as(SinkError, place, "cannot be read"):
        try:
            data: bytes = file_system(place).cat_file(place) if is_bucket(place) else Path(place).read_bytes()
        except FileNotFoundError:
            return None
        return data


def write(place: str, data: bytes) -> None:
    """Replace what is there in one step.

    Raises:
        SinkError: it cannot be written.
    """
    if is_bucket(place):
        with _failing_as(SinkError, place, "cannot be written"):
            file_system(place).pipe_file(place, data)
    else:
        write_at_once(Path(place), data)


def create(place: str, data: bytes) -> bool:
    """Write a file where nothing is, whole from the moment that it is there; False where something is.

    Of all that try at the same time, on any machine, one gets True.

    Raises:
        SinkError: it cannot be written; also where its folder is gone.
    """
    with _failing_as(SinkError, place, "cannot be written"):
        try:
            if is_bucket(place):
                file_system(place).pipe_file(place, data, mode="create")
            else:
                _create_here(Path(place), data)
        except FileExistsError:
            return False
        return True


def _create_here(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    finally:
        os.unlink(name)


def move(source: str, target: str) -> None:
    """Give a whole file its final name in one step; nothing happens where another one has done it.

    Raises:
        SinkError: it cannot be moved.
    """
    with _failing_as(SinkError, target, "cannot be written"), suppress(FileNotFoundError):
        if is_bucket(target):
            system = file_system(target)
            system.cp_file(source, target)
            system.rm_file(source)
        else:
            os.replace(source, target)


def get(place: str, path: Path) -> None:
    """Fetch a file.

    Raises:
        SourceOpenError: it cannot be read.
    """
    with _failing_as(SourceOpenError, place, "cannot be fetched"):
        file_system(place).get_file(place, str(path))


def put(path: Path, place: str) -> None:
    """Send a file; nothing of it is there before it is whole.

    Raises:
        SinkError: it cannot be written.
    """
    with _failing_as(SinkError, place, "cannot be written"):
        file_system(place).put_file(str(path), place)


def exists(place: str) -> bool:
    """Whether there is a file.

    Raises:
        SinkError: that cannot be told.
    """
    with _failing_as(SinkError, place, "cannot be read"):
        return bool(file_system(place).exists(place)) if is_bucket(place) else os.path.lexists(place)


def names_below(place: str) -> set[str]:
    """Names of all files in a folder and its folders, relative to it; none where it is not there.

    Raises:
        SinkError: they cannot be listed.
    """
    if not is_bucket(place):
        root = Path(place)
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    with _failing_as(SinkError, place, "cannot be listed"):
        system = file_system(place)
        root_key = str(system._strip_protocol(place)).rstrip("/") + "/"
        system.invalidate_cache()
        try:
            return {str(key).removeprefix(root_key) for key in system.find(place)}
        except FileNotFoundError:
            return set()


def remove(place: str) -> None:
    """Remove a file, where it is there.

    Raises:
        SinkError: it cannot be removed.
    """
    with _failing_as(SinkError, place, "cannot be removed"), suppress(FileNotFoundError):
        if is_bucket(place):
            file_system(place).rm_file(place)
        else:
            os.unlink(place)


def remove_tree(place: str) -> None:
    """Remove a folder and all in it, as far as it can be."""
    if not is_bucket(place):
        shutil.rmtree(place, ignore_errors=True)
        return
    with suppress(SinkError), _failing_as(SinkError, place, "cannot be removed"):
        system = file_system(place)
        system.invalidate_cache()
        if system.exists(place):
            system.rm(place, recursive=True)
