"""Who is in an area and who has crossed a line: one counter for each, which follows objects by their track ids."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from streamdet.result import ZoneEvent
from streamdet.zones.options import Area


@dataclass(frozen=True, slots=True)
class Limits:
    """When a change counts.

    Attributes:
        hold_s: seconds on the other side before it counts.
        margin: so far beyond the edge, pixels.
        gone_s: who was not seen for so long has left.
    """

    hold_s: float
    margin: float
    gone_s: float


@dataclass(slots=True)
class Sighting:
    """An object of one frame, as a counter sees it.

    Attributes:
        track_id: of the object.
        class_name: of the object.
        distance: pixels; of an area how deep inside it is, of a line how far to the right; negative outside or left.
        along: of a line: the place along it, 0 to 1 between its ends.
        speed_mps: metres a second, None where unknown.
    """

    track_id: int
    class_name: str
    distance: float
    along: float = 0.0
    speed_mps: float | None = None


class Counter(Protocol):
    """Follows objects over one area or line."""

    def update(self, sightings: list[Sighting], time_s: float, limits: Limits) -> Iterator[ZoneEvent]:
        """The next frame."""
        ...

    def forget(self) -> Iterator[ZoneEvent]:
        """Time was lost: whoever was there is not known any more; counts stay."""
        ...

    def counts(self) -> dict[str, int]:
        """Counts so far, by their names."""
        ...

    def shift(self, by_s: float) -> None:
        """Move all times, as another file's start again."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What the next frame depends on, as JSON holds it."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        ...


@dataclass(slots=True)
class _Stay:
    """An object and an area.

    Attributes:
        seen_s: when it was seen last.
        class_name: then.
        inside: whether it counts as inside.
        was_outside: it has been seen outside.
        change_s: since when it is on the other side of what counts; None where it is not.
        since_s: when its stay started.
        told: that its stay is long was told.
    """

    seen_s: float
    class_name: str
    inside: bool = False
    was_outside: bool = False
    change_s: float | None = None
    since_s: float = 0.0
    told: bool = False


