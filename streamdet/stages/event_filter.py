"""Which of the events at areas and lines are meant."""

from typing import Literal

from streamdet.result import ZoneEvent
from streamdet.yaml_file import Section

Kind = Literal["entered", "appeared", "left", "line", "dwell", "crowd"]


class EventFilter(Section):
    """A choice of events.

    Attributes:
        kinds, zones, classes: only events of these; None: all.
    """

    kinds: tuple[Kind, ...] | None = None
    zones: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None

    def wants(self, event: ZoneEvent) -> bool:
        """Whether an event is meant."""
        return (
            (self.kinds is None or event.kind in self.kinds)
            and (self.zones is None or event.zone in self.zones)
            and (self.classes is None or event.class_name in self.classes)
        )
