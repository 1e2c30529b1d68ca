"""alert: tells of what happens at areas and lines, each with its picture, until the receiver has it."""

import base64
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo
from pydantic import field_validator as check

from streamdet.drawing.thumbnail import thumbnail
from streamdet.errors import ConfigError, SinkError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Marker, StreamEnded, StreamGap
from streamdet.media.locations import SourceSpec, redact
from streamdet.result import Result, ZoneEvent
from streamdet.sinks.events import Transport, open_transport
from streamdet.sinks.jsonl import event_line
from streamdet.sinks.mail import MailTransport
from streamdet.sinks.outbox import Outbox
from streamdet.stages.entry import OutputEntry, OutputPlan, StageContext, StageEntry
from streamdet.stages.event_filter import EventFilter
from streamdet.stages.outputs import OutputLog

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_EXPECTED = "expected mqtt://host/topic, http:// or https:// for a webhook, or smtp://host/receiver@example.org"


def _span(hours: str) -> tuple[int, int]:
    """Minutes of the day at which 22:00-06:00 starts and ends."""
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise ValueError(f"expected hours such as 22:00-06:00, got {hours}")
    h1, m1, h2, m2 = map(int, found.groups())
    return 60 * h1 + m1, 60 * h2 + m2


class AlertRule(EventFilter):
    """What is told, and to whom.

    Attributes:
        to: mqtt://host/topic, the http(s):// address of a webhook, or smtp(s)://host/receiver@example.org; one or more.
        kinds, zones, classes: only events of these; None: all.
        for_s: instead of events: that somebody has been in an area for so long; once each.
        days: only on these, of this machine's clock; None: all.
        hours: only then, such as 22:00-06:00, of this machine's clock; over midnight it belongs to the day before.
        cool_down_s: after an event, those of the same kind, place and stream are not told for so long.
        picture: with a picture of the object.
    """

    to: str | tuple[str, ...] | None = None
    for_s: float | None = Field(default=None, gt=0, le=86_400)
    days: tuple[Day, ...] | None = Field(default=None, min_length=1)
    hours: str | None = None
    cool_down_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    picture: bool = True

    @check("hours")
    @classmethod
    def _are_hours(cls, hours: str | None) -> str | None:
        if hours is not None:
            _span(hours)
        return hours

    @check("for_s")
    @classmethod
    def _instead_of_kinds(cls, for_s: float | None, info: ValidationInfo) -> float | None:
        if for_s is not None and info.data.get("kinds") is not None:
            raise ValueError("expected for_s or kinds, not both")
        return for_s

    @property
    def addresses(self) -> tuple[str, ...]:
        """To whom."""
        return (self.to,) if isinstance(self.to, str) else self.to or ()

    def is_due(self, moment: datetime) -> bool:
        """Whether it is told at a moment of this machine's clock."""
        day = moment
        if self.hours is not None:
            start, end = _span(self.hours)
            minute = 60 * moment.hour + moment.minute
            if not (start <= minute < end if start <= end else minute >= start or minute < end):
                return False
            if start > end and minute < end:
                day -= timedelta(days=1)
        return self.days is None or _DAYS[day.weekday()] in self.days


class AlertSettings(AlertRule):
    """Rules, and what keeps alerts until they are delivered. The section is a rule itself where it has an address.

    Attributes:
        rules: more of them, by name.
        outbox: a database, which keeps alerts across restarts; None: what is not delivered at the end is lost.
    """

    rules: dict[str, AlertRule] = Field(default={})
    outbox: str | None = Field(default=None, min_length=1)

    @property
    def all_rules(self) -> dict[str | None, AlertRule]:
        """All with an address, by name; None: the section itself."""
        own: list[tuple[str | None, AlertRule]] = [(None, self)] if self.to else []
        return dict([*own, *self.rules.items()])

    @property
    def all_addresses(self) -> list[str]:
        """Of all rules, each once."""
        return list(dict.fromkeys(address for rule in self.all_rules.values() for address in rule.addresses))


