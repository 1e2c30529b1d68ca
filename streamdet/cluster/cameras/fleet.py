"""The driver of a cluster's cameras: keeps a runner on each machine, and each camera at one of them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from streamdet.cluster.cameras.machines import Handle, Machines, Node, RunnerLost
from streamdet.cluster.cameras.member import RETRY_S, Member, delay_s
from streamdet.cluster.cameras.placing import Placer, Seat, Step
from streamdet.cluster.cameras.runner import RunnerJob
from streamdet.cluster.cameras.settings import ClusterSettings
from streamdet.cluster.cameras.table import Row, Table, few
from streamdet.errors import ConfigError, StreamdetError
from streamdet.jobs.config import PipelineConfig
from streamdet.stages.registry import stage_entry

log = logging.getLogger("streamdet")

TICK_S = 2.0
_REPORT_S = 5.0  # until a report has to be there
_SILENT_S = 30.0  # a runner that says nothing for so long is ended
_START_S = 600.0  # a machine may have to load a model, or wait for processors
_CALL_S = 60.0
_CLOSE_S = 30.0
_GATHER_S = 120.0  # at the start, cameras wait so long for machines that start
_YOUNG_S = 60.0  # a runner, or a camera, that ends within it has not worked
_SAVE_EVERY_S = 30.0

Make = Callable[[str], RunnerJob]


class Fleet:
    """All cameras of a cluster. Its methods may be called from any thread.

    Args:
        config: of the job.
        sources: of the job: the cameras.
        settings: how they are shared out.
        machines: where runners may be.
        make: the job of a runner, from the name of its machine.
        file: of the table.

    Attributes:
        config: of the job.
        table: of the cameras.

    Raises:
        ConfigError: a source is wrong, what is written of it could not be continued, or the table is damaged.
    """

    def __init__(
        self,
        config: PipelineConfig,
        sources: Sequence[str],
        settings: ClusterSettings,
        machines: Machines,
        make: Make,
        file: Path,
    ) -> None:
        self.config, self._machines, self._make = config, machines, make
        self.table = Table(config, sources, settings.needs, file)
        self._lock = self.table.lock  # guards what follows, too
        self._members: dict[str, Member] = {}
        self._met: set[str] = set()  # names of machines that have been ready
        self._placer = Placer(settings.bounds)
        self._busy: dict[str, float] = {}  # cameras that are on their way, and until when nothing else is tried
        # An earlier driver may have started runners with other ones.
        stages = [name for name in ("detect", "zones") if name in config.stages]
        self._changes: dict[str, dict[str, Any]] = {
            name: config.settings_of(name).model_dump(mode="json", include=set(stage_entry(name).adjustable))
            for name in stages
        }
        self._started_s, self._gathering = monotonic(), True
        self._saved_s = 0.0
        self._over = threading.Event()
        self._listening = ThreadPoolExecutor(32, thread_name_prefix="listen")
        self._pool = ThreadPoolExecutor(64, thread_name_prefix="fleet")  # for what may take minutes
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        """Start to look after the cameras."""
        self._thread.start()

    def close(self) -> None:
        """End all runners, after they have completed what they write, and keep the table."""
        self._over.set()
        self._thread.join(_CLOSE_S)  # without its head, Ray does not answer
        members = [member for member in self._members.values() if member.handle is not None]
        list(self._listening.map(self._close_member, members))
        for pool in (self._listening, self._pool):
            pool.shutdown(wait=False, cancel_futures=True)
        with suppress(StreamdetError):
            self.table.save()

    def _close_member(self, member: Member) -> None:
        assert member.handle is not None
        with suppress(StreamdetError, TimeoutError):
            self.table.note_places(member.handle.ask("close", timeout_s=_CLOSE_S))
        with suppress(Exception):
            member.handle.end()

    def _run(self) -> None:
        while True:
            try:
                self.tick()
            except Exception as error:  # of Ray, or of the disk with the table
                said = " ".join(str(error).split())[:300]
                log.warning("the cluster cannot be looked after; trying again: %s: %s", type(error).__name__, said)
                log.debug("where", exc_info=True)
            if self._over.wait(TICK_S):
                return

    def tick(self) -> None:
        """Look at all machines once, and do what is to be done."""
        self._meet(self._machines.alive())
        with self._lock:
            ready = [member for member in self._members.values() if member.state == "ready"]
        list(self._listening.map(self._listen, ready))
        with self._lock:
            self._gathering = self._gathering and self._still_gathering()
            if not self._gathering:
                self._place()
            self._reconcile()
            if self.table.changed or monotonic() - self._saved_s > _SAVE_EVERY_S:
                self._saved_s = monotonic()
                self.table.save()

    def _still_gathering(self) -> bool:
        starting = not self._members or any(member.state == "starting" for member in self._members.values())
        return starting and monotonic() - self._started_s < _GATHER_S

    def _meet(self, nodes: Iterable[Node]) -> None:
        """Machines that have come and gone."""
        there = {node.id: node for node in nodes}
        with self._lock:
            for member in list(self._members.values()):
                if member.node.id not in there:
                    self._lose(member, "the machine is gone", crashed=False)
                    self._acquit(member)
                    del self._members[member.name]
            known = {member.node.id for member in self._members.values()}
            for node in there.values():
                if node.id not in known:
                    name = self._name(node)
                    self._members[name] = member = Member(name, node, self._make(name).data)
                    self._pool.submit(self._start, member, find=True)
            for member in self._members.values():
                if member.state == "waiting" and monotonic() >= member.again_s:
                    member.state = "starting"
                    self._pool.submit(self._start, member, find=False)

    def _name(self, node: Node) -> str:
        """Of a machine: its host's, unless another machine has that."""
        names = [node.hostname, f"{node.hostname}-{node.id[:6]}", f"{node.hostname}-{node.id}"]
        return next(name for name in names if name not in self._members)

    def _start(self, member: Member, *, find: bool) -> None:
        """Find the runner that is there, or start one."""
        job = replace(self._make(member.name), host=member.node.address)
        handle: Handle | None = None
        try:
            handle = self._machines.find(member.node) if find else None
            about = None if handle is None else self._same(handle, job)
            if handle is None or about is None:
                handle = self._machines.start(member.node, job)
                about = handle.ask("about", timeout_s=_START_S)
            for stage, values in list(self._changes.items()):
                handle.ask("change", stage, values, timeout_s=_CALL_S)
        except (StreamdetError, TimeoutError) as error:
            if handle is not None:
                with suppress(Exception):
                    handle.end()
            with self._lock:
                member.failures += 1
                member.lost(" ".join(str(error).split()), delay_s(member.failures))
            log.warning("%s: no runner: %s", member.name, member.problem)
            return
        with self._lock:
            member.ready(handle, about)
            self._met.add(member.name)
        log.info("%s: ready, %g processors", member.name, member.node.cpus)

    def _same(self, handle: Handle, job: RunnerJob) -> dict[str, Any] | None:
        """What a runner says that an earlier driver has started; None where it is of another job, and is ended."""
        with suppress(StreamdetError, TimeoutError):
            about: dict[str, Any] = handle.ask("about", timeout_s=_CALL_S)
            if about["identity"] == job.identity:
                return about
            handle.ask("close", timeout_s=_CALL_S)
        handle.end()
        return None

    def _listen(self, member: Member) -> None:
        """Take the report of a runner."""
        assert member.handle is not None
        try:
            report: dict[str, Any] = member.handle.ask("report", timeout_s=_REPORT_S)
        except (StreamdetError, TimeoutError) as error:
            silent_s = monotonic() - member.heard_s
            if isinstance(error, TimeoutError) and silent_s < _SILENT_S:
                return
            gone = isinstance(error, RunnerLost)
            self._lose(member, "its runner has ended" if gone else f"no answer for {silent_s:.0f} s", crashed=gone)
            return
        with self._lock:
            member.report, member.heard_s = report, monotonic()
            if member.heard_s - member.ready_s > _YOUNG_S:
                member.failures = 0
            self.table.note_places(report["places"])
            for name in member.cameras & self.table.rows.keys():
                row = self.table.rows[name]
                if row.machine is None and name not in self._busy:
                    row = self.table.set(name, machine=member.name, since=time.time())
                if row.crashes and row.machine == member.name and time.time() - row.since > _YOUNG_S:
                    self.table.set(name, crashes=0)
        if report["crash"] is not None:
            self._lose(member, str(report["crash"]), crashed=True)

    def _lose(self, member: Member, why: str, *, crashed: bool) -> None:
        """Its cameras need another machine. Where the process crashed one of them may be the reason: they wait longer
        each time, not all equally long, so that it meets ever fewer others."""
        with self._lock:
            handle, member_was = member.handle, member.state
            mine = [row for row in self.table.rows.values() if row.machine == member.name]
            if crashed:
                member.blamed = frozenset(row.name for row in mine)
            member.failures += crashed and monotonic() - member.ready_s < _YOUNG_S
            member.lost(why, delay_s(member.failures))
            for row in mine:
                crashes = row.crashes + crashed
                wait_s = delay_s(crashes - 1) * (0.5 + hash(row.name) % 100 / 100)
                self.table.set(row.name, machine=None, crashes=crashes, not_before=time.time() + wait_s)
        if member_was == "ready":
            log.warning("%s: %s; its %d cameras go to others", member.name, why, len(mine))
        if handle is not None:
            with suppress(Exception):  # it may be alive, and must not read on
                handle.end()

    def _acquit(self, member: Member) -> None:
        """Its runner has ended because its machine has: no camera need wait for that."""
        for name in member.blamed & self.table.rows.keys():
            row = self.table.rows[name]
            self.table.set(name, crashes=max(row.crashes - 1, 0), not_before=0.0)

    def _place(self) -> None:
        ready = {name: member.machine for name, member in self._members.items() if member.state == "ready"}
        ahead_s = time.time() - monotonic()  # the table's times are of the calendar
        seats = {
            row.name: Seat(row.machine, self.table.needs.get(row.name), row.since - ahead_s, row.not_before - ahead_s)
            for row in self.table.rows.values()
        }
        for step in self._placer.decide(monotonic(), ready, seats):
            if step.planned:
                if self._busy.get(step.camera) != float("inf"):
                    log.info("%s: goes from %s to %s", step.camera, seats[step.camera].machine, step.machine)
                    self._start_move(step)
            else:
                self.table.set(step.camera, machine=step.machine, since=time.time())

    def _reconcile(self) -> None:
        """Tell runners of cameras that they are to read, and of those that they are not."""
        now_s = monotonic()
        self._busy = {name: until_s for name, until_s in self._busy.items() if until_s > now_s}
        for member in self._members.values():
            if member.state != "ready" or not member.report:
                continue
            wanted = {row.name for row in self.table.rows.values() if row.machine == member.name}
            for name in wanted - member.cameras - self._busy.keys():
                self._busy[name] = float("inf")
                self._pool.submit(self._join, member, self.table.rows[name], None)
            for name in member.cameras - wanted - self._busy.keys():
                self._busy[name] = float("inf")
                self._pool.submit(self._leave, member, name)

    def _join(self, member: Member, row: Row, handed: bytes | None) -> bool:
        """Let a machine read a camera; False where it cannot."""
        problem: str | None = "its runner has ended"
        try:
            if member.handle is not None:
                problem = member.handle.ask("join", row.spec, row.place, handed, timeout_s=_CALL_S)
        except (StreamdetError, TimeoutError) as error:
            problem = " ".join(str(error).split())
        with self._lock:
            # Reports that are on their way do not know of it yet.
            self._busy[row.name] = monotonic() + (RETRY_S if problem else 2 * TICK_S)
            if row.name in self.table.rows and self.table.rows[row.name].problem != problem:
                self.table.set(row.name, problem=problem)
                if problem is not None:
                    log.warning("%s: %s: %s", row.name, member.name, problem)
        return problem is None

    def _leave(self, member: Member, name: str) -> None:
        try:
            if member.handle is not None:
                member.handle.ask("leave", name, timeout_s=_CALL_S)
        except (StreamdetError, TimeoutError) as error:
            log.warning("%s: %s: %s", name, member.name, " ".join(str(error).split()))
        finally:
            with self._lock:
                self._busy[name] = monotonic() + 2 * TICK_S

    def _start_move(self, step: Step) -> "Future[str | None]":
        self._busy[step.camera] = float("inf")
        return self._pool.submit(self._move, step.camera, self.table.rows[step.camera].machine, step.machine)

    def _move(self, name: str, before: str | None, after: str) -> str | None:
        """Hand a camera over; gives why that did not work."""
        giving, taking = self._members.get(before or ""), self._members.get(after)
        handed: bytes | None = None
        try:
            if giving is not None and giving.handle is not None:
                handed = giving.handle.ask("leave", name, timeout_s=_CALL_S)
        except RunnerLost:
            pass  # it goes to the other one without its state
        except (StreamdetError, TimeoutError) as error:
            with self._lock:
                self._busy[name] = monotonic() + RETRY_S
            return f"{before} does not let go: {error}"
        with self._lock:
            if name not in self.table.rows:
                return "it was removed"
            row = self.table.set(name, machine=after, since=time.time())
        if taking is not None and self._join(taking, row, handed):
            return None
        with self._lock:
            if name not in self.table.rows:
                return "it was removed"
            problem = self.table.rows[name].problem
            back = giving is not None and giving.state == "ready"
            row = self.table.set(name, machine=before if back else None)
        if giving is not None and back:
            self._join(giving, row, handed)
        return f"{after} cannot read it: {problem}"

    def move(self, name: str, machine: str) -> None:
        """Hand a camera over to a machine, with its state.

        Raises:
            KeyError: there is no such camera or machine.
            ConfigError: it cannot go there.
        """
        with self._lock:
            row = self.table.row(name)
            if machine not in self._members:
                raise KeyError(f"machine {machine}; expected one of {few(self._members)}")
            member, needs = self._members[machine], self.table.needs.get(name)
            if member.state != "ready":
                raise ConfigError(f"{machine} is not ready: {member.problem or member.state}")
            if needs is not None and needs not in member.node.labels:
                raise ConfigError(f"{name} needs a machine with the label {needs}, which {machine} has not")
            if name in self._busy and self._busy[name] == float("inf"):
                raise ConfigError(f"{name} is on its way; try again in a moment")
            if row.machine == machine:
                return
            moving = self._start_move(Step(name, machine, planned=True))
        if (problem := moving.result()) is not None:
            raise ConfigError(f"{name}: {problem}")

    def change(self, stage: str, values: dict[str, Any]) -> None:
        """Change settings of a stage on all machines, and on those that come."""
        with self._lock:
            self._changes[stage] = {**self._changes.get(stage, {}), **values}
            handles = [member.handle for member in self._members.values() if member.handle is not None]
        for handle in handles:
            with suppress(RunnerLost, TimeoutError):
                handle.ask("change", stage, values, timeout_s=_CALL_S)

    def members(self) -> list[Member]:
        """Copies of all machines, in the order of their names."""
        with self._lock:
            return [replace(member) for _, member in sorted(self._members.items())]

    def away(self) -> list[str]:
        """Names of the machines that were ready and are not now: what they keep cannot be asked for."""
        with self._lock:
            ready = {name for name, member in self._members.items() if member.state == "ready"}
            return sorted(self._met - ready)

    def member_of(self, name: str) -> Member:
        """Copy of the machine that reads a camera.

        Raises:
            KeyError: there is no such camera, or no machine reads it.
        """
        with self._lock:
            machine = self.table.row(name).machine
            if machine not in self._members or self._members[machine].state != "ready":
                raise KeyError(f"machine that reads camera {name}")
            return replace(self._members[machine])
