"""What a job is: sources, stages in their order, and a section of settings for each stage that has any.

A section is named as its stage, which declares it (see `streamdet.stages.registry`). pipelines/*.yaml hold such jobs.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationInfo, create_model
from pydantic import field_validator as check

from streamdet.stages.registry import check_order, stage_entry, stage_names
from streamdet.yaml_file import Override, Section, load_yaml

Settings = TypeVar("Settings", bound=Section)


class PipelineConfig(Section):
    """A complete job, as a file of pipelines/ holds it, without the sections of its stages: `load_job` adds these.

    Attributes:
        sources: files, folders, globs, addresses, @lists.
        shard: "i/n": only every n-th source, from the i-th on, counted from 0; outputs are named as without it.
        stages: names, in their order.
        report: file of the run report.
        state_in, state_out: files of the state that a source starts with, and of what it is at its end.
        overwrite: replace outputs that are there.
        resume: continue the same job where it was interrupted; start where it has not started.
    """

    sources: tuple[str, ...] = ()
    stages: tuple[str, ...] = ("decode", "batch", "detect", "track", "annotate", "encode")
    shard: str | None = None
    report: str | None = Field(default=None, min_length=1)
    state_in: str | None = Field(default=None, min_length=1)
    state_out: str | None = Field(default=None, min_length=1)
    overwrite: bool = False
    resume: bool = False

    @check("resume")
    @classmethod
    def _or_overwrite(cls, resume: bool, info: ValidationInfo) -> bool:
        if resume and info.data.get("overwrite"):
            raise ValueError("expected resume or overwrite, not both")
        return resume

    @check("shard")
    @classmethod
    def _one_of_them(cls, shard: str | None) -> str | None:
        found = None if shard is None else re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
        if shard is not None and (found is None or int(found[1]) >= int(found[2])):
            raise ValueError(f"expected i/n with i from 0 to n - 1, such as 0/8 to 7/8, got {shard}")
        return shard

    @property
    def part(self) -> slice:
        """Which of all sources are meant."""
        first, step = (0, 1) if self.shard is None else map(int, self.shard.split("/"))
        return slice(first, None, step)

    @check("stages")
    @classmethod
    def _in_order(cls, stages: tuple[str, ...]) -> tuple[str, ...]:
        check_order(stages)
        return stages

    def settings(self, kind: type[Settings]) -> Settings:
        """The section of this type.

        Raises:
            LookupError: no stage has declared it.
        """
        for name in type(self).model_fields:
            if isinstance(section := getattr(self, name), kind):
                return section
        raise LookupError(f"a job has no section {kind.__name__}")

    def settings_of(self, stage: str) -> Any:
        """The section of a stage; None where it has none."""
        return getattr(self, stage, None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values: which sections there are, the registry of the other process says."""
        return _load_json, (self.model_dump_json(),)


def job_model() -> type[PipelineConfig]:
    """The model of a job with the sections of all stages that there are."""
    sections = {name: stage_entry(name).settings for name in stage_names()}
    return _model(tuple((name, section) for name, section in sections.items() if section is not None))


@lru_cache(maxsize=1)
def _model(sections: tuple[tuple[str, type[Section]], ...]) -> type[PipelineConfig]:
    fields: dict[str, Any] = {name: (section, section()) for name, section in sections}
    return create_model("PipelineConfig", __base__=PipelineConfig, __module__=__name__, **fields)


def load_job(path: str | Path | None = None, overrides: Sequence[str | Override] = ()) -> PipelineConfig:
    """Read a job; arguments and errors are those of `load_yaml`.

    Args:
        path: a file of pipelines/; None: all defaults.
        overrides: applied on top of it.

    Raises:
        ConfigError: one line for every mistake.
    """
    return load_yaml(path, job_model(), overrides)


def _load_json(text: str) -> PipelineConfig:
    return job_model().model_validate_json(text)
