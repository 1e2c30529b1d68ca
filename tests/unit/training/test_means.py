from streamdet.training.means import Means


def test_each_figure_is_a_mean_over_the_steps_that_had_it():
    means = Means()
    means.add({"loss": 1.0, "alpha": 0.25})
    means.add({"alpha": 0.5})  # a step without a finite loss
    means.add({"loss": 2.0, "alpha": 0.75})
    assert means.take() == {"loss": 1.5, "alpha": 0.5}
    assert means.take() == {}
