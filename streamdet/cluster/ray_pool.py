"""Workers of a Ray cluster, or of a Ray that is started here for this job alone."""

import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import ray
from ray.exceptions import NodeDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from streamdet.cluster.attempt import Piece
from streamdet.cluster.driver import Lost
from streamdet.cluster.work import do_piece, facts_of
from streamdet.errors import ConfigError, PipelineError
from streamdet.jobs.config import PipelineConfig
from streamdet.version import __version__

_PER_CPU = 4  # pieces on their way for each processor: enough for an autoscaler to see what is wanted
_GPU_SHARE = 0.25  # of a GPU for one file: several side by side keep it busy
_LOOK_EVERY_S = 5.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def connect(address: str | None) -> None:
    """Join a cluster, or start one here; after `prepare_ray`.

    Raises:
        ConfigError: there is none at the address, or it cannot be started.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is None:
        options |= {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except Exception as error:  # of Ray, of gRPC, of the system
        said = " ".join(str(error).split())[:300]
        where = "cannot be started here" if address is None else f"{address}: no Ray cluster answers"
        raise ConfigError(f"--ray: {where}: {said}") from error


def close() -> None:
    """Leave the cluster; one that was started here ends."""
    ray.shutdown()


class _Board:
    """An actor: which pieces are where, and how far."""

    def __init__(self) -> None:
        self._at: dict[str, tuple[str, int]] = {}

    def tell(self, name: str, node: str, frames: int) -> None:
        self._at[name] = node, frames

    def read(self) -> dict[str, tuple[str, int]]:
        return self._at

    def forget(self, names: list[str]) -> None:
        for name in names:
            self._at.pop(name, None)


def _do(piece: Piece, board: Any, version: str, last: bool) -> dict[str, Any]:
    node = ray.get_runtime_context().get_node_id()

    def tell(name: str, frames: int) -> None:
        board.tell.remote(name, node, frames)

    tell(piece.name, 0)
    return do_piece(piece, tell, version, last=last)


class RayPool:
    """The workers of the cluster that `connect` has joined.

    Args:
        config: of the job; a GPU of the cluster is used where its device may be one.
    """

    def __init__(self, config: PipelineConfig) -> None:
        device = str(config.settings_of("detect").device)
        self._on_gpu = device.startswith("cuda") or (device == "auto" and _resources().get("GPU", 0) > 0)
        options: dict[str, Any] = {"num_cpus": 1, "max_retries": 0, "runtime_env": {"env_vars": _ONE_THREAD}}
        if self._on_gpu:
            options["num_gpus"] = _GPU_SHARE
        self._do = ray.remote(**options)(_do)
        self._facts = ray.remote(**{**options, "max_retries": 3})(facts_of)
        self._board: Any = ray.remote(num_cpus=0, max_restarts=-1)(_Board).remote()
        self._flying: dict[Any, Piece] = {}
        self._at: dict[str, tuple[str, int]] = {}
        self._failed_at: dict[str, str] = {}
        self._looked_s = -_LOOK_EVERY_S
        self._window = 1
        self._alive: set[str] = set()
        self._workers: set[str] = set()

    def facts(self, config: PipelineConfig) -> dict[str, Any]:
        """`facts_of` on one of the machines.

        Raises:
            ConfigError, ModelError: the detector cannot be loaded there.
        """
        try:
            found: dict[str, Any] = ray.get(self._facts.remote(config))
        except RayTaskError as error:
            raise error.cause from None
        except RayError as error:
            raise ConfigError(f"--ray: no worker could load the detector: {_line(error)}") from error
        return found

    @property
    def window(self) -> int:
        """Four pieces a processor."""
        self._look()
        return self._window

    def submit(self, piece: Piece, *, last: bool) -> None:
        """Queue a piece; one that has failed on a machine, for another one: that disk may be full."""
        task = self._do
        if other := self._other_than(self._failed_at.pop(piece.name, None)):
            task = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(other, soft=True))
        self._flying[task.remote(piece, self._board, __version__, last)] = piece

    def wait(self, seconds: float) -> list[tuple[Piece, dict[str, Any] | Lost]]:
        """What is done; of what is lost, where it was."""
        if not self._flying:
            return []
        refs = list(self._flying)
        ready, _ = ray.wait(refs, num_returns=1, timeout=seconds, fetch_local=False)
        if ready:
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0, fetch_local=False)
        done = [(self._flying.pop(ref), self._result(ref)) for ref in ready]
        if any(isinstance(result, Lost) or result["failures"] for _, result in done):
            self._read_board()
        found = [(piece, self._located(piece, result)) for piece, result in done]
        if done:
            self._board.forget.remote([piece.name for piece, _ in done])
        return found

    def frames(self) -> dict[str, int]:
        """As the workers have said."""
        self._read_board()
        names = {piece.name for piece in self._flying.values()}
        return {name: frames for name, (_, frames) in self._at.items() if name in names}

    def lives(self, node: str) -> bool:
        """As the cluster sees it now."""
        self._look()
        return node in self._alive

    def drop(self) -> None:
        """End the workers of all pieces."""
        for ref in self._flying:
            ray.cancel(ref, force=True)
        self._flying.clear()

    def _result(self, ref: Any) -> dict[str, Any] | Lost:
        try:
            row: dict[str, Any] = ray.get(ref)
        except NodeDiedError as error:
            self._looked_s = -_LOOK_EVERY_S
            return Lost(f"its machine is gone: {_line(error)}", "")
        except RayError as error:
            self._looked_s = -_LOOK_EVERY_S
            return Lost(f"its worker ended: {_line(error)}")
        return row

    def _located(self, piece: Piece, result: dict[str, Any] | Lost) -> dict[str, Any] | Lost:
        node, _ = self._at.get(piece.name, (None, 0))
        if isinstance(result, Lost):
            return Lost(result.reason, node) if result.node is None else result
        if result["failures"] and node is not None:
            self._failed_at[piece.name] = node
        return result

    def _other_than(self, node: str | None) -> str | None:
        """A machine that works, other than this one; None where there is none, or no matter."""
        self._look()
        others = [] if node is None else sorted(self._workers - {node})
        return secrets.choice(others) if others else None

    def _read_board(self) -> None:
        with suppress(RayError):
            self._at = ray.get(self._board.read.remote(), timeout=2)

    def _look(self) -> None:
        if monotonic() - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = monotonic()
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        self._alive = {node["NodeID"] for node in nodes if node["Alive"]}
        self._workers = {node["NodeID"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1}
        places = _resources()
        slots = places.get("GPU", 0) / _GPU_SHARE if self._on_gpu else places.get("CPU", 0)
        self._window = max(1, round(_PER_CPU * slots))


def in_tasks(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Call a function with each of these, side by side in the cluster; what a machine takes along is done again.

    Raises:
        PipelineError: a worker is gone for good.
        StreamdetError: what the function raised.
    """
    task = ray.remote(num_cpus=1, max_retries=3, runtime_env={"env_vars": _ONE_THREAD})(function)
    try:
        found: list[Any] = ray.get([task.remote(*each) for each in arguments])
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        raise PipelineError(f"--ray: {_line(error)}") from error
    return found


def _resources() -> dict[str, float]:
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
