"""The live connection of a page: pictures come from the machines whose streams it looks at."""

import asyncio
import json
from collections import defaultdict
from contextlib import suppress
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from streamdet.cluster.cameras.fleet import Fleet
from streamdet.cluster.cameras.member import Member
from streamdet.cluster.cameras.overview import status_of
from streamdet.cluster.cameras.placing import Bounds

_EVERY_S = 1.0
_MAX_MESSAGE = 2**24
_MAX_STREAMS = 100
_MAX_VIEWERS = 64

Wants = dict[str, dict[str, float]]


class LiveRelay:
    """All pages that look.

    Args:
        fleet: what they look at.
        bounds: of its machines.

    Attributes:
        viewers: how many look.
    """

    def __init__(self, fleet: Fleet, bounds: Bounds) -> None:
        self._fleet, self._bounds = fleet, bounds
        self.viewers = 0

    async def serve(self, socket: WebSocket) -> None:
        """One page, until it leaves."""
        if self.viewers >= _MAX_VIEWERS:
            await socket.close(1013)
            return
        await socket.accept()
        self.viewers += 1
        page = _Page(socket, self._fleet, self)
        telling = asyncio.create_task(page.tell())
        try:
            while True:
                await page.hear(await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            pass
        except (ValueError, TypeError, LookupError, AttributeError):
            with suppress(RuntimeError):
                await socket.close(1007)
        finally:
            self.viewers -= 1
            telling.cancel()
            page.close()

    def status(self) -> dict[str, Any]:
        """What pages are told every second."""
        return status_of(self._fleet, self._bounds, self.viewers)


class _Page:
    def __init__(self, socket: WebSocket, fleet: Fleet, relay: LiveRelay) -> None:
        self._socket, self._fleet, self._relay = socket, fleet, relay
        self._sending = asyncio.Lock()
        self._wants: Wants = {}
        self._links: dict[tuple[str, int], _Link] = {}  # by name and port of the machine

    async def tell(self) -> None:
        """Say how all streams are, again and again, and follow those that move."""
        with suppress(WebSocketDisconnect, RuntimeError, OSError):
            while True:
                status = await asyncio.to_thread(self._relay.status)
                await self.send(json.dumps({"type": "status", **status}))
                self._follow()
                await asyncio.sleep(_EVERY_S)

    async def hear(self, text: str) -> None:
        """What the page says, see `server.app`; raises ValueError, TypeError or LookupError where it is wrong."""
        said = json.loads(text)
        if "seen" in said:
            for link in self._links.values():
                if said["seen"] in link.wants:
                    await link.say({"seen": said["seen"]})
            return
        wants = list(said["watch"].items())[:_MAX_STREAMS]
        self._wants = {str(name): {"width": int(each["width"]), "fps": float(each["fps"])} for name, each in wants}
        self._follow()

    def _follow(self) -> None:
        """Look at each stream where it is now."""
        wanted: dict[tuple[str, int], Wants] = defaultdict(dict)
        members: dict[tuple[str, int], Member] = {}
        for name, want in self._wants.items():
            with suppress(KeyError):
                member = self._fleet.member_of(name)
                wanted[member.name, member.port][name] = want
                members[member.name, member.port] = member
        for key in [key for key, link in self._links.items() if key not in wanted or link.over]:
            self._links.pop(key).close()
        for key, wants in wanted.items():
            if key not in self._links:
                self._links[key] = _Link(members[key], self)
            self._links[key].watch(wants)

    async def send(self, message: str | bytes) -> None:
        """To the page."""
        async with self._sending:
            if isinstance(message, str):
                await self._socket.send_text(message)
            else:
                await self._socket.send_bytes(message)

    def close(self) -> None:
        """Close the connections to machines: the page has left."""
        for link in self._links.values():
            link.close()


class _Link:
    """The connection to one machine."""

    def __init__(self, member: Member, page: _Page) -> None:
        self._member, self._page = member, page
        self._connection: ClientConnection | None = None
        self.wants: Wants = {}
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def over(self) -> bool:
        """The machine has hung up."""
        return self._task.done()

    def watch(self, wants: Wants) -> None:
        """Look at these of its streams."""
        if wants != self.wants:
            self.wants = wants
            self._changed.set()

    async def say(self, message: dict[str, Any]) -> None:
        """To the machine."""
        if self._connection is not None:
            with suppress(WebSocketException, OSError):
                await self._connection.send(json.dumps(message))

    def close(self) -> None:
        """Hang up."""
        self._task.cancel()

    async def _run(self) -> None:
        host = f"[{self._member.host}]" if ":" in self._member.host else self._member.host
        with suppress(WebSocketException, OSError, TimeoutError, WebSocketDisconnect, RuntimeError):
            async with connect(
                f"ws://{host}:{self._member.port}/live",
                additional_headers={"Authorization": f"Bearer {self._member.token}"},
                compression=None,
                max_size=_MAX_MESSAGE,
                proxy=None,
            ) as connection:
                self._connection = connection
                asking = asyncio.create_task(self._ask())
                try:
                    async for message in connection:
                        if isinstance(message, bytes) or not message.startswith('{"type": "status"'):
                            await self._page.send(message)
                finally:
                    asking.cancel()

    async def _ask(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.say({"watch": self.wants})
