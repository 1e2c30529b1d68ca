"""classify: says what is going on in each stream, by a classifier of clips that remembers what it has seen of it."""

from dataclasses import dataclass, replace
from math import floor

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamdet.errors import ConfigError
from streamdet.flow import Stage
from streamdet.frames import SavedState, StateSection, StreamGap, StreamInfo
from streamdet.models.classify.spec import Classifier
from streamdet.result import ClipClass, Result
from streamdet.runtimes.classifier import open_classifier
from streamdet.stages.entry import StageContext, StageEntry
from streamdet.stages.per_stream import StreamWorker, per_stream
from streamdet.yaml_file import Section

_NEVER = -1


class ClassifySettings(Section):
    """How streams are classified.

    Attributes:
        model: a .safetensors file of streamdet train --task classify, or the .onnx that was exported from one.
        device: auto, cpu, cuda or cuda:N.
    """

    model: str | None = Field(default=None, min_length=1)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")


@dataclass(frozen=True)
class ClassifyState(StateSection):
    """What is known of one stream.

    Attributes:
        sha256: of the classifier's file.
        moment: the last one that was looked at, in steps of 1/fps.
        memory: (2, hidden) float32.
        probabilities: (K,) float32, what was said last.
    """

    sha256: str
    moment: int
    memory: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class _Moments(StreamWorker[ClassifyState]):
    """Looks at the first frame of every step of 1/fps; the others are told what that one was."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._forget()

    def _forget(self) -> None:
        spec = self._classifier.spec
        self._moment, self._memory = _NEVER, np.zeros((2, spec.hidden), np.float32)
        self._probabilities = np.full(len(spec.classes), 1 / len(spec.classes), np.float32)

    def start(self, info: StreamInfo, saved: SavedState[ClassifyState] | None) -> None:
        super().start(info, saved)
        if saved is not None and saved.step_s is not None:  # another file's times start again
            self._moment = _NEVER

    def process(self, result: Result) -> Result:
        spec = self._classifier.spec
        if result.cut:
            self._forget()
        moment = floor(result.pts_s * spec.fps + 1e-6)
        if moment != self._moment:
            height, width = spec.size
            picture = result.frame.picture.scaled(width, height)
            self._probabilities, self._memory = self._classifier.step(picture, self._memory)
            self._moment = moment
        return replace(result, clip_class=ClipClass(spec.classes, self._probabilities))

    def gap(self, gap: StreamGap) -> None:
        self._forget()

    def snapshot(self) -> ClassifyState:
        return ClassifyState(self._classifier.sha256, self._moment, self._memory, self._probabilities)

    def restore(self, section: ClassifyState) -> None:
        if section.sha256 != self._classifier.sha256:
            raise ConfigError("classify.model: the saved state is of another classifier; expected the same file")
        self._moment, self._memory, self._probabilities = section.moment, section.memory, section.probabilities


def classify(classifier: Classifier) -> Stage:
    """Result to Result with `clip_class`; each stream for itself, and only by what it has shown so far."""
    return per_stream("classify", lambda: _Moments(classifier))


def _build(settings: ClassifySettings, context: StageContext) -> Stage:
    if settings.model is None:
        raise ConfigError("classify.model: expected the file of a classifier of clips, as --classify FILE gives it")
    return classify(open_classifier(settings.model, settings.device))


STAGE = StageEntry(
    "classify",
    _build,
    settings=ClassifySettings,
    gives=frozenset({"clip_class"}),
    state=ClassifyState,
)
