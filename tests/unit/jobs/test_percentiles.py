import numpy as np
import pytest

from streamdet.jobs.percentiles import Percentiles


def test_percentiles_are_right_to_a_hundredth():
    figures = np.random.default_rng(0).lognormal(3, 2, 20_000)
    counted = Percentiles()
    for figure in figures:
        counted.add(float(figure))
    got = counted.at((5, 50, 95, 99), 9)
    for percent in (5, 50, 95, 99):
        assert got[f"p{percent}"] == pytest.approx(np.percentile(figures, percent), rel=0.012)
    assert got["max"] == pytest.approx(figures.max())
    assert len(counted) == 20_000


def test_nothing_has_no_percentiles():
    assert Percentiles().at((50,), 2) is None


@pytest.mark.parametrize(("figure", "expected"), [(-1.0, -1.0), (0.0, 0.0), (1e9, 1e5), (0.25, 0.25)])
def test_figures_at_and_beyond_the_ends(figure, expected):
    counted = Percentiles()
    counted.add(figure)
    assert counted.at((50,), 3) == {"p50": pytest.approx(expected, rel=0.01), "max": figure}
