"""How the cameras of a cluster are, as the page and `cluster status` show it."""

import time
from collections import Counter
from typing import Any

from streamdet.cluster.cameras.fleet import Fleet
from streamdet.cluster.cameras.member import Member
from streamdet.cluster.cameras.placing import Bounds
from streamdet.cluster.cameras.table import Row

Document = dict[str, Any]


def streams_of(fleet: Fleet) -> list[Document]:
    """All cameras with their state, as `Service.status` has streams, with `node` in addition."""
    members = {member.name: member for member in fleet.members()}
    seen = {name: member.streams() for name, member in members.items()}
    labels = {label for member in members.values() for label in member.node.labels}
    return [
        {**seen[row.machine][row.name], "node": row.machine}
        if row.machine in seen and row.name in seen[row.machine]
        else _unseen(row, _why(row, needs, labels, members))
        for row, needs in _rows(fleet)
    ]


def status_of(fleet: Fleet, bounds: Bounds, viewers: int) -> Document:
    """What the page shows of all machines together."""
    stages = [
        {"name": f"{member.name}: {stage['name']}", "busy": stage["busy"]}
        for member in fleet.members()
        for stage in member.report.get("status", {}).get("stages", ())
        if stage["name"] in ("detect", "track")
    ]
    busiest = max(stages, key=lambda stage: float(stage["busy"]), default=None)
    return {
        "time": round(time.time(), 1),
        "running": True,
        "streams": streams_of(fleet),
        "machines": _machines(fleet, bounds),
        "away": fleet.away(),
        "stages": stages,
        "bound_by": "nothing" if busiest is None else busiest["name"],
        "viewers": viewers,
        "saves": True,
    }


def cluster_of(fleet: Fleet, bounds: Bounds) -> Document:
    """Machines and cameras, for `cluster status`."""
    needs = {row.name: label for row, label in _rows(fleet)}
    streams = [{**stream, "needs": needs.get(stream["name"])} for stream in streams_of(fleet)]
    return {"machines": _machines(fleet, bounds), "cameras": streams}


def _machines(fleet: Fleet, bounds: Bounds) -> list[Document]:
    cameras = Counter(row.machine for row, _ in _rows(fleet))
    return [
        {
            "name": member.name,
            "state": member.state,
            "problem": member.problem,
            "cpus": member.node.cpus,
            "gpus": member.node.gpus,
            "labels": sorted(label for label in member.node.labels if not label.startswith("ray.io/")),
            "cameras": cameras[member.name],
            "p95_s": member.report.get("p95_s"),
            "dropped": member.report.get("dropped", 0.0),
            "over": member.machine.load(bounds) > 1,
        }
        for member in fleet.members()
    ]


def _rows(fleet: Fleet) -> list[tuple[Row, str | None]]:
    """All cameras, and the label that each needs."""
    with fleet.table.lock:
        return [(row, fleet.table.needs.get(row.name)) for row in fleet.table.rows.values()]


def _why(row: Row, needs: str | None, labels: set[str], members: dict[str, Member]) -> str:
    if needs is not None and needs not in labels:
        return f"no machine has the label {needs}"
    if row.problem is not None:
        return row.problem
    if row.machine is not None:
        return f"{row.machine} connects to it"
    if row.not_before > time.time():
        return f"its machine's process has ended {row.crashes} times; the next try is soon"
    return "waits for a machine" if members else "the cluster has no machine with processors"


def _unseen(row: Row, reason: str) -> Document:
    return {
        "name": row.name,
        "location": row.spec.shown,
        "state": "failed" if row.problem is not None else "connecting",
        "reason": reason,
        "since": round(row.since or time.time(), 1),
        "frames": 0,
        "dropped": 0,
        "fps": 0.0,
        "age_s": None,
        "latency_s": None,
        "session": 0,
        "objects": 0,
        "zones": {},
        "node": row.machine,
    }
