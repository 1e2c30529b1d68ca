"""alert: sends what happens at areas and lines to a broker or a web server, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from streamdet.errors import ConfigError, SinkError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Marker
from streamdet.media.locations import SourceSpec, redact
from streamdet.result import Result, ZoneEvent
from streamdet.sinks.events import EventSender, is_event_address, open_transport
from streamdet.sinks.jsonl import event_line
from streamdet.stages.entry import OutputEntry, OutputPlan, StageContext, StageEntry
from streamdet.stages.outputs import OutputLog
from streamdet.yaml_file import Section

Kind = Literal["entered", "appeared", "left", "line", "dwell", "crowd"]


class AlertSettings(Section):
    """What is told, and to whom.

    Attributes:
        to: mqtt://host/topic, or the http(s):// address of a webhook.
        kinds, zones, classes: only events of these; None: all.
        cool_down_s: after an event, those of the same kind, place and stream are not told for so long.
    """

    to: str | None = Field(default=None, min_length=1)
    kinds: tuple[Kind, ...] | None = None
    zones: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    cool_down_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def wants(self, event: ZoneEvent) -> bool:
        """Whether an event is told."""
        return (
            (self.kinds is None or event.kind in self.kinds)
            and (self.zones is None or event.zone in self.zones)
            and (self.classes is None or event.class_name in self.classes)
        )


def alert(settings: AlertSettings, log: OutputLog) -> Stage:
    """Send the lines of events, as JSON Lines has them; everything passes through.

    Args:
        settings: with an address.
        log: is told where events could not be delivered.
    """
    if settings.to is None:
        raise ValueError("alert needs an address")
    address = settings.to

    def process(inbox: Inbox[Result | Marker]) -> Iterator[Result | Marker]:
        sender = EventSender(open_transport(address), log.delivery(address, "events"))
        told_s: dict[tuple[str, str, str], float] = {}
        try:
            for item in inbox:
                if isinstance(item, Result):
                    for event in filter(settings.wants, item.zones.events):
                        key = item.source, event.zone, event.kind
                        if event.time_s - told_s.get(key, float("-inf")) >= settings.cool_down_s:
                            told_s[key] = event.time_s
                            sender.append((json.dumps(event_line(item, event), ensure_ascii=False) + "\n").encode())
                yield item
        finally:
            try:
                sender.close()
            except SinkError as error:
                log.fail("alert", None, error)

    return Stage("alert", process)


def _plan(settings: AlertSettings, sources: Sequence[SourceSpec]) -> OutputPlan:
    if settings.to is None or not is_event_address(settings.to):
        got = "nothing" if settings.to is None else redact(settings.to)
        raise ConfigError(f"alert.to: expected mqtt://host/topic, or http:// or https:// for a webhook, got {got}")
    open_transport(settings.to)
    reason = "alerts that were sent cannot be taken back"
    return OutputPlan({source.name: settings.to for source in sources}, shared=True, not_resumable=reason)


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
