import numpy as np
import pytest

from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.runtimes.graph.detector import GraphDetector, tiles


class CountingEngine:
    """Finds nothing, and counts how often it is asked to compile."""

    runtime = "nothing cpu fp32"
    int8 = False

    def __init__(self):
        self.compiled = 0

    def compile(self, graph):
        self.compiled += 1

        def execute(inputs):
            images, _, *memory = inputs
            B, T, H, W, _ = images.shape
            found = [np.zeros((B, T, 5, columns), np.float32) for columns in (4, 3)]
            return [*found, np.zeros((B, T, H // 8, W // 8, 16), np.float32), *(x + 1 for x in memory)]

        return execute


@pytest.mark.parametrize(("streams", "frames"), [(1, 1), (1, 8), (1, 19), (8, 1), (20, 3), (3, 10), (7, 7), (16, 16)])
def test_tiles_cover_every_frame_once_and_in_order(streams, frames):
    seen = np.zeros((streams, frames), int)
    for b, t in tiles(streams, frames):
        assert (seen[b, t] == 0).all()
        assert (seen[b, : t.start] == 1).all(), "a stream's frames come in their order"
        seen[b, t] += 1
        assert (b.stop - b.start, t.stop - t.start) in {(1, 8), (8, 1), (1, 1)}
    assert (seen == 1).all()


def test_memory_goes_through_every_tile_of_its_stream(make_model, clip):
    engine = CountingEngine()
    _, state = GraphDetector(weights_of(make_model()), engine).step(clip(2, 19))
    for x in (*state.hidden, *state.cell):
        assert (x == 2 + 3).all()  # two tiles of 8 frames and three of one
    assert engine.compiled == 2


def test_graphs_are_compiled_once_a_shape_and_not_kept_for_ever(make_model, clip):
    engine = CountingEngine()
    detector = GraphDetector(weights_of(make_model()), engine)
    for _ in range(2):
        for height in (32, 64):
            detector.step(clip(1, 1, height))
    assert engine.compiled == 2
    for height in range(32, 32 * 15, 32):
        detector.step(clip(1, 1, height, 32))
    assert engine.compiled == 16
    detector.step(clip(1, 1, 32 * 14, 32))
    assert engine.compiled == 16
    detector.step(clip(1, 1, 64))
    assert engine.compiled == 17


def test_state_of_another_size_fails(make_model, clip):
    detector = GraphDetector(weights_of(make_model()), CountingEngine())
    _, state = detector.step(clip(1, 1, 64))
    with pytest.raises(ValueError, match="state belongs to other streams or images"):
        detector.step(clip(1, 1, 96), state)
    with pytest.raises(ValueError, match="state belongs to other streams or images"):
        detector.step(clip(2, 1, 64), state)


def test_no_frames_fail(make_model, clip):
    with pytest.raises(ValueError, match="at least"):
        GraphDetector(weights_of(make_model()), CountingEngine()).step(clip(1, 1)[:, :0])