class _Watch:
    """A rule, and what it has to remember."""

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self._told_s: dict[tuple[str, str, str], float] = {}
        self._inside: dict[tuple[str, str, int | None], ZoneEvent] = {}

    def events(self, result: Result) -> list[ZoneEvent]:
        """What is told now."""
        happened = list(result.zones.events) if self.rule.for_s is None else list(self._stays(result, self.rule.for_s))
        if not any(map(self.rule.wants, happened)):
            return []
        moment = (result.frame.wall_time or datetime.now(UTC)).astimezone()
        return [event for event in happened if self.rule.wants(event) and self._tells(result.source, event, moment)]

    def _tells(self, source: str, event: ZoneEvent, moment: datetime) -> bool:
        key = source, event.zone, event.kind
        cold = event.time_s - self._told_s.get(key, float("-inf")) >= self.rule.cool_down_s
        if not cold or not self.rule.is_due(moment):
            return False
        self._told_s[key] = event.time_s
        return True

    def _stays(self, result: Result, for_s: float) -> Iterator[ZoneEvent]:
        for event in result.zones.events:
            key = result.source, event.zone, event.track_id
            if event.kind in ("entered", "appeared"):
                self._inside[key] = event
            elif event.kind == "left":
                self._inside.pop(key, None)
        for key, event in list(self._inside.items()):
            seconds = result.pts_s - event.time_s
            if key[0] == result.source and seconds >= for_s:
                del self._inside[key]
                yield replace(event, kind="dwell", time_s=result.pts_s, seconds=seconds)

    def forget(self, source: str, *, ended: bool) -> None:
        """Time of a stream was lost: tracks start again. A stream of the same name after its end has another clock."""
        self._inside = {key: event for key, event in self._inside.items() if key[0] != source}
        if ended:
            self._told_s = {key: told_s for key, told_s in self._told_s.items() if key[0] != source}


def alert(settings: AlertSettings, log: OutputLog) -> Stage:
    """Send the lines of events, as JSON Lines has them; everything passes through.

    Args:
        settings: with an address.
        log: is told where events could not be delivered.
    """
    addresses = settings.all_addresses
    if not addresses:
        raise ValueError("alert needs an address")

    def process(inbox: Inbox[Result | Marker]) -> Iterator[Result | Marker]:
        receivers = {each: (lambda each=each: _open(each), log.delivery(each, "events")) for each in addresses}
        outbox = Outbox(None if settings.outbox is None else Path(settings.outbox), receivers)
        watches = {name: _Watch(rule) for name, rule in settings.all_rules.items()}
        try:
            for item in inbox:
                for name, watch in watches.items():
                    if isinstance(item, StreamGap | StreamEnded):
                        watch.forget(item.source, ended=isinstance(item, StreamEnded))
                    elif isinstance(item, Result):
                        _tell(outbox, item, name, watch)
                yield item
        finally:
            try:
                outbox.close()
            except SinkError as error:
                log.fail("alert", None, error)

    return Stage("alert", process)


def _tell(outbox: Outbox, result: Result, name: str | None, watch: _Watch) -> None:
    """Put the lines of events into the outbox, each with an id by which a receiver knows one that comes twice."""
    for event in watch.events(result):
        line = {**event_line(result, event), "id": uuid.uuid4().hex}
        line |= {} if name is None else {"rule": name}
        if watch.rule.picture:
            line["picture"] = base64.b64encode(thumbnail(result, event)).decode()
        for address in watch.rule.addresses:
            outbox.put(address, (json.dumps(line, ensure_ascii=False) + "\n").encode())


def _open(address: str) -> Transport:
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    if scheme in ("smtp", "smtps"):
        return MailTransport(address)
    if scheme in ("mqtt", "mqtts", "http", "https"):
        return open_transport(address)
    raise ConfigError(f"{_EXPECTED}, got {redact(address)}")


def _plan(settings: AlertSettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    mistakes = []
    for name, rule in settings.all_rules.items():
        at = "alert.to" if name is None else f"alert.rules.{name}.to"
        if not rule.addresses:
            mistakes.append(f"{at}: {_EXPECTED}, got nothing")
        for address in rule.addresses:
            try:
                _open(address)
            except ConfigError as error:
                mistakes.append(f"{at}: {error}")
    if not settings.all_rules:
        mistakes.append(f"alert.to: {_EXPECTED}, got nothing")
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    reason = "alerts that were sent cannot be taken back"
    first = settings.all_addresses[0]
    return OutputPlan({source.name: first for source in sources}, shared=True, not_resumable=reason)


def _build(settings: AlertSettings, context: StageContext) -> Stage:
    return alert(settings, context.log)


STAGE = StageEntry(
    "alert",
    _build,
    settings=AlertSettings,
    needs=frozenset({"detections", "zones"}),
    uses=frozenset({"clips", "anonymity"}),
    output=OutputEntry("alerts", _plan),
)
