"""Figures of all machines for Prometheus: those of each, with its name as the label `node`."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from streamdet.cluster.cameras.fleet import Fleet
from streamdet.cluster.cameras.overview import streams_of
from streamdet.cluster.cameras.relay import texts_of_all


class ClusterMetrics(Collector):
    """Asks the machines when it is asked.

    Args:
        fleet: the machines.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def describe(self) -> Iterator[Metric]:
        """See Collector; no machine is asked to find the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        members = self._fleet.members()
        states = GaugeMetricFamily("streamdet_machines", "Machines by state", labels=["state"])
        for state, count in Counter(member.state for member in members).items():
            states.add_metric([state], count)
        cameras = GaugeMetricFamily("streamdet_cameras", "Cameras by state", labels=["state"])
        for state, count in Counter(stream["state"] for stream in streams_of(self._fleet)).items():
            cameras.add_metric([state], count)
        yield from (states, cameras)
        merged: dict[str, Metric] = {}
        for member, text in texts_of_all(members, "/metrics"):
            for family in text_string_to_metric_families(text):
                metric = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    metric.add_sample(sample.name, {**sample.labels, "node": member.name}, sample.value)
        yield from merged.values()
