"""Which machine reads which camera: decided from what is known at one moment, by a clock that is given.

Nothing here waits, measures or calls anything, so that thousands of cameras can be simulated.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heapreplace

_ROOM = 0.7  # most load of a machine, in shares of its bounds, that is given a camera of another one


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a machine has to hold.

    Attributes:
        p95_s: 95 % of the frames are worked off so soon after they were captured.
        max_dropped: fraction of the frames that are dropped, 0 to 1.
        patience_s: a machine that has broken a bound for so long gives a camera away.
    """

    p95_s: float = 1.0
    max_dropped: float = 0.5
    patience_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Machine:
    """One that is ready for cameras.

    Attributes:
        cpus: its share of the cameras is in proportion.
        labels: `key=value`.
        p95_s: from capture to result, over the last seconds; None without frames.
        dropped: fraction of the frames over the last seconds, 0 to 1.
    """

    cpus: float = 1.0
    labels: frozenset[str] = frozenset()
    p95_s: float | None = None
    dropped: float = 0.0

    def reaches(self, needs: str | None) -> bool:
        """Whether it can read a camera that needs this label; None: any can."""
        return needs is None or needs in self.labels

    def load(self, bounds: Bounds) -> float:
        """In shares of what it may be: above 1 a bound is broken."""
        return max((self.p95_s or 0.0) / bounds.p95_s, self.dropped / bounds.max_dropped)


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a camera is.

    Attributes:
        machine: name of the machine that reads it; None: none does.
        needs: the label of a machine that can reach it; None: all can.
        since_s: when it came there.
        not_before_s: it is not placed before.
    """

    machine: str | None = None
    needs: str | None = None
    since_s: float = 0.0
    not_before_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done.

    Attributes:
        camera, machine: it is to be read there from now on.
        planned: another one reads it now, and can hand it over.
    """

    camera: str
    machine: str
    planned: bool = False


@dataclass(slots=True)
class Placer:
    """Decides, and remembers how long bounds have been broken.

    Args:
        bounds: of all machines.
    """

    bounds: Bounds = field(default_factory=Bounds)
    _broken_s: dict[str, float] = field(default_factory=dict)
    _changed_s: dict[str, float] = field(default_factory=dict)

    def decide(self, now_s: float, machines: Mapping[str, Machine], seats: Mapping[str, Seat]) -> list[Step]:
        """What is to be done now.

        A camera whose machine is not there any more, or cannot reach it, gets the one with the fewest cameras for its
        processors. Of a machine that has broken a bound for `patience_s` the youngest camera goes to the one that has
        the most room; both are then left alone for as long, so that what is measured next is of the new distribution.

        Args:
            now_s: of any clock that does not go back.
            machines: that are ready, by name.
            seats: by name of the camera.
        """
        cameras = Counter(seat.machine for seat in seats.values() if seat.machine in machines)
        steps = list(self._placed(now_s, machines, seats, cameras))
        return [*steps, *self._relieved(now_s, machines, seats, cameras)]

    def _placed(
        self, now_s: float, machines: Mapping[str, Machine], seats: Mapping[str, Seat], cameras: Counter[str | None]
    ) -> Iterator[Step]:
        queues: dict[str | None, _Queue] = {}
        for name, seat in seats.items():
            there = machines.get(seat.machine or "")
            if (there is not None and there.reaches(seat.needs)) or now_s < seat.not_before_s:
                continue
            if seat.needs not in queues:
                queues[seat.needs] = _Queue(_reaching(machines, seat.needs), machines, cameras, self.bounds)
            if (chosen := queues[seat.needs].next()) is not None:
                cameras[chosen] += 1
                self._changed_s[chosen] = now_s
                yield Step(name, chosen, planned=there is not None)

    def _relieved(
        self, now_s: float, machines: Mapping[str, Machine], seats: Mapping[str, Seat], cameras: Counter[str | None]
    ) -> Iterator[Step]:
        loads = {name: machine.load(self.bounds) for name, machine in machines.items()}
        self._broken_s = {name: self._broken_s.get(name, now_s) for name, load in loads.items() if load > 1}
        self._changed_s = {name: at_s for name, at_s in self._changed_s.items() if name in machines}
        calm_s = now_s - self.bounds.patience_s
        settled = {name for name in machines if self._changed_s.get(name, calm_s) <= calm_s}
        patient = [name for name, at_s in self._broken_s.items() if at_s <= calm_s and name in settled]
        hot = sorted(patient, key=lambda name: -loads[name])
        if not hot:
            return
        of: dict[str, list[tuple[float, str]]] = {name: [] for name in hot}
        for name, seat in seats.items():
            if seat.machine in of:
                of[seat.machine].append((seat.since_s, name))
        for name in hot:
            for _, camera in sorted(of[name], reverse=True):
                reaching = (each for each in _reaching(machines, seats[camera].needs) if each in settled)
                if (chosen := self._roomiest(reaching, loads, cameras)) is not None:
                    settled -= {name, chosen}
                    self._changed_s[name] = self._changed_s[chosen] = now_s
                    yield Step(camera, chosen, planned=True)
                    break

    def _roomiest(self, names: Iterable[str], loads: Mapping[str, float], cameras: Counter[str | None]) -> str | None:
        """The machine that would be loaded least with one camera more, where it has room for one."""

        def then(name: str) -> float:
            return loads[name] * (1 + 1 / max(cameras[name], 1))

        fitting = ((then(name), cameras[name], name) for name in names if loads[name] <= _ROOM and then(name) < 1)
        return min(fitting, default=(0.0, 0, None))[2]


def _reaching(machines: Mapping[str, Machine], needs: str | None) -> list[str]:
    return [name for name, machine in machines.items() if machine.reaches(needs)]


class _Queue:
    """Machines in the order in which they get cameras; others give them cameras meanwhile."""

    def __init__(
        self, names: Iterable[str], machines: Mapping[str, Machine], cameras: Counter[str | None], bounds: Bounds
    ) -> None:
        self._machines, self._cameras = machines, cameras
        self._over = {name: machines[name].load(bounds) > 1 for name in names}
        self._heap = [self._rank(name) for name in self._over]
        heapify(self._heap)

    def _rank(self, name: str) -> tuple[bool, float, str]:
        return self._over[name], (self._cameras[name] + 1) / max(self._machines[name].cpus, 0.1), name

    def next(self) -> str | None:
        while self._heap:
            name = self._heap[0][2]
            if (rank := self._rank(name)) == self._heap[0]:
                return name
            heapreplace(self._heap, rank)
        return None
