"""During and after training: the model so far judged on what is held out, drawn, and written."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from streamdet.cli.messages import log
from streamdet.errors import SinkError

if TYPE_CHECKING:
    from streamdet.datasets.labels import LabelledSet
    from streamdet.detections import Detections
    from streamdet.evaluation.predict import Memory
    from streamdet.models.contract import Detector
    from streamdet.training.figures import Figures, Judgement
    from streamdet.training.loop import Trainer


class Judge:
    """Judges the model at the start, at the end of every phase, and at the interval of the recipe."""

    def __init__(
        self, trainer: "Trainer", validation: Mapping[str, "LabelledSet"], figures: "Figures", folder: Path
    ) -> None:
        self._trainer, self._validation, self._figures, self._folder = trainer, validation, figures, folder
        self.model_path = folder / f"{trainer.config.model.name}.safetensors"

    def judge(self) -> None:
        """Judge where the run stands, if that is due and was not done before.

        Raises:
            SinkError: if a picture or the model cannot be written.
        """
        progress, every = self._trainer.progress, self._trainer.config.validate_every
        begins = progress.step == 0 and progress.phase == 0
        due = progress.step == 0 or (every > 0 and progress.step % every == 0)
        if not due or (begins and self._trainer.config.initialise is None):
            return
        ap50 = self._figures.judgement_at(progress)
        if ap50 is None:
            judged = self._judge_sets()
            if judged is None:
                return
            ap50, by_class = judged
            self._figures.add_judgement(progress, ap50, by_class)
        elif self.model_path.is_file():
            return
        if not begins:
            self._write(ap50)

    def _judge_sets(self) -> "tuple[Judgement, Judgement] | None":
        """AP50 by set and memory, and by set and class; None where the run was told to stop meanwhile."""
        detector = self._trainer.method.ready(self._trainer.average, self._trainer.device)
        phase, step = self._figures.place(self._trainer.progress)
        # Where no memory is read, carrying it changes nothing.
        memories: tuple[Memory, ...] = ("carry", "reset") if phase.alpha != (0.0, 0.0) else ("reset",)
        figures: dict[str, dict[str, float | None]] = {}
        by_class: dict[str, dict[str, float | None]] = {}
        for name, labelled in self._validation.items():
            figures[name] = {}
            for memory in memories:
                found = self._predict(detector, labelled, memory)
                if found is None:
                    return None
                figures[name][memory], classes = _ap50(labelled, found)
                if memory == memories[0]:
                    by_class[name] = classes
                    self._draw_sheet(f"{phase.name if step else 'start'}.{name}", labelled, found)
            shown = _shown(figures[name]), _shown(by_class[name])
            log.info("%s step %d, %s: AP50 with memory %s (%s)", phase.name, step, name, *shown)
        return figures, by_class

    def _predict(
        self, detector: "Detector", labelled: "LabelledSet", memory: "Memory"
    ) -> "list[list[Detections]] | None":
        from streamdet.evaluation.predict import predict

        found = []
        for video in labelled.videos:
            if self._trainer.stopping:
                return None
            found.append(predict(detector, video, memory=memory).detections)
        return found

    def _draw_sheet(self, name: str, labelled: "LabelledSet", found: "list[list[Detections]]") -> None:
        from streamdet.datasets.contact_sheet import prediction_sheet
        from streamdet.drawing.annotators import draw
        from streamdet.stages.detect import DetectSettings

        least = DetectSettings().conf
        shown = [[frame[frame.scores >= least] for frame in video] for video in found]
        folder = self._folder / "sheets"
        folder.mkdir(exist_ok=True)
        file_name = re.sub(r"[^-.=+ \w]", "_", name)
        prediction_sheet(labelled, shown, draw, folder / f"{file_name}.png")

    def _write(self, ap50: "Judgement") -> None:
        phase, step = self._figures.place(self._trainer.progress)
        facts = {
            "recipe": json.loads(self._trainer.config.model_dump_json()),
            "finished": self._trainer.finished,
            "phase": phase.name,
            "step": step,
            "ap50": ap50,
            "skipped_steps": self._trainer.skipped_steps,
        }
        try:
            sha256 = self._trainer.method.save(self.model_path, self._trainer.average, facts)
        except OSError as error:
            raise SinkError(f"{self.model_path}: the model cannot be written: {error.strerror}") from error
        log.info("wrote %s (sha256 %s)", self.model_path, sha256[:12])


def _ap50(labelled: "LabelledSet", found: "list[list[Detections]]") -> "tuple[float | None, dict[str, float | None]]":
    """The mean over the classes, and each class."""
    from streamdet.evaluation.average_precision import average_precision

    figures = average_precision(list(zip(labelled.videos, found, strict=True)), labelled.classes)
    return figures["ap50"], {name: by["ap50"] for name, by in figures["per_class"].items()}


def _shown(ap50: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if ap is None else f'{ap:.3f}'}" for name, ap in ap50.items())
