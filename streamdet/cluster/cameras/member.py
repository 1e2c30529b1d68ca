"""A machine as the driver knows it: its runner, and what that has said last."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

from streamdet.cluster.cameras.machines import Handle, Node
from streamdet.cluster.cameras.placing import Machine

RETRY_S = 10.0
_LONGEST_WAIT_S = 300.0

State = Literal["starting", "ready", "waiting"]


@dataclass(slots=True)
class Member:
    """One machine.

    Attributes:
        name: unique among the machines; that of its host, where no other one has it.
        node: of Ray.
        data: its folder of events and clips.
        state: starting; ready for cameras; waiting before the next try to start its runner.
        handle, host, port, token: of its runner, once that is ready.
        report: the latest, see `Runner.report`.
        heard_s: when that came, time.monotonic().
        ready_s: since when it is ready.
        failures: starts that failed, or ended soon, one after another.
        again_s: when the next start is tried.
        blamed: cameras that its runner read when that ended, unless the machine turns out to be gone.
        problem: why there is no runner, one line.
    """

    name: str
    node: Node
    data: str
    state: State = "starting"
    handle: Handle | None = None
    host: str = ""
    port: int = 0
    token: str = field(default="", repr=False)
    report: dict[str, Any] = field(default_factory=dict)
    heard_s: float = 0.0
    ready_s: float = 0.0
    failures: int = 0
    again_s: float = 0.0
    blamed: frozenset[str] = frozenset()
    problem: str | None = None

    @property
    def cameras(self) -> frozenset[str]:
        """That it reads, as far as it has said."""
        return frozenset(self.report.get("cameras", ()))

    @property
    def machine(self) -> Machine:
        """For the placer."""
        return Machine(
            self.node.cpus, self.node.labels, self.report.get("p95_s"), float(self.report.get("dropped", 0.0))
        )

    def ready(self, handle: Handle, about: dict[str, Any]) -> None:
        """Its runner is there."""
        self.handle, self.state, self.problem = handle, "ready", None
        self.host, self.port, self.token = self.node.address, int(about["port"]), str(about["token"])
        self.ready_s = self.heard_s = monotonic()

    def lost(self, problem: str, wait_s: float) -> None:
        """Its runner is gone; another one is started after so many seconds."""
        self.handle, self.state, self.report, self.problem = None, "waiting", {}, problem
        self.again_s = monotonic() + wait_s

    def streams(self) -> dict[str, dict[str, Any]]:
        """State of each stream, by name, as the page shows it."""
        found = self.report.get("status", {}).get("streams", [])
        return {stream["name"]: stream for stream in found}


def delay_s(times: int) -> float:
    """Before the next try, after so many that failed."""
    return 0.0 if times <= 0 else min(RETRY_S * 2 ** (times - 1), _LONGEST_WAIT_S)
