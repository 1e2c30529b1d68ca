"""What the server offers: the page, its live connection, and the same as a REST interface."""

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import Body, FastAPI, HTTPException, Path, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streamdet.errors import StreamdetError
from streamdet.server.guard import Guard
from streamdet.server.live import Viewer, jpeg
from streamdet.server.service import Service
from streamdet.version import __version__

_STATIC = pathlib.Path(__file__).with_name("static")
_STATUS_EVERY_S = 1.0
_MAX_VIEWERS = 64
_NO_CACHE = {"Cache-Control": "no-store"}

Document = dict[str, Any]
EventId = Annotated[int, Path(ge=0, lt=2**63)]
_Found = TypeVar("_Found")


def build_app(service: Service, guard: dict[str, Any]) -> Guard:
    """The server's application, guarded.

    Args:
        service: what it shows.
        guard: arguments of `Guard`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        telling = asyncio.create_task(_tell_status(service))
        yield
        telling.cancel()

    app = FastAPI(title="streamdet", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    guarded = Guard(app, **guard)
    add_errors(app)
    add_page(app, guarded)
    _add_streams(app, service)
    add_zones(app, service)
    _add_events(app, service)
    _add_observation(app, service)
    _add_live(app, service)
    return guarded


async def _tell_status(service: Service) -> None:
    while True:
        if service.live.viewers:
            service.live.tell(json.dumps({"type": "status", **await asyncio.to_thread(service.status)}))
        await asyncio.sleep(_STATUS_EVERY_S)


def add_errors(app: FastAPI) -> None:
    """Answer what is wrong with a request as JSON."""

    @app.exception_handler(StreamdetError)
    @app.exception_handler(ValueError)
    def refused(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=422)

    @app.exception_handler(RuntimeError)
    def over(request: Request, error: RuntimeError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=409)

    @app.exception_handler(KeyError)
    def missing(request: Request, error: KeyError) -> JSONResponse:
        return JSONResponse({"error": f"there is no {error.args[0]}"}, status_code=404)


def add_page(app: FastAPI, guard: Guard) -> None:
    """The page, its files, and how one gets in."""
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html", headers=_NO_CACHE)

    @app.get("/login", include_in_schema=False)
    def login_page() -> FileResponse:
        return FileResponse(_STATIC / "login.html", headers=_NO_CACHE)

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> RedirectResponse:
        return RedirectResponse("/static/icon.svg")

    @app.post("/login", include_in_schema=False)
    def login(request: Request, token: str = Body(embed=True, max_length=200)) -> Response:
        if not guard.knows(token):
            raise HTTPException(403, "wrong token")
        return Response(status_code=204, headers={"Set-Cookie": guard.cookie(request.scope["server"][1])})


def _add_streams(app: FastAPI, service: Service) -> None:
    @app.get("/api/streams")
    def streams() -> list[Document]:
        """All streams with their state."""
        return [stream.to_dict() for stream in service.watch.streams()]

    @app.post("/api/streams", status_code=201)
    def add(source: str = Body(embed=True, max_length=2000)) -> Document:
        """Let an address or a camera join; it stays in the job's file."""
        return {"names": service.add(source)}

    @app.patch("/api/streams/{name}")
    def change(name: str, paused: bool = Body(embed=True)) -> Document:
        """Pause a stream, or continue it."""
        service.pause(name, paused=paused)
        return {"name": name, "paused": paused}

    @app.delete("/api/streams/{name}", status_code=204)
    def remove(name: str) -> None:
        """Let a stream leave; it leaves the job's file, too."""
        service.remove(name)

    @app.get("/api/streams/{name}/picture.jpg")
    def picture(name: str, width: int = Query(960, ge=16, le=3840)) -> Response:
        """The newest picture, without boxes."""
        result = _existing(service.live.latest(name), f"picture of a stream {name}")
        return Response(jpeg(result, width), media_type="image/jpeg", headers=_NO_CACHE)

    @app.get("/api/settings")
    def settings() -> Document:
        """Thresholds and classes."""
        return service.settings()

    @app.patch("/api/settings")
    def change_settings(values: Document) -> Document:
        """Change thresholds and classes while the streams run: conf, class_conf, iou, max_detections, classes."""
        service.session.adjustments.change("detect", values)
        return service.settings()


