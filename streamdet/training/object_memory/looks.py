"""By what two objects are told apart: a projection of the detector's embeddings, in closed form.

Source: Fisher 1936, linear discriminant analysis: what differs within an object is made small, and of what is left the
directions are kept in which objects differ most.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.tracking.memory.association import Likeness
from streamdet.tracking.memory.network import INNER, SEEN, Looks

Floats32 = NDArray[np.float32]

LOOK_SIZE = 32
_MIN_VIEWS = 2
_REGULAR = 0.05  # of the mean variance, added so that a direction that hardly varies is not blown up


@dataclass(frozen=True, slots=True, eq=False)
class LookFit:
    """The projection.

    Attributes:
        weight, bias: (L, E), (L,) float32.
        other, same: cosines of two looks: of the middle of different objects' and of one object's.
    """

    weight: Floats32
    bias: Floats32
    other: float
    same: float


def numpy_looks(fit: LookFit) -> Looks:
    """For the association alone: the network is told nothing of embeddings yet."""
    return Looks(
        np.zeros((fit.weight.shape[1], SEEN), np.float32),
        np.zeros(SEEN, np.float32),
        np.zeros((SEEN, INNER), np.float32),
        np.ascontiguousarray(fit.weight.T),
        fit.bias,
        Likeness(fit.other, fit.same),
        "",
    )


def fit_looks(embeddings: Floats32, objects: NDArray[np.int64], size: int = LOOK_SIZE) -> LookFit:
    """Fit it.

    Args:
        embeddings: (N, E) float32.
        objects: (N,) int64, which object each is of.
        size: L.

    Raises:
        ValueError: fewer than two objects are seen more than once.
    """
    _, inverse, counts = np.unique(objects, return_inverse=True, return_counts=True)
    often = counts[inverse] >= _MIN_VIEWS
    x, inverse = embeddings[often].astype(np.float64), np.unique(inverse[often], return_inverse=True)[1]
    if inverse.max(initial=0) < 1:
        raise ValueError("expected at least two objects that are seen more than once")
    means = _means(x, inverse)
    within = x - means[inverse]
    scatter = within.T @ within / len(x)
    scatter += _REGULAR * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    values, vectors = np.linalg.eigh(scatter)
    whiten = vectors / np.sqrt(values)
    centre = means.mean(axis=0)
    between = (means - centre) @ whiten
    _, directions = np.linalg.eigh(between.T @ between)
    weight = (whiten @ directions[:, ::-1][:, : min(size, x.shape[1])]).T
    looks = (x - centre) @ weight.T
    looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-9)
    other, same = _cosines(looks, inverse)
    return LookFit(np.ascontiguousarray(weight, np.float32), (-weight @ centre).astype(np.float32), other, same)


def _means(x: NDArray[np.float64], inverse: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.zeros((inverse.max() + 1, x.shape[1]))
    np.add.at(sums, inverse, x)
    return sums / np.bincount(inverse)[:, None]


def _cosines(looks: NDArray[np.float64], inverse: NDArray[np.int64]) -> tuple[float, float]:
    """The median of different objects' looks, raised half-way to that of one object, and the latter."""
    means = _means(looks, inverse)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    same = float(np.median(np.einsum("nl,nl->n", looks, means[inverse])))
    pairs = (means @ means.T)[np.triu_indices(len(means), 1)]
    other = float(np.median(pairs))
    return other + 0.25 * (same - other), other + 0.9 * (same - other)
