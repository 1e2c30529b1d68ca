import numpy as np
import pytest

from streamdet.errors import ConfigError, StageError
from streamdet.frames import Checkpoint, StreamGap, StreamStarted
from streamdet.models.classify.spec import ClassifierSpec
from streamdet.stages.classify import classify


class _Counter:
    """Says how often it has looked at a stream: class b is more likely the oftener."""

    spec = ClassifierSpec(classes=("a", "b"), size=(32, 32), fps=5.0, hidden=1)
    sha256, runtime = "1", "none"

    def __init__(self) -> None:
        self.looks = 0

    def step(self, image, state):
        assert image.shape == (32, 32, 3)
        self.looks += 1
        state = state + 1
        b = 1 - 1 / (1 + float(state[0, 0]))
        return np.array([1 - b, b], np.float32), state


def _said(items) -> list[float]:
    return [round(float(item.clip_class.probabilities[1]), 3) for item in items if hasattr(item, "clip_class")]


def test_a_stream_is_looked_at_so_many_times_a_second(run_stage, make_result) -> None:
    counter = _Counter()
    said = _said(run_stage(classify(counter), [make_result(index=n) for n in range(25)]))  # 25 frames a second
    assert counter.looks == 5
    assert said == [0.5] * 5 + [0.667] * 5 + [0.75] * 5 + [0.8] * 5 + [0.833] * 5


def test_streams_are_told_apart_and_a_gap_starts_again(run_stage, make_result) -> None:
    items = [make_result(source=name, index=5 * n) for n in range(3) for name in ("a", "b")]
    items += [StreamGap("a", 1, "lost"), make_result(source="a", index=20), make_result(source="b", index=20)]
    assert _said(run_stage(classify(_Counter()), items)) == [0.5, 0.5, 0.667, 0.667, 0.75, 0.75, 0.5, 0.8]


def test_a_run_that_is_continued_says_the_same(run_stage, make_result, started) -> None:
    frames = [make_result(index=3 * n) for n in range(20)]
    whole = _said(run_stage(classify(_Counter()), frames))
    for cut in (1, 7, 12):
        checkpoint = Checkpoint("a", cut)
        first = _said(run_stage(classify(_Counter()), [*frames[:cut], checkpoint]))
        again = StreamStarted("a", started("a").info, checkpoint)
        assert first + _said(run_stage(classify(_Counter()), [again, *frames[cut:]])) == whole

    other = _Counter()
    other.sha256 = "2"
    with pytest.raises((ConfigError, StageError), match="another classifier"):
        run_stage(classify(other), [StreamStarted("a", started("a").info, checkpoint), frames[-1]])