class HasZones(Protocol):
    """What shows and changes zones: a service, or all machines of a cluster."""

    def zones(self) -> Document:
        """The section zones, as JSON holds it."""
        ...

    def change_zone(self, kind: str, name: str, shape: Document | None) -> Document:
        """Draw, change or (None) remove an area, a line or a ground; see `Service.change_zone`."""
        ...


def add_zones(app: FastAPI, service: HasZones) -> None:
    """Routes under /api/zones."""
    kinds = Literal["areas", "lines", "grounds"]

    @app.get("/api/zones")
    def zones() -> Document:
        """Areas, lines and grounds of all streams, with all settings of the section `zones`."""
        return service.zones()

    @app.put("/api/zones/{kind}/{name:path}")
    def put(kind: kinds, name: str, shape: Document) -> Document:
        """Draw or change one: what the job's file holds under its name."""
        return service.change_zone(kind, name, shape)

    @app.delete("/api/zones/{kind}/{name:path}")
    def delete(kind: kinds, name: str) -> Document:
        """Remove one."""
        return service.change_zone(kind, name, None)


def _add_events(app: FastAPI, service: Service) -> None:
    @app.get("/api/events")
    def events(
        stream: str | None = None,
        kind: str | None = None,
        zone: str | None = None,
        class_name: str | None = Query(None, alias="class"),
        since: float | None = None,
        until: float | None = None,
        before: int | None = None,
        limit: int = Query(50, ge=1, le=500),
    ) -> list[Document]:
        """What happened at areas and lines, the newest first; `before` is the lowest id of the page before."""
        wanted = {"stream": stream, "kind": kind, "zone": zone, "class": class_name}
        return service.store.find(before=before, limit=limit, since=since, until=until, **wanted)

    @app.get("/api/events/{event}/picture.jpg")
    def event_picture(event: EventId) -> Response:
        """The object of an event."""
        found = _existing(service.store.picture(event), f"picture of an event {event}")
        return Response(found, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400, immutable"})

    @app.get("/api/events/{event}/clip.mp4")
    def event_clip(event: EventId) -> FileResponse:
        """The video of an event, once it is complete; in parts, where they are asked for."""
        path = _existing(service.store.clip(event), f"clip of an event {event}")
        return FileResponse(path, media_type="video/mp4", headers={"Cache-Control": "private, max-age=86400"})

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
        return service.store.per_hour(start, hours, **wanted)


def _add_observation(app: FastAPI, service: Service) -> None:
    @app.get("/api/status")
    def status() -> Document:
        """Streams, stages and viewers."""
        return service.status()

    @app.get("/health")
    def health() -> JSONResponse:
        """200 while the job runs, 503 once it has ended. Needs no token, and tells nothing else."""
        return JSONResponse({"ok": service.running}, status_code=200 if service.running else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(service.metrics), media_type=CONTENT_TYPE_LATEST)


def _existing(found: _Found | None, what: str) -> _Found:
    """Raise KeyError, which is answered by 404, where there is none."""
    if found is None:
        raise KeyError(what)
    return found


def _add_live(app: FastAPI, service: Service) -> None:
    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        if service.live.viewers >= _MAX_VIEWERS:
            await socket.close(1013)
            return
        await socket.accept()
        viewer = Viewer(asyncio.get_running_loop())
        viewer.tell(json.dumps({"type": "status", **await asyncio.to_thread(service.status)}))
        sending = asyncio.create_task(_send(socket, viewer))
        try:
            service.live.join(viewer)
            while True:  # a handler that only sends does not notice a viewer that has left
                _hear(service, viewer, await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            pass
        except (ValueError, TypeError, LookupError, AttributeError):
            with suppress(RuntimeError):
                await socket.close(1007)
        finally:
            service.live.leave(viewer)
            sending.cancel()


def _hear(service: Service, viewer: Viewer, text: str) -> None:
    """What a page says: which streams it looks at, or which picture it has drawn."""
    said = json.loads(text)
    if "seen" in said:
        viewer.seen(str(said["seen"]))
    else:
        viewer.watch(said["watch"])
    service.live.join(viewer)


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    with suppress(WebSocketDisconnect, RuntimeError, OSError):
        while True:
            item = await viewer.next()
            if isinstance(item, str):
                await socket.send_text(item)
            else:
                await socket.send_bytes(item)
