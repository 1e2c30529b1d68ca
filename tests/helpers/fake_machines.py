"""Machines of a cluster's cameras that only remember what they were told: no process, no camera, no Ray."""

from collections.abc import Collection, Iterable
from typing import Any

from streamdet.cluster.cameras.machines import Node, RunnerLost
from streamdet.cluster.cameras.runner import RunnerJob
from streamdet.errors import ConfigError
from streamdet.frames import Place
from streamdet.media.locations import SourceSpec


def node(name: str, labels: Collection[str] = ()) -> Node:
    """A machine of one processor."""
    return Node(f"id-{name}", name, "127.0.0.1", 1.0, 0.0, frozenset(labels))


class FakeRunner:
    """A runner, and its `Handle`.

    Args:
        job: what it was started with.

    Attributes:
        cameras: by name: address, place and what was handed over.
        calls: names of the methods that were called.
        changed: settings by stage.
        lost, silent: its process is gone; it does not answer.
        crash, p95_s: that it reports.
        closed: it was told to complete what it writes.
        refuses: by name of a camera: why it cannot be read.
    """

    def __init__(self, job: RunnerJob) -> None:
        self.job = job
        self.cameras: dict[str, tuple[str, Place | None, bytes | None]] = {}
        self.calls: list[str] = []
        self.changed: dict[str, dict[str, Any]] = {}
        self.lost = self.silent = self.closed = False
        self.crash: str | None = None
        self.refuses: dict[str, str] = {}
        self.p95_s = 0.1

    def ask(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        """See Handle."""
        if self.lost:
            raise RunnerLost("gone")
        if self.silent:
            raise TimeoutError("silent")
        self.calls.append(method)
        return getattr(self, method)(*arguments)

    def end(self) -> None:
        """See Handle."""
        self.lost = True

    def about(self) -> dict[str, Any]:
        """See Runner."""
        return {"identity": self.job.identity, "host": "", "port": 1, "token": self.job.token}

    def report(self) -> dict[str, Any]:
        """See Runner."""
        return {
            "status": {"streams": [{"name": name, "state": "live"} for name in self.cameras], "stages": []},
            "cameras": list(self.cameras),
            "places": {name: Place(0, 10, 1.0, 5.0) for name in self.cameras},
            "p95_s": self.p95_s,
            "dropped": 0.0,
            "crash": self.crash,
        }

    def join(self, spec: SourceSpec, place: Place | None, handed: bytes | None) -> str | None:
        """See Runner."""
        if spec.name in self.refuses:
            return self.refuses[spec.name]
        self.cameras[spec.name] = (spec.location, place, handed)
        return None

    def leave(self, name: str) -> bytes:
        """See Runner."""
        del self.cameras[name]
        return f"state of {name}".encode()

    def change(self, stage: str, values: dict[str, Any]) -> None:
        """See Runner."""
        self.changed[stage] = values

    def close(self) -> dict[str, Place]:
        """See Runner."""
        self.closed = True
        return {}


class FakeMachines:
    """Machines that come and go as the test says; their runners stay when a driver goes.

    Args:
        names, labels: of the machines.

    Attributes:
        nodes: that are there.
        runners: by machine.
        fails: machines on which no runner can be started.
    """

    def __init__(self, *names: str, labels: Iterable[str] = ()) -> None:
        self.nodes = [node(name, frozenset(labels)) for name in names]
        self.runners: dict[str, FakeRunner] = {}
        self.fails: set[str] = set()

    def alive(self) -> list[Node]:
        """See Machines."""
        return list(self.nodes)

    def find(self, node: Node) -> FakeRunner | None:
        """See Machines."""
        runner = self.runners.get(node.hostname)
        return runner if runner is not None and not runner.lost else None

    def start(self, node: Node, job: RunnerJob) -> FakeRunner:
        """See Machines."""
        if node.hostname in self.fails:
            raise ConfigError("cannot start")
        self.runners[node.hostname] = runner = FakeRunner(job)
        return runner

    def kill(self, name: str) -> None:
        """A machine dies."""
        self.nodes = [node for node in self.nodes if node.hostname != name]
        self.runners[name].lost = True

    @property
    def where(self) -> dict[str, str]:
        """The machine that reads each camera."""
        return {camera: name for name, runner in self.runners.items() if not runner.lost for camera in runner.cameras}
