"""Pictures for those who look: each is encoded once for all of them, and only while somebody looks.

A message is a length (4 bytes, big-endian), a header of that length as JSON, and the JPEG. Boxes are not in it:
the browser draws them from the header, so that they belong to exactly this picture and can be switched off.
"""

import asyncio
import base64
import json
import struct
import threading
from collections import defaultdict
from contextlib import suppress
from time import monotonic
from typing import Any

import cv2
import numpy as np

from streamdet.detections import Detections
from streamdet.drawing.thumbnail import encode_jpeg
from streamdet.frames import StreamEnded
from streamdet.jobs.events import Event
from streamdet.result import Result
from streamdet.skeleton import skeleton_of

_WIDTHS = (480, 960, 1920)
_ROUGH_PX = 1.5  # how far a corner of an outline may be off
_UNSEEN = 2  # pictures of a stream that are on their way to one viewer; more would only get old
_MAX_FPS = 30.0
_TEXTS = 200


class Viewer:
    """One page that looks. What it cannot take in time is replaced by what is newer; texts are kept in order.

    Args:
        loop: where its connection lives.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()  # guards what follows
        self._wants: dict[str, tuple[int, float]] = {}
        self._next_s: dict[str, float] = {}
        self._given: dict[str, Result] = {}
        self._pictures: dict[str, bytes] = {}
        self._texts: list[str] = []
        self._unseen: dict[str, int] = defaultdict(int)
        self._there = asyncio.Event()

    def watch(self, wants: dict[str, Any]) -> None:
        """Look at these streams from now on.

        Args:
            wants: by name of the stream: width in pixels, and pictures a second.

        Raises:
            ValueError, TypeError, LookupError: it is none of that form.
        """
        checked = {str(name): (int(want["width"]), float(want["fps"])) for name, want in list(wants.items())[:100]}
        if not all(0 < fps <= _MAX_FPS and width > 0 for width, fps in checked.values()):
            raise ValueError(f"expected a width above 0, and 0 to {_MAX_FPS:g} fps")
        with self._lock:
            self._wants = checked
            self._next_s, self._given, self._unseen = {}, {}, defaultdict(int)
            self._pictures = {name: picture for name, picture in self._pictures.items() if name in checked}

    def seen(self, name: str) -> None:
        """A picture of a stream has been drawn."""
        with self._lock:
            if self._unseen.get(name, 0) > 0:  # a name that is not there must not be kept
                self._unseen[name] -= 1

    def wanted(self) -> list[str]:
        """Names of the streams that it looks at."""
        with self._lock:
            return list(self._wants)

    def due(self, result: Result, now_s: float) -> int | None:
        """The width in which it takes this picture now; None where it does not."""
        with self._lock:
            name = result.source
            want = self._wants.get(name)
            waits = name in self._pictures or self._unseen[name] >= _UNSEEN
            if want is None or waits or self._given.get(name) is result:
                return None
            step_s = 1 / want[1]
            if now_s < self._next_s.get(name, 0.0) - step_s / 4:
                return None
            self._given[name] = result
            self._next_s[name] = max(self._next_s.get(name, now_s), now_s - step_s) + step_s
            return next((width for width in _WIDTHS if width >= want[0]), _WIDTHS[-1])

    def post(self, name: str, picture: bytes) -> None:
        """Give it a picture; from any thread."""
        with self._lock:
            self._pictures[name] = picture
            self._unseen[name] += 1
        self._wake()

    def tell(self, text: str) -> None:
        """Give it a text; from any thread."""
        with self._lock:
            self._texts.append(text)
            del self._texts[:-_TEXTS]
        self._wake()

    async def next(self) -> str | bytes:
        """What is to be sent next."""
        while True:
            with self._lock:
                if self._texts:
                    return self._texts.pop(0)
                if self._pictures:
                    return self._pictures.pop(next(iter(self._pictures)))
                self._there.clear()
            await self._there.wait()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: the server ends
            self._loop.call_soon_threadsafe(self._there.set)


class Live:
    """A listener: keeps the newest result of each stream, and shows it to viewers in a thread of its own.

    Args:
        drawn: pictures have boxes already, as the job draws them.

    Attributes:
        encoded: pictures so far.
    """

    def __init__(self, *, drawn: bool = False) -> None:
        self.encoded = 0
        self._drawn = drawn
        self._changed = threading.Condition()  # guards what follows
        self._latest: dict[str, Result] = {}
        self._fresh: set[str] = set()
        self._viewers: set[Viewer] = set()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="show pictures", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Take a result; forget a stream that has ended."""
        if isinstance(event, Result):
            with self._changed:
                self._latest[event.source] = event
                if self._viewers:
                    self._fresh.add(event.source)
                    self._changed.notify()
        elif isinstance(event, StreamEnded):
            with self._changed:
                self._latest.pop(event.source, None)

    def join(self, viewer: Viewer) -> None:
        """Add a viewer, or note that it looks at other streams: it gets their newest pictures at once."""
        with self._changed:
            self._viewers.add(viewer)
            self._fresh.update(name for name in viewer.wanted() if name in self._latest)
            self._changed.notify()

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        with self._changed:
            self._viewers.discard(viewer)

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._viewers)

    def tell(self, text: str) -> None:
        """Give all viewers a text."""
        with self._changed:
            viewers = list(self._viewers)
        for viewer in viewers:
            viewer.tell(text)

    def latest(self, name: str) -> Result | None:
        """The newest result of a stream; None before its first one, and after its end."""
        with self._changed:
            return self._latest.get(name)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._fresh or self._over)
                if self._over:
                    return
                name = self._fresh.pop()
                result, viewers = self._latest.get(name), list(self._viewers)
            if result is not None:
                self._show(name, result, viewers)

    def _show(self, name: str, result: Result, viewers: list[Viewer]) -> None:
        groups: dict[int, list[Viewer]] = defaultdict(list)
        now_s = monotonic()
        for viewer in viewers:
            if (width := viewer.due(result, now_s)) is not None:
                groups[width].append(viewer)
        for width, group in groups.items():
            picture = message(result, width, drawn=self._drawn)
            self.encoded += 1
            for viewer in group:
                viewer.post(name, picture)


