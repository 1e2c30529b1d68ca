"""The page of a cluster: what `server.app` offers of one machine, of all of them."""

import json
import threading
import time
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from streamdet.cluster.cameras.events import find_events, per_hour, split_id
from streamdet.cluster.cameras.fleet import Fleet
from streamdet.cluster.cameras.live_relay import LiveRelay
from streamdet.cluster.cameras.metrics import ClusterMetrics
from streamdet.cluster.cameras.overview import cluster_of, status_of, streams_of
from streamdet.cluster.cameras.relay import Unreachable, ask_all, path_of, relay
from streamdet.cluster.cameras.settings import ClusterSettings
from streamdet.server.app import add_errors, add_page, add_zones
from streamdet.server.guard import Guard
from streamdet.server.job_file import write_section
from streamdet.server.service import Files, with_shape
from streamdet.version import __version__
from streamdet.yaml_file import read_values
from streamdet.zones.options import ZoneOptions

Document = dict[str, Any]

_SETTINGS = ("conf", "class_conf", "iou", "max_detections", "classes")


class Front:
    """What may be asked of a cluster, and what is saved of it.

    Args:
        fleet: the cluster.
        settings: how cameras are shared out.
        files: where changes are saved.
    """

    def __init__(self, fleet: Fleet, settings: ClusterSettings, files: Files) -> None:
        self.fleet, self.settings = fleet, settings
        self._files = files
        self._changing = threading.Lock()
        self._zones: ZoneOptions = fleet.config.settings_of("zones")

    def add(self, source: str, needs: str | None) -> str:
        """Let a camera join; raises as `Table.add`."""
        with self._changing:
            name = self.fleet.table.add(source, needs)
            self._save_sources()
        return name

    def remove(self, name: str) -> None:
        """Let a camera leave; raises as `Table.remove`."""
        with self._changing:
            self.fleet.table.remove(name)
            self._save_sources()

    def zones(self) -> Document:
        """The section zones, as JSON holds it."""
        document: Document = self._zones.model_dump(mode="json")
        return document

    def change_zone(self, kind: str, name: str, shape: Document | None) -> Document:
        """Draw, change or (None) remove an area, a line or a ground on all machines; raises as `Service`."""
        with self._changing:
            shapes = with_shape(self.zones()[kind], name, shape)
            options = read_values({**self.zones(), kind: shapes}, ZoneOptions, "zones")
            self.fleet.change("zones", {kind: options.model_dump(mode="json")[kind]})
            self._zones = options
            if self._files.job is not None:
                write_section(self._files.job, "zones", options.model_dump(mode="json", exclude_defaults=True))
            return self.zones()

    def _save_sources(self) -> None:
        if self._files.job is None or not self._files.sources:
            return
        table = self.fleet.table
        with table.lock:
            sources, needs = [row.source for row in table.rows.values()], dict(table.needs)
        write_section(self._files.job, "sources", sources)
        if needs != dict(self.settings.needs):
            self.settings = self.settings.model_copy(update={"needs": needs})
            write_section(self._files.job, "cluster", self.settings.model_dump(mode="json", exclude_defaults=True))


def build_front(front: Front, guard: Document) -> Guard:
    """The application, guarded.

    Args:
        front: what it offers.
        guard: arguments of `Guard`.
    """
    app = FastAPI(title="streamdet cluster", version=__version__, docs_url=None, redoc_url=None)
    guarded = Guard(app, **guard)
    add_errors(app)

    @app.exception_handler(Unreachable)
    def unreachable(request: Request, error: Unreachable) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=502)

    add_page(app, guarded)
    live = LiveRelay(front.fleet, front.settings.bounds)
    _add_streams(app, front)
    add_zones(app, front)
    _add_events(app, front.fleet)
    _add_observation(app, front, live)
    app.websocket("/live")(live.serve)
    return guarded


