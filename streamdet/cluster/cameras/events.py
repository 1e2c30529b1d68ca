"""Events of all machines as those of one: each machine keeps its own, with numbers of its own."""

from collections.abc import Mapping
from typing import Any

from streamdet.cluster.cameras.member import Member
from streamdet.cluster.cameras.relay import ask_all, path_of

Document = dict[str, Any]
_MOST = 500
_AT_ONCE = 200  # events of one moment on one machine, of which a page may end in the middle


def event_id(member: Member, event: Mapping[str, Any]) -> str:
    """Its name in the cluster: number, milliseconds since 1970, machine."""
    return f"{event['id']}-{round(1000 * event['time'])}-{member.name}"


def split_id(members: list[Member], event: str) -> tuple[Member, int]:
    """The machine that has an event, and its number there.

    Raises:
        KeyError: no machine has it now.
    """
    number, _, name = _parts(event)
    for member in members:
        if member.name == name and member.state == "ready":
            return member, number
    raise KeyError(f"event {event[:100]} on a machine that is ready")


def find_events(
    members: list[Member], wanted: Mapping[str, Any], until: float | None, before: str | None, limit: int
) -> list[Document]:
    """Events of all machines, the newest first.

    Args:
        members: the machines.
        wanted: filters of /api/events.
        until: only those before this time, seconds since 1970.
        before: only those that come after this one in the list.
        limit: most of them.
    """
    place = None if before is None else _parts(before)
    if place is not None:
        latest = (place[1] + 1) / 1000
        until = latest if until is None else min(until, latest)
    query = {**wanted, "until": until, "limit": min(limit + _AT_ONCE, _MOST)}
    found = [
        (_parts(name := event_id(member, event)), {**event, "id": name, "node": member.name})
        for member, events in ask_all(members, path_of("events"), query)
        for event in events
    ]
    ranked = sorted(((_rank(parts), event) for parts, event in found), key=lambda pair: pair[0], reverse=True)
    rank = None if place is None else _rank(place)
    return [event for each, event in ranked if rank is None or each < rank][:limit]


def per_hour(members: list[Member], wanted: Mapping[str, Any], start: float, hours: int) -> list[int]:
    """How many events there were in each hour; arguments are those of `find_events`, and the first hour's start."""
    answers = ask_all(members, path_of("timeline"), {**wanted, "start": start, "hours": hours})
    return [sum(counts) for counts in zip(*(answer for _, answer in answers), strict=True)] or [0] * hours


def _parts(event: str) -> tuple[int, int, str]:
    number, _, rest = event.partition("-")
    at_ms, _, machine = rest.partition("-")
    if not (number.isdecimal() and at_ms.isdecimal() and machine and len(event) < 500):
        raise KeyError(f"event {event[:100]}")
    return int(number), int(at_ms), machine


def _rank(parts: tuple[int, int, str]) -> tuple[int, str, int]:
    number, at_ms, machine = parts
    return at_ms, machine, number
