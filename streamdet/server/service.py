"""A job that is served: its session in a thread, and what the page may ask of it."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from streamdet.errors import ConfigError
from streamdet.jobs.events import Event, JobFailed, JobFinished, Listener
from streamdet.jobs.outcome import Outcome
from streamdet.jobs.session import Session
from streamdet.media.locations import SCHEMES
from streamdet.result import Result
from streamdet.server.job_file import write_section
from streamdet.server.live import Live
from streamdet.server.metrics import Metrics
from streamdet.server.status import Watch
from streamdet.server.store import EventStore
from streamdet.server.traces import traces_of_environment
from streamdet.stages.clips import ClipSettings
from streamdet.zones.options import ZoneOptions

_JOIN_S = 10.0


def _clips_of(session: Session) -> Path | None:
    config = session.config
    return Path(config.settings(ClipSettings).path) if "clips" in config.stages else None


@dataclass(frozen=True, slots=True)
class Files:
    """What a server keeps.

    Attributes:
        data: folder of the events.
        job: file in which changes of streams and zones are saved; None: nowhere.
        sources: the job's file names the sources.
    """

    data: Path
    job: Path | None = None
    sources: bool = False


class Service:
    """A session that is shown and changed while it runs.

    Args:
        session: not started yet.
        files: what is kept.
        listener: is told what happens, besides the page.

    Attributes:
        live, watch, store, metrics: pictures, states, events and figures of the session.
    """

    def __init__(self, session: Session, files: Files, listener: Listener | None = None) -> None:
        self.session, self._files = session, files
        self._crashed: Callable[[], None] = lambda: None
        stages = session.config.stages
        self.live = Live(drawn="annotate" in stages)
        self.watch = Watch(session)
        self.store = EventStore(files.data / "events.sqlite", clips=_clips_of(session))
        self.metrics = CollectorRegistry()
        figures = Metrics(session, self.watch, self.live)
        self.metrics.register(figures)
        self.outcome: Outcome | None = None
        self.crash: Exception | None = None
        self._locations = {job.name: job.spec.location for job in session.jobs}
        self._changing = threading.Lock()
        self._traces = traces_of_environment()
        for each in (self.live, self.watch, figures, self.store, self._hear, self._traces, listener):
            if each is not None:
                session.listen(each)
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def start(self, crashed: Callable[[], None] = lambda: None) -> None:
        """Start the session; raises as that.

        Args:
            crashed: called when a stage has failed, which ends the session.
        """
        self._crashed = crashed
        self.session.start()
        self._thread.start()

    def close(self) -> None:
        """Stop the session, and write what waits."""
        self.session.stop()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            self.session.cancel()
            self._thread.join(_JOIN_S)
        self.live.close()
        if self._traces is not None:
            self._traces.close()
        self.store.close()

    def _run(self) -> None:
        self.outcome = self.session.wait()
        if self.crash is not None:
            self._crashed()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Result) and event.zones.events:
            kinds = [{"kind": each.kind, "zone": each.zone} for each in event.zones.events]
            self.live.tell(json.dumps({"type": "events", "stream": event.source, "events": kinds}))
        elif isinstance(event, JobFailed):
            self.crash = event.error
        elif isinstance(event, JobFinished):
            self.outcome = event.outcome

    @property
    def running(self) -> bool:
        """Whether the job has not ended."""
        return self.outcome is None

    def status(self) -> dict[str, Any]:
        """Streams, stages and viewers, as JSON holds it."""
        stats = self.session.stats
        return {
            "time": round(time.time(), 1),
            "running": self.running,
            "streams": [stream.to_dict() for stream in self.watch.streams()],
            "stages": [
                {"name": stage.name, "busy": round(stage.busy_share, 3)} for stage in (*stats.stages, stats.consumer)
            ],
            "bound_by": stats.bound_by,
            "viewers": self.live.viewers,
            "saves": self._files.job is not None,
        }

    def settings(self) -> dict[str, Any]:
        """What can be changed of detect, and the classes that there are."""
        detect = self.session.adjustments.settings_of("detect").model_dump(mode="json")
        keys = ("model", "conf", "class_conf", "iou", "max_detections", "classes")
        return {key: detect[key] for key in keys} | {"known_classes": list(self.session.adjustments.classes)}

    def add(self, source: str) -> list[str]:
        """Let a source join; a file of this machine cannot, as whoever has the page could read any of them.

        Raises:
            ConfigError: it is none that can.
        """
        scheme = source.partition("://")[0].lower() if "://" in source else ""
        if scheme not in SCHEMES and not (source.isascii() and source.isdigit()):
            raise ConfigError("expected an address such as rtsp://host/path, or the number of a camera")
        with self._changing:
            names = self.session.add([source])
            self._locations |= dict.fromkeys(names, source)
            self._save_sources()
        return names

    def remove(self, name: str) -> None:
        """Let a source leave.

        Raises:
            KeyError: there is no such source.
            ConfigError: there is no other one.
        """
        with self._changing:
            if self.session.sources == {name}:
                raise ConfigError(f"{name} is the only stream, and the job would end with it; add another one first")
            self.session.remove(name)
            del self._locations[name]
            self._save_sources()

    def pause(self, name: str, *, paused: bool) -> None:
        """Read nothing of a source, or continue; raises as `remove`."""
        (self.session.streams.pause if paused else self.session.streams.resume)(name)

    def zones(self) -> dict[str, Any]:
        """The section zones, as JSON holds it."""
        options: ZoneOptions = self.session.adjustments.settings_of("zones")
        document: dict[str, Any] = options.model_dump(mode="json")
        return document

    def change_zone(self, kind: str, name: str, shape: dict[str, Any] | None) -> dict[str, Any]:
        """Draw, change or (None) remove an area, a line or a ground, and save it.

        Raises:
            ConfigError: it is none.
            KeyError: there is none of this name that could be removed.
            SinkError: it cannot be saved.
        """
        with self._changing:
            shapes = with_shape(self.zones()[kind], name, shape)
            self.session.adjustments.change("zones", {kind: shapes})
            options: ZoneOptions = self.session.adjustments.settings_of("zones")
            if self._files.job is not None:
                write_section(self._files.job, "zones", options.model_dump(mode="json", exclude_defaults=True))
            return self.zones()

    def _save_sources(self) -> None:
        if self._files.job is not None and self._files.sources:
            write_section(self._files.job, "sources", list(self._locations.values()))


def with_shape(shapes: Mapping[str, Any], name: str, shape: dict[str, Any] | None) -> dict[str, Any]:
    """The areas, lines or grounds of a job with one of them drawn, changed or (None) removed.

    Raises:
        KeyError: there is none of this name that could be removed.
    """
    changed = dict(shapes)
    if shape is None:
        del changed[name]
    else:
        changed[name] = shape
    return changed
