"""Settings of a job that are changed while it runs."""

from collections.abc import Mapping
from typing import Any

from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.privacy import check_found
from streamdet.models.contract import Detector
from streamdet.models.options import DetectOptions
from streamdet.stages.entry import Changes, StageContext
from streamdet.stages.registry import stage_entry
from streamdet.yaml_file import read_values


class Adjustments:
    """What a running job has now, and how that is changed; from any thread.

    Args:
        config: as it was started.
        detector: that runs.

    Attributes:
        changes: what the stages read.
        classes: names that the detector knows.
    """

    def __init__(self, config: PipelineConfig, detector: Detector) -> None:
        self._config, self._detector = config, detector
        self.changes, self.classes = Changes(), detector.spec.classes

    def settings_of(self, stage: str) -> Any:
        """The section of a stage as it is now; None where it has none."""
        return self.changes.latest(stage, self._config.settings_of(stage))

    def change(self, stage: str, values: Mapping[str, Any]) -> None:
        """Change keys of a stage's section from the next frame on.

        Args:
            stage: of the job.
            values: as JSON holds them.

        Raises:
            ConfigError: the stage does not run, a key cannot be changed while it does, or a value is wrong.
        """
        entry = stage_entry(stage)
        if stage not in self._config.stages or entry.settings is None:
            raise ConfigError(f"the stage {stage} is not part of this job")
        if fixed := set(values) - entry.adjustable:
            known = ", ".join(sorted(entry.adjustable)) or "nothing"
            raise ConfigError(f"{stage}.{min(fixed)} cannot be changed while the job runs; of {stage} can be: {known}")
        merged = {**self.settings_of(stage).model_dump(mode="json"), **values}
        settings = read_values(merged, entry.settings, stage)
        entry.check(settings, StageContext(self._detector, 0.0))
        if isinstance(settings, DetectOptions):
            check_found(self._config, settings)
        self.changes.set(stage, settings)
