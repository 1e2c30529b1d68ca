"""A pipeline file that is changed while its job runs: sources that it names now join, those that are gone leave."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streamdet.errors import StreamdetError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.outputs import Outputs, plan_outputs
from streamdet.jobs.sources import find_sources
from streamdet.jobs.streams import Streams
from streamdet.jobs.tally import Tally
from streamdet.media.locations import SourceSpec, expand_sources

log = logging.getLogger("streamdet")

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


class Members:
    """The sources of a job that runs, with all that has to know of one.

    Args:
        config: of the job.
        specs: the sources at the start.
        outputs: of the job; what joins is added there.
        shared: sources whose detections go to one place, by name; None where they do not.
    """

    def __init__(
        self,
        config: PipelineConfig,
        specs: Sequence[SourceSpec],
        outputs: Outputs,
        streams: Streams,
        tally: Tally,
        shared: dict[str, str] | None,
    ) -> None:
        self._config, self._outputs, self._streams, self._tally, self._shared = config, outputs, streams, tally, shared
        self._locations = {spec.name: spec.location for spec in specs}

    def change_to(self, wanted: Sequence[SourceSpec]) -> None:
        """Let those join that are not there yet, and those leave that are not wanted any more."""
        missing = [spec.location for spec in wanted]
        for name, location in list(self._locations.items()):
            if location in missing:
                missing.remove(location)
            else:
                del self._locations[name]
                self._streams.remove(name)
                log.info("%s: leaves", name)
        for location in missing:
            [spec] = expand_sources([location], self._streams.all_names)
            try:
                self._add(spec)
            except (StreamdetError, ValueError) as error:
                log.error("%s: cannot join: %s", spec.name, error)
            else:
                self._locations[spec.name] = location
                log.info("%s: joins", spec.name)

    def _add(self, spec: SourceSpec) -> None:
        planned = plan_outputs(self._config, [spec.name], [], beside=list(self._locations))
        self._outputs.videos.update(planned.videos)
        self._outputs.detections.update(planned.detections)
        if self._shared is not None and planned.shared is not None:
            self._shared[spec.name] = planned.shared
        self._tally.add(spec)
        self._streams.add(spec)


class Watching:
    """While the block runs, a file is looked at every second, and what it names takes effect. None: nothing is done."""

    def __init__(self, file: SourcesFile | None, members: Members) -> None:
        self._file = file
        self._members = members
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
                    self._members.change_to(find_sources(self._file.read()))
                except StreamdetError as error:
                    log.error("%s\nthe streams stay as they are", error)
                except RuntimeError:  # the run is over
                    return


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
