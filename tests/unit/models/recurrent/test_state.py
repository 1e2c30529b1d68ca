import numpy as np
import pytest
import torch

from streamdet.models.recurrent.array_state import ArrayState
from streamdet.models.recurrent.state import State


def _state(*values: float) -> State:
    x = torch.stack([torch.full((3, 2, 2), v) for v in values])
    return State((x, x + 0.5), (x * 2, x * 3), torch.arange(1, len(values) + 1))


def test_keep_where_starts_the_others_again():
    kept = _state(1.0, 2.0).keep_where(torch.tensor([False, True]))
    assert kept.hidden[0][:, 0, 0, 0].tolist() == [0.0, 2.0]
    assert kept.ages.tolist() == [0, 2]
    # A NaN must not survive a reset: 0 * NaN would be NaN.
    assert torch.isfinite(_state(float("nan")).keep_where(torch.tensor([False])).hidden[0]).all()


def test_torch_and_numpy_write_and_read_the_same():
    """What one runtime saved, another goes on from."""
    state = _state(1.0, 2.0)
    in_numpy = ArrayState.from_arrays(state.to_arrays())
    again = State.from_arrays(in_numpy.to_arrays())
    assert again.layout == in_numpy.layout == state.layout == ((3, 2, 2), (3, 2, 2))
    for name, x in state.to_arrays().items():
        np.testing.assert_array_equal(in_numpy.to_arrays()[name], x)
        np.testing.assert_array_equal(again.to_arrays()[name], x)


X, AGE = np.zeros((1, 3, 2, 2)), np.zeros(1)


@pytest.mark.parametrize("kind", [State, ArrayState])
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"age": AGE, "hidden.0": X}, "a state needs age"),
        ({"hidden.0": X, "cell.0": X}, "a state needs age"),
        ({"age": AGE, "hidden.0": X, "cell.1": X}, "a state needs age"),
        ({"age": AGE, "hidden.0": X, "cell.0": X[:, :2]}, "differ in shape"),
        ({"age": np.zeros(2), "hidden.0": X, "cell.0": X}, "differ in shape"),
    ],
)
def test_what_is_no_state_fails(kind, broken, message):
    with pytest.raises(ValueError, match=message):
        kind.from_arrays(broken)
