"""How an output is doing that may fail and recover: counted while it runs, for messages and the report."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

_log = logging.getLogger(__name__)


def _log_change(delivery: "Delivery") -> None:
    if delivery.failing is not None:
        _log.warning("%s", delivery.failing)
    else:
        _log.info("%s: works again", delivery.shown)


@dataclass(slots=True)
class Delivery:
    """One output.

    One thread writes it at a time.

    Attributes:
        shown: its path or address as messages may show it.
        unit: what is counted: pictures, files of a segmented video, lines of events.
        sent: how many have arrived.
        dropped: what was given to it and did not, by cause.
        failures: how often it failed, the tries to recover included.
        failing: why it is failing now, one line; None while it works.
        changed: called when it starts to fail, fails for another reason, or works again; a log line where not given.
    """

    shown: str
    unit: str = "pictures"
    sent: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    failing: str | None = None
    changed: "Callable[[Delivery], None]" = field(default=_log_change, repr=False, compare=False)

    def drop(self, cause: str, count: int = 1) -> None:
        """Count what will not arrive."""
        if count:
            self.dropped[cause] += count

    def fail(self, problem: str) -> None:
        """Count a failure; a new one is said, one that lasts is not said again."""
        self.failures += 1
        if problem != self.failing:
            self.failing = problem
            self.changed(self)

    def recover(self) -> None:
        """It works, or works again."""
        if self.failing is not None:
            self.failing = None
            self.changed(self)

    def snapshot(self) -> "Delivery":
        """A copy of what was counted, which can be pickled."""
        return replace(self, dropped=self.dropped.copy(), changed=_log_change)

    def __str__(self) -> str:
        drops = ", ".join(f"{cause} {count}" for cause, count in self.dropped.items())
        dropped = f", {self.dropped.total()} dropped ({drops})" if drops else ""
        return f"{self.shown}: {self.sent} {self.unit} delivered{dropped}"

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return {"unit": self.unit, "sent": self.sent, "dropped": dict(self.dropped), "failures": self.failures}
