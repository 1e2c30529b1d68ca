"""A pipeline file that is changed while its job runs: sources that it names now join, those that are gone leave."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streamdet.errors import StreamdetError
from streamdet.jobs.events import JobProblem
from streamdet.jobs.plan import SourceJob
from streamdet.jobs.session import Session
from streamdet.jobs.sources import find_sources
from streamdet.media.locations import SourceSpec, expand_sources

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class SourcesFile:
    """Where a job's sources are named.

    Attributes:
        path: the file.
        read: gives the sources as they are named now; raises ConfigError.
    """

    path: Path
    read: Callable[[], Sequence[str]]


class Watching:
    """While the block runs, a file is checked every second, and its changes take effect.

    Args:
        file: None: nothing is done.
        session: has started.
        jobs: of the sources at the start.
    """

    def __init__(self, file: SourcesFile | None, session: Session, jobs: Sequence[SourceJob]) -> None:
        self._file, self._session = file, session
        self._locations = {job.name: job.spec.location for job in jobs}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch the pipeline", daemon=True)

    def __enter__(self) -> Self:
        if self._file is not None:
            self._version = _version(self._file.path)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._file is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            if self._file is not None and (version := _version(self._file.path)) != self._version:
                self._version = version
                try:
                    self._change_to(find_sources(self._file.read()))
                except StreamdetError as error:
                    self._session.tell(JobProblem(f"{error}\nthe streams stay unchanged"))
                except RuntimeError:  # the session is over
                    return

    def _change_to(self, wanted: Sequence[SourceSpec]) -> None:
        """Let those join that are not there yet, and those leave that are not wanted any more."""
        missing = [spec.location for spec in wanted]
        for name, location in list(self._locations.items()):
            if location in missing:
                missing.remove(location)
            else:
                del self._locations[name]
                self._session.remove(name)
        for location in missing:
            [spec] = expand_sources([location], [job.name for job in self._session.jobs])
            try:
                self._session.add([location])
            except (StreamdetError, ValueError) as error:
                self._session.tell(JobProblem(f"{spec.name}: cannot join: {error}"))
            else:
                self._locations[spec.name] = location


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
