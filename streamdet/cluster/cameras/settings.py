"""A file of cameras for a cluster: a job as `serve` takes it, and a section `cluster`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, create_model
from pydantic import field_validator as check

from streamdet.cluster.cameras.placing import Bounds
from streamdet.jobs.config import PipelineConfig, job_model
from streamdet.yaml_file import Override, Section, load_yaml


class ClusterSettings(Section):
    """How cameras are shared out.

    Attributes:
        needs: by name of a camera: the label, `key=value`, of a machine that can reach it. Others: all can.
        p95_s, max_dropped, patience_s: see `Bounds`.
        cpus: processors that streamdet takes on each machine; null: all.
    """

    needs: Mapping[str, str] = Field(default_factory=dict)
    p95_s: float = Field(default=1.0, gt=0, le=3600)
    max_dropped: float = Field(default=0.5, gt=0, le=1)
    patience_s: float = Field(default=30.0, ge=1, le=86_400)
    cpus: int | None = Field(default=None, ge=1)

    @check("needs")
    @classmethod
    def _are_labels(cls, needs: Mapping[str, str]) -> Mapping[str, str]:
        for label in needs.values():
            check_label(label)
        return needs

    @property
    def bounds(self) -> Bounds:
        """Of each machine."""
        return Bounds(self.p95_s, self.max_dropped, self.patience_s)


def check_label(label: str) -> None:
    """Raise ValueError where this is no label of a machine."""
    key, equals, value = label.partition("=")
    if not (key and equals and value) or not label.isprintable() or len(label) > 200:
        raise ValueError(f"expected a label key=value, as in ray start --labels key=value, got {label[:50]!r}")


def load_cluster_job(
    path: str | Path, overrides: Sequence[str | Override] = ()
) -> tuple[PipelineConfig, ClusterSettings]:
    """Read a file of cameras; arguments and errors are those of `load_yaml`."""
    fields: dict[str, Any] = {"cluster": (ClusterSettings, ClusterSettings())}
    model = create_model("ClusterConfig", __base__=job_model(), __module__=__name__, **fields)
    whole: Any = load_yaml(path, model, overrides)
    job = job_model().model_validate_json(whole.model_dump_json(exclude={"cluster"}, exclude_unset=True))
    return job, whole.cluster
