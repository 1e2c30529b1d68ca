import numpy as np

from streamdet.boxes import Letterbox
from streamdet.explanation.gates import GateProbe, finest, network_of

IMAGES = np.random.default_rng(0).integers(0, 256, (1, 1, 3, 64, 96), np.uint8)


def test_what_the_memories_do_at_every_place(recurrent) -> None:
    network = network_of(recurrent)
    with GateProbe(network) as probe:
        _, state = recurrent.step(IMAGES)
        first = finest(probe.take())
        recurrent.step(IMAGES, state)
        maps = probe.take()
    assert len(maps) == len(network.memory)
    for each in (first, *maps):
        for name in ("input", "forget", "output", "cell", "share"):
            values = getattr(each, name)
            assert values.ndim == 2
            assert (values >= 0).all()
            assert (values <= 1).all()
    cells = state.cell[0][0].abs().mean(0).numpy()
    assert np.corrcoef(first.cell.ravel(), cells.ravel())[0, 1] > 0.999
    assert finest(maps).input.size == max(each.input.size for each in maps)
    assert first.cut(Letterbox.fit(96, 40, 96, 32)).input.shape == (5, 12)

    recurrent.step(IMAGES)
    assert probe.take() == []  # it has left


def test_a_memory_that_is_shut_has_no_share(recurrent) -> None:
    network = network_of(recurrent)
    network.set_alpha(0.0)
    with GateProbe(network) as probe:
        recurrent.step(IMAGES)
        assert all((each.share == 0).all() for each in probe.take())


def test_a_detector_outside_torch_shows_none() -> None:
    assert network_of(object()) is None
    assert finest([]) is None
