"""The machines of a Ray cluster, and the runner on each: an actor that outlives its driver."""

import os
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Protocol

import ray
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from streamdet.cluster.cameras.runner import Runner, RunnerJob, end_with
from streamdet.errors import ConfigError, PipelineError, StreamdetError

_NAMESPACE = "streamdet"
_AT_ONCE = 16  # calls of one runner
_NAME_FREE_S = 10.0


class RunnerLost(PipelineError):
    """The process of a runner, or its machine, is gone."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster.

    Attributes:
        id: differs each time that it joins.
        hostname, address: of the machine.
        cpus, gpus: that Ray has there.
        labels: `key=value`.
    """

    id: str
    hostname: str
    address: str
    cpus: float
    gpus: float
    labels: frozenset[str]


class Handle(Protocol):
    """A runner, from afar."""

    def ask(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        """Call a method of `Runner`.

        Raises:
            RunnerLost: it is gone.
            TimeoutError: it does not answer.
            StreamdetError: what the method raised, or a bug in it.
        """
        ...

    def end(self) -> None:
        """End its process at once."""
        ...


class Machines(Protocol):
    """Where runners may be."""

    def alive(self) -> list[Node]:
        """Machines with processors that are there now."""
        ...

    def find(self, node: Node) -> Handle | None:
        """The runner that a driver before has started there."""
        ...

    def start(self, node: Node, job: RunnerJob) -> Handle:
        """Start one there."""
        ...


class _RayHandle:
    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def ask(self, method: str, *arguments: Any, timeout_s: float) -> Any:
        """See Handle."""
        try:
            return ray.get(getattr(self._actor, method).remote(*arguments), timeout=timeout_s)
        except (GetTimeoutError, ActorUnavailableError) as error:
            raise TimeoutError(f"the runner does not answer within {timeout_s:g} s") from error
        except RayActorError as error:
            raise RunnerLost(_last_line(error)) from None
        except RayTaskError as error:
            if isinstance(error.cause, StreamdetError | TimeoutError):
                raise error.cause from None
            raise PipelineError(f"{type(error.cause).__name__}: {_last_line(error)} (a bug in streamdet)") from None
        except RayError as error:
            raise RunnerLost(_last_line(error)) from None
        except Exception as error:  # of gRPC, of the system
            raise TimeoutError(_last_line(error)) from error

    def end(self) -> None:
        """See Handle."""
        ray.kill(self._actor)


class RayMachines:
    """The machines of the cluster that `connect` has joined.

    Args:
        cpus: processors that a runner takes; None: all of its machine.
    """

    def __init__(self, cpus: int | None) -> None:
        self._cpus = cpus

    def alive(self) -> list[Node]:
        """See Machines."""
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        found = [_node(each) for each in nodes if each["Alive"]]
        return [node for node in found if node.cpus >= 1]

    def find(self, node: Node) -> Handle | None:
        """See Machines."""
        try:
            return _RayHandle(ray.get_actor(_name(node), namespace=_NAMESPACE))
        except ValueError:
            return None

    def start(self, node: Node, job: RunnerJob) -> Handle:
        """See Machines."""
        cpus = min(self._cpus or node.cpus, node.cpus)
        actor = ray.remote(_Actor)
        options: dict[str, Any] = {
            "name": _name(node),
            "namespace": _NAMESPACE,
            "lifetime": "detached",
            "num_cpus": cpus,
            "num_gpus": min(node.gpus, 1),
            "max_concurrency": _AT_ONCE,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False),
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(int(cpus))}},
        }
        until_s = monotonic() + _NAME_FREE_S
        while True:
            try:
                return _RayHandle(actor.options(**options).remote(job))
            except ValueError as error:  # the one before has the name until Ray has noticed its end
                if monotonic() > until_s:
                    raise ConfigError(f"no runner can be started: {_last_line(error)}") from error
                sleep(0.2)
            except RayError as error:
                raise ConfigError(f"no runner can be started: {_last_line(error)}") from error


class _Actor(Runner):
    """A runner that ends with the Ray of its machine."""

    def __init__(self, job: RunnerJob) -> None:
        end_with(os.getppid())
        self._failure: StreamdetError | None = None
        try:
            super().__init__(job)
        except StreamdetError as error:  # told by `about`: Ray would wrap it in pages
            self._failure = error

    def about(self) -> dict[str, Any]:
        """See Runner; raises what was wrong when it was made."""
        if self._failure is not None:
            raise self._failure
        return super().about()


def _last_line(error: Exception) -> str:
    """What is behind a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def _name(node: Node) -> str:
    return f"cameras-{node.id}"


def _node(values: dict[str, Any]) -> Node:
    there = values.get("Resources", {})
    labels = frozenset(f"{key}={value}" for key, value in (values.get("Labels") or {}).items())
    return Node(
        values["NodeID"],
        values["NodeManagerHostname"],
        values["NodeManagerAddress"],
        float(there.get("CPU", 0)),
        float(there.get("GPU", 0)),
        labels,
    )