def message(result: Result, max_width: int, *, drawn: bool = False) -> bytes:
    """A result as it is sent.

    Args:
        result: of any stream.
        max_width: of its picture, pixels; it is not made larger.
        drawn: boxes are in the picture.
    """
    head = json.dumps(header(result, drawn=drawn), separators=(",", ":")).encode()
    return struct.pack(">I", len(head)) + head + jpeg(result, max_width)


def jpeg(result: Result, max_width: int) -> bytes:
    """The picture of a result, not wider than this."""
    width = min(max_width, result.width)
    height = max(round(result.height * width / result.width), 1)
    picture = result.frame.picture
    rgb = picture.rgb() if width == result.width else picture.scaled(width, height)
    return encode_jpeg(np.asarray(rgb))


def header(result: Result, *, drawn: bool = False) -> dict[str, Any]:
    """What the page draws, and says, of a result; boxes in pixels of the original frame."""
    found, zones = result.detections.finite(), result.zones
    head: dict[str, Any] = {
        "stream": result.source,
        "session": result.session,
        "frame": result.index,
        "time_s": round(result.pts_s, 3),
        "width": result.width,
        "height": result.height,
        "drawn": drawn,
        "boxes": found.boxes.round(1).tolist(),
        "classes": [found.classes[n] for n in found.class_ids.tolist()],
        "scores": found.scores.round(2).tolist(),
        "tracks": found.track_ids.tolist(),
        "zones": [{"name": place.name, "counts": dict(place.counts)} for place in zones.places],
    }
    if result.frame.captured_s is not None:
        head["age_ms"] = round(1000 * (monotonic() - result.frame.captured_s))
    head |= _shapes(found)
    if found.support is not None:
        head["support"] = found.support.round(2).tolist()
    if found.carried is not None:
        head["carried"] = found.carried.tolist()
    if found.speeds_mps is not None:
        head["speeds"] = [None if v != v else round(v, 2) for v in found.speeds_mps.tolist()]  # noqa: PLR0124
    if zones.heat is not None:
        hottest = max(float(zones.heat.max()), 1e-6)
        grid = (255 * np.sqrt(zones.heat / hottest)).astype(np.uint8)
        head["heat"] = {"columns": grid.shape[1], "rows": grid.shape[0], "cells": base64.b64encode(grid).decode()}
    return head


def _shapes(found: Detections) -> dict[str, Any]:
    """Outlines of each object's parts, and keypoints with the lines between them, where there are some."""
    shapes: dict[str, Any] = {}
    if found.masks is not None:
        shapes["masks"] = [
            [cv2.approxPolyDP(part, _ROUGH_PX, True)[:, 0].round(1).tolist() for part in parts]
            for parts in found.polygons()
        ]
    if found.keypoints is not None:
        shapes["keypoints"] = np.nan_to_num(found.keypoints.astype(np.float64)).round(2).tolist()
        shapes["links"] = (found.skeleton or skeleton_of(found.keypoints.shape[1])).links
    return shapes
