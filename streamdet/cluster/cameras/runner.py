"""The runner of a machine: one process, one detector, its cameras side by side, and a server of what the page shows."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from streamdet.cluster.cameras.earlier import before_of, files_of
from streamdet.cluster.cameras.writers import Writer
from streamdet.cluster.work import detector_of
from streamdet.errors import ConfigError, StreamdetError
from streamdet.frames import Checkpoint, Place
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.events import Event
from streamdet.jobs.lasting import LastingSession
from streamdet.jobs.resume.checkpoints import packed, unpacked
from streamdet.media.locations import SourceSpec
from streamdet.models.contract import Detector
from streamdet.result import Result
from streamdet.server.app import build_app
from streamdet.server.run import Address, Server
from streamdet.server.service import Files, Service
from streamdet.version import __version__

log = logging.getLogger("streamdet")

_WINDOW_S = 10.0  # over which the load is measured
_MOST = 10_000  # frames in it
_LEAVE_S = 20.0
_ORPHAN_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class RunnerJob:
    """What a runner is started with.

    Attributes:
        config: of the job, without sources.
        identity: of the job, equal where a runner need not be started again for it.
        folder: current folder of the driver, for relative paths.
        data: folder of the events and clips of this machine.
        host: address at which its server listens.
        token: of that server.
        version: of the driver's streamdet.
    """

    config: PipelineConfig
    identity: str
    folder: str
    data: str
    host: str
    token: str
    version: str


class Runner:
    """Reads the cameras that it is told to. All methods may be called at the same time.

    Args:
        job: what is done with each camera.

    Raises:
        ConfigError, ModelError: it cannot be done here.
    """

    def __init__(self, job: RunnerJob) -> None:
        if job.version != __version__:
            raise ConfigError(f"this machine has streamdet {__version__}, expected {job.version} as the driver has")
        self._job = job
        try:
            os.chdir(job.folder)
            Path(job.data).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}; expected it as on the driver's machine") from error
        self._detector = detector_of(job.config)
        self._meter = _Meter()
        self._writer, self._files = Writer(_end_without), dict[str, list[Path]]()
        self._session = LastingSession(job.config, self._detector, [self._meter], self._writer.check)
        self._service = Service(self._session, Files(Path(job.data)))
        self._server = Server(partial(build_app, self._service), Address(job.host, 0, job.token))
        self._changing = threading.Lock()
        self._port = 0
        self._listens = threading.Event()
        self._serving = threading.Thread(target=self._serve, name="serve", daemon=True)
        self._service.start()
        self._serving.start()
        if not self._listens.wait(60) or not self._port:
            raise ConfigError(f"cannot listen at {job.host}")

    def _serve(self) -> None:
        try:
            self._server.serve_until_stopped(self._listen)
        finally:
            self._listens.set()

    def _listen(self, port: int) -> None:
        self._port = port
        self._listens.set()

    def about(self) -> dict[str, Any]:
        """What a driver has to know of it."""
        return {"identity": self._job.identity, "host": self._job.host, "port": self._port, "token": self._job.token}

    def report(self) -> dict[str, Any]:
        """How it is: streams, load, and how far each camera is."""
        names = sorted(self._session.sources)
        places = {name: self._meter.places[name] for name in names if name in self._meter.places}
        p95_s, dropped = self._meter.load()
        crash = self._service.crash
        return {
            "status": self._service.status(),
            "cameras": names,
            "places": places,
            "p95_s": p95_s,
            "dropped": dropped,
            "crash": None if crash is None else str(crash),
        }

    def join(self, spec: SourceSpec, place: Place | None, handed: bytes | None) -> str | None:
        """Read a camera from now on.

        Args:
            spec: the camera.
            place: how far it was; None: it is new.
            handed: what `leave` of another runner gave.

        Returns:
            Why it cannot be read; None where it is.
        """
        if spec.name in self._session.sources:
            return None
        try:
            given = self._usable(handed)
            place = place if given is None else given.place
            self._files[spec.name], place = files_of(self._session.config, spec, place)
            self._writer.take(self._files[spec.name])
            with self._changing:
                before = before_of(self._session.config, spec, place, given)
                self._meter.forget(spec.name)
                if spec.name not in self._session.sources:
                    self._session.join(spec, before)
        except (StreamdetError, ValueError, RuntimeError, OSError) as error:
            self._release(spec.name)
            return " ".join(str(error).split())
        return None

    def leave(self, name: str) -> bytes | None:
        """Read a camera no longer; gives what continues it on another machine.

        Returns:
            None where it has given no frame, or is not read here.

        Raises:
            TimeoutError: it does not end in time.
        """
        try:
            checkpoint = self._session.hand_over(name, _LEAVE_S)
        except KeyError:
            return None
        self._release(name)
        return None if checkpoint is None else packed(checkpoint, self._session.about)

    def change(self, stage: str, values: Mapping[str, Any]) -> None:
        """Change settings of a stage; those that it has already stay untouched."""
        now = self._session.adjustments.settings_of(stage).model_dump(mode="json")
        changed = {key: value for key, value in values.items() if now.get(key) != value}
        if changed:
            self._session.adjustments.change(stage, changed)

    def close(self) -> dict[str, Place]:
        """Complete all that is written; gives how far each camera was."""
        places = dict(self._meter.places)
        self._server.stop()
        self._service.close()
        for name in list(self._files):
            self._release(name)
        return places

    def _release(self, name: str) -> None:
        """Others may write the files of a camera."""
        self._writer.release(self._files.pop(name, []))

    def _usable(self, handed: bytes | None) -> Checkpoint | None:
        """What was handed over, without a state that this detector could not use."""
        if handed is None:
            return None
        saved = unpacked(handed, "what was handed over")
        checkpoint = saved.checkpoint
        if saved.about == dict(self._session.about) and _fits(self._detector, checkpoint):
            return checkpoint
        place = None if checkpoint.place is None else replace(checkpoint.place, exact=False)
        sections = {name: each for name, each in checkpoint.sections.items() if name == "record"}
        return replace(checkpoint, sections=sections, place=place)


class _Meter:
    """A listener: how soon frames are worked off, how many are dropped, and how far each stream is."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self._recent: deque[tuple[float, float, int]] = deque(maxlen=_MOST)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Result):
            now_s = time.monotonic()
            age_s = now_s - (event.frame.captured_s or now_s)
            self._recent.append((now_s, age_s, event.frame.dropped_before))
            self.places[event.source] = Place(event.session, event.index, event.pts_s, time.time())

    def forget(self, name: str) -> None:
        """A stream starts again."""
        self.places.pop(name, None)

    def load(self) -> tuple[float | None, float]:
        """95th percentile of the seconds from capture to result, and the fraction of frames that are dropped."""
        oldest_s = time.monotonic() - _WINDOW_S
        recent = [(age_s, dropped) for at_s, age_s, dropped in list(self._recent) if at_s >= oldest_s]
        if not recent:
            return None, 0.0
        ages_s = sorted(age_s for age_s, _ in recent)
        dropped = sum(count for _, count in recent)
        return ages_s[int(0.95 * (len(ages_s) - 1))], dropped / (dropped + len(recent))


def _fits(detector: Detector, checkpoint: Checkpoint) -> bool:
    memory = getattr(checkpoint.sections.get("detect"), "memory", None)
    try:
        if memory:
            detector.state_from_arrays(memory)
    except (StreamdetError, ValueError, LookupError, TypeError):
        return False
    return True


def _end_without(path: Path) -> None:
    """End this process, which the driver has given up: its cameras are read elsewhere."""
    log.error("%s: another machine writes it now; this runner was taken for dead, and ends", path)
    os._exit(1)


def end_with(parent: int) -> None:
    """End this process when that one, which has started it, is gone: nobody could tell it to leave a camera."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_ORPHAN_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()