def _add_streams(app: FastAPI, front: Front) -> None:
    fleet = front.fleet

    @app.get("/api/streams")
    def streams() -> list[Document]:
        """All cameras with their state, and the machine of each."""
        return streams_of(fleet)

    @app.post("/api/streams", status_code=201)
    def add(
        source: str = Body(embed=True, max_length=2000), needs: str | None = Body(None, embed=True, max_length=200)
    ) -> Document:
        """Let a camera join; `needs` is the label of a machine that can reach it."""
        return {"names": [front.add(source, needs)]}

    @app.patch("/api/streams/{name}")
    def change(name: str, paused: bool | None = Body(None), node: str | None = Body(None, max_length=300)) -> Response:
        """Pause a camera or continue it; or hand it over to another machine."""
        if node is not None:
            fleet.move(name, node)
        if paused is None:
            return JSONResponse({"name": name, "node": fleet.table.row(name).machine})
        body = json.dumps({"paused": paused}).encode()
        return relay(fleet.member_of(name), "PATCH", path_of("streams", name), body=body)

    @app.delete("/api/streams/{name}", status_code=204)
    def remove(name: str) -> None:
        """Let a camera leave; it leaves the job's file, too."""
        front.remove(name)

    @app.get("/api/streams/{name}/picture.jpg")
    def picture(name: str, width: int = Query(960, ge=16, le=3840)) -> Response:
        """The newest picture, without boxes."""
        return relay(fleet.member_of(name), "GET", path_of("streams", name, "picture.jpg"), {"width": width})

    @app.get("/api/settings")
    def settings() -> Document:
        """Thresholds and classes."""
        found = ask_all(fleet.members(), path_of("settings"))
        if not found:
            raise RuntimeError("no machine is ready")
        document: Document = found[0][1]
        return document

    @app.patch("/api/settings")
    def change_settings(values: Document) -> Document:
        """Change thresholds and classes of all machines: conf, class_conf, iou, max_detections, classes."""
        if unknown := sorted(set(values) - set(_SETTINGS)):
            raise ValueError(f"{unknown[0][:50]}: expected one of {', '.join(_SETTINGS)}")
        fleet.change("detect", values)
        return settings()


def _add_events(app: FastAPI, fleet: Fleet) -> None:
    @app.get("/api/events")
    def events(
        stream: str | None = None,
        kind: str | None = None,
        zone: str | None = None,
        class_name: str | None = Query(None, alias="class"),
        since: float | None = None,
        until: float | None = None,
        before: str | None = None,
        limit: int = Query(50, ge=1, le=500),
    ) -> list[Document]:
        """What happened at areas and lines, the newest first; `before` is the id of the last one of the page before."""
        wanted = {"stream": stream, "kind": kind, "zone": zone, "class": class_name, "since": since}
        return find_events(fleet.members(), wanted, until, before, limit)

    @app.get("/api/events/{event}/picture.jpg")
    def event_picture(event: str) -> Response:
        """The object of an event."""
        member, number = split_id(fleet.members(), event)
        return relay(member, "GET", path_of("events", str(number), "picture.jpg"))

    @app.get("/api/events/{event}/clip.mp4")
    def event_clip(event: str, wanted: Annotated[str | None, Header(alias="Range", max_length=100)] = None) -> Response:
        """The video of an event, once it is complete; in parts, where they are asked for."""
        member, number = split_id(fleet.members(), event)
        return relay(member, "GET", path_of("events", str(number), "clip.mp4"), wanted=wanted)

    @app.get("/api/timeline")
    def timeline(
        start: float,
        hours: int = Query(24, ge=1, le=24 * 31),
        stream: str | None = None,
        kind: str | None = None,
        zone: str | None = None,
        class_name: str | None = Query(None, alias="class"),
    ) -> list[int]:
        """How many events there were in each hour from `start` (seconds since 1970) on."""
        wanted = {"stream": stream, "kind": kind, "zone": zone, "class": class_name}
        return per_hour(fleet.members(), wanted, start, hours)


def _add_observation(app: FastAPI, front: Front, live: LiveRelay) -> None:
    fleet, started_s = front.fleet, time.time()

    @app.get("/api/status")
    def status() -> Document:
        """Streams, stages and viewers."""
        return status_of(fleet, front.settings.bounds, live.viewers)

    @app.get("/api/cluster")
    def cluster() -> Document:
        """Machines and cameras."""
        return {"since": round(started_s, 1), **cluster_of(fleet, front.settings.bounds)}

    registry = CollectorRegistry()
    registry.register(ClusterMetrics(fleet))

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/health")
    def health() -> Document:
        """200 while the driver runs. Needs no token, and tells nothing else."""
        return {"ok": True}