class AreaCounter:
    """Events of an area: entered, or appeared for who was inside at first sight; left, dwell and crowd.

    Args:
        name: of the area.
        area: its thresholds.
    """

    def __init__(self, name: str, area: Area) -> None:
        self._name, self._area = name, area
        self._stays: dict[int, _Stay] = {}
        self._counts = {"entered": 0, "appeared": 0, "left": 0}
        self._crowded_s: float | None = None  # since when there are too many
        self._crowd_told = False

    def update(self, sightings: list[Sighting], time_s: float, limits: Limits) -> Iterator[ZoneEvent]:
        """See Counter."""
        for track_id, stay in list(self._stays.items()):
            if time_s - stay.seen_s > limits.gone_s:
                del self._stays[track_id]
                yield from self._end(track_id, stay, stay.seen_s)
        for seen in sightings:
            stay = self._stays.setdefault(seen.track_id, _Stay(time_s, seen.class_name))
            stay.seen_s, stay.class_name = time_s, seen.class_name
            yield from self._see(seen, stay, time_s, limits)
        yield from self._watch_crowd(time_s, limits)

    def _see(self, seen: Sighting, stay: _Stay, time_s: float, limits: Limits) -> Iterator[ZoneEvent]:
        changed = seen.distance < -limits.margin if stay.inside else seen.distance >= 0
        stay.was_outside |= not stay.inside and not changed
        if not changed:
            stay.change_s = None
        else:
            stay.change_s = time_s if stay.change_s is None else stay.change_s
            if time_s - stay.change_s >= limits.hold_s:
                at_s, stay.change_s = stay.change_s, None
                if stay.inside:
                    yield from self._end(seen.track_id, stay, at_s)
                else:
                    stay.inside, stay.since_s, stay.told = True, at_s, False
                    yield self._event("entered" if stay.was_outside else "appeared", seen.track_id, stay, at_s, seen)
        dwell_s = self._area.dwell_s
        if dwell_s is not None and stay.inside and not stay.told and time_s - stay.since_s >= dwell_s:
            stay.told = True
            yield self._event("dwell", seen.track_id, stay, time_s, seen, seconds=time_s - stay.since_s)

    def _end(self, track_id: int, stay: _Stay, at_s: float) -> Iterator[ZoneEvent]:
        if stay.inside:
            stay.inside, stay.was_outside = False, True
            yield self._event("left", track_id, stay, at_s, seconds=max(at_s - stay.since_s, 0.0))

    def _watch_crowd(self, time_s: float, limits: Limits) -> Iterator[ZoneEvent]:
        inside = self.inside
        if self._area.capacity is None or inside <= self._area.capacity:
            self._crowded_s, self._crowd_told = None, False
            return
        self._crowded_s = time_s if self._crowded_s is None else self._crowded_s
        if not self._crowd_told and time_s - self._crowded_s >= limits.hold_s:
            self._crowd_told = True
            yield ZoneEvent("crowd", self._name, self._crowded_s, count=inside)

    def _event(
        self,
        kind: str,
        track_id: int,
        stay: _Stay,
        at_s: float,
        seen: Sighting | None = None,
        seconds: float | None = None,
    ) -> ZoneEvent:
        if kind in self._counts:
            self._counts[kind] += 1
        speed_mps = None if seen is None else seen.speed_mps
        return ZoneEvent(kind, self._name, at_s, track_id, stay.class_name, seconds=seconds, speed_mps=speed_mps)

    @property
    def inside(self) -> int:
        """How many objects are inside now."""
        return sum(stay.inside for stay in self._stays.values())

    def holds(self, track_id: int) -> bool:
        """Whether an object is inside now."""
        return track_id in self._stays and self._stays[track_id].inside

    def forget(self) -> Iterator[ZoneEvent]:
        """See Counter."""
        stays, self._stays = self._stays, {}
        self._crowded_s, self._crowd_told = None, False
        for track_id, stay in stays.items():
            yield from self._end(track_id, stay, stay.seen_s)

    def counts(self) -> dict[str, int]:
        """See Counter: how many are inside, and how many entered, appeared and left so far."""
        return {"inside": self.inside, **self._counts}

    def shift(self, by_s: float) -> None:
        """See Counter."""
        self._crowded_s = _moved(self._crowded_s, by_s)
        for stay in self._stays.values():
            stay.seen_s, stay.since_s = stay.seen_s + by_s, stay.since_s + by_s
            stay.change_s = _moved(stay.change_s, by_s)

    def state_dict(self) -> dict[str, Any]:
        """See Counter."""
        stays = {str(track_id): asdict(stay) for track_id, stay in self._stays.items()}
        crowd = {"crowded_s": self._crowded_s, "crowd_told": self._crowd_told}
        return {"counts": dict(self._counts), "stays": stays, **crowd}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See Counter."""
        self._counts = dict(state["counts"])
        self._stays = {int(track_id): _Stay(**stay) for track_id, stay in state["stays"].items()}
        self._crowded_s, self._crowd_told = state["crowded_s"], state["crowd_told"]


@dataclass(slots=True)
class _Passage:
    """An object and a line.

    Attributes:
        seen_s: when it was seen last.
        side: the one that counts: 1 right, -1 left.
        distance, along: where it was then.
        between: it was between the line's ends when it changed sides last.
        change_s: since when it is on the other side, and far enough; None where it is not.
    """

    seen_s: float
    side: int
    distance: float
    along: float
    between: bool = False
    change_s: float | None = None


class LineCounter:
    """Events of a line: an object has crossed it, "in" (from left to right) or "out".

    Args:
        name: of the line.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._passages: dict[int, _Passage] = {}
        self._counts = {"in": 0, "out": 0}

    def update(self, sightings: list[Sighting], time_s: float, limits: Limits) -> Iterator[ZoneEvent]:
        """See Counter."""
        there = self._passages.items()
        self._passages = {key: passage for key, passage in there if time_s - passage.seen_s <= limits.gone_s}
        for seen in sightings:
            side = 1 if seen.distance >= 0 else -1
            passage = self._passages.get(seen.track_id)
            if passage is None:
                self._passages[seen.track_id] = _Passage(time_s, side, seen.distance, seen.along)
            else:
                yield from self._see(seen, passage, time_s, limits)

    def _see(self, seen: Sighting, passage: _Passage, time_s: float, limits: Limits) -> Iterator[ZoneEvent]:
        if (seen.distance >= 0) != (passage.distance >= 0):
            part = passage.distance / (passage.distance - seen.distance)
            passage.between = 0 <= passage.along + part * (seen.along - passage.along) <= 1
        passage.seen_s, passage.distance, passage.along = time_s, seen.distance, seen.along
        beyond = -passage.side * seen.distance  # how far on the other side
        if beyond <= limits.margin:
            passage.change_s = None
            return
        passage.change_s = time_s if passage.change_s is None else passage.change_s
        if time_s - passage.change_s < limits.hold_s:
            return
        at_s, passage.change_s, passage.side = passage.change_s, None, -passage.side
        if passage.between:
            direction = "in" if passage.side > 0 else "out"
            self._counts[direction] += 1
            yield ZoneEvent(
                "line",
                self._name,
                at_s,
                seen.track_id,
                seen.class_name,
                direction=direction,
                speed_mps=seen.speed_mps,
            )

    def forget(self) -> Iterator[ZoneEvent]:
        """See Counter."""
        self._passages = {}
        return iter(())

    def counts(self) -> dict[str, int]:
        """See Counter: how many came in and out."""
        return dict(self._counts)

    def shift(self, by_s: float) -> None:
        """See Counter."""
        for passage in self._passages.values():
            passage.seen_s, passage.change_s = passage.seen_s + by_s, _moved(passage.change_s, by_s)

    def state_dict(self) -> dict[str, Any]:
        """See Counter."""
        passages = {str(track_id): asdict(passage) for track_id, passage in self._passages.items()}
        return {"counts": dict(self._counts), "passages": passages}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See Counter."""
        self._counts = dict(state["counts"])
        self._passages = {int(track_id): _Passage(**passage) for track_id, passage in state["passages"].items()}


def _moved(time_s: float | None, by_s: float) -> float | None:
    return None if time_s is None else time_s + by_s
