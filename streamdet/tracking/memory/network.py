"""The network of the object memory, in numpy: one small peephole LSTM, with the same weights for every track.

Shapes: N tracks, F features of a track, E numbers of a detector's embedding, L of a look, H hidden.
`training.object_memory.network` is the same network in torch, and trains it.
Source of the cell: Gers and Schmidhuber 2000; all three gates see the cell before the step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from streamdet.errors import CheckpointError
from streamdet.tracking.memory.association import Likeness

Floats32 = NDArray[np.float32]

FORMAT = "streamdet object memory 1"
HIDDEN, INNER, SEEN = 64, 48, 16
"""Width of the LSTM, of what it is given, and of what it is told of a detector's features."""
# Outputs of the head: logit of the score; weights of the fast and of the slow prediction of the box, by coordinate;
# how much of a box's class scores is taken, how much of those before is kept, how much of the own score counts.
SCORE, FAST, SLOW, TAKE, KEEP, OWN = 0, slice(1, 5), slice(5, 9), 9, 10, 11
OUTPUTS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """How the detector's features are read.

    Attributes:
        seen, seen_bias, inner_seen: (E, 16), (16,), (16, 48): what the network is told of an embedding.
        look, look_bias: (E, L), (L,): from an embedding to what two objects are compared by.
        likeness: what a cosine of two looks means.
        embeddings: which detector's embeddings these are.
    """

    seen: Floats32
    seen_bias: Floats32
    inner_seen: Floats32
    look: Floats32
    look_bias: Floats32
    likeness: Likeness
    embeddings: str

    @classmethod
    def of(cls, tensors: Mapping[str, Floats32], embeddings: str) -> "Looks":
        """From the tensors of a file."""
        scale = 1 / tensors["seen_deviation"]
        other, same = tensors["likeness"].tolist()
        bias = tensors["seen.bias"] - tensors["seen.weight"] @ (tensors["seen_mean"] * scale)
        return cls(
            _transposed(tensors["seen.weight"] * scale),
            _float32(bias),
            _transposed(tensors["inner_seen.weight"]),
            _transposed(tensors["look.weight"]),
            tensors["look.bias"],
            Likeness(other, same),
            embeddings,
        )

    def inner(self, embeddings: Floats32) -> Floats32:
        """(N, 48) what embeddings (N, E) add to the first layer; 0 where one is 0."""
        seen = np.tanh(embeddings @ self.seen + self.seen_bias)
        seen *= embeddings.any(axis=1, keepdims=True)
        return _float32(seen @ self.inner_seen)

    def looks(self, embeddings: Floats32) -> Floats32:
        """(N, L) unit vectors of embeddings (N, E); 0 where one is 0."""
        looks = embeddings @ self.look + self.look_bias
        norm = np.sqrt(np.einsum("nl,nl->n", looks, looks))[:, None]
        return _float32(looks * embeddings.any(axis=1, keepdims=True) / np.maximum(norm, 1e-6))


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Of the network: float32, the features' normalisation part of the first layer.

    Attributes:
        inner, inner_bias: (F, 48), (48,).
        gates, gates_bias, peepholes: (48 + H, 4H), (4H,), (3, H).
        middle, middle_bias, head, head_bias: (H + 48, 64), (64,), (64, 12), (12,).
        looks: how embeddings are read; None for a network that reads none.
    """

    inner: Floats32
    inner_bias: Floats32
    gates: Floats32
    gates_bias: Floats32
    peepholes: Floats32
    middle: Floats32
    middle_bias: Floats32
    head: Floats32
    head_bias: Floats32
    looks: Looks | None

    @classmethod
    def of(cls, tensors: Mapping[str, Floats32], embeddings: str = "") -> "Weights":
        """From the tensors of a file, which are those of the torch network; raises KeyError where one is missing."""
        scale = tensors["mask"] / tensors["deviation"]
        inner = tensors["inner.weight"] * scale
        return cls(
            _transposed(inner),
            _float32(tensors["inner.bias"] - inner @ tensors["mean"]),
            _transposed(tensors["gates.weight"]),
            tensors["gates.bias"],
            tensors["peepholes"],
            _transposed(tensors["middle.weight"]),
            tensors["middle.bias"],
            _transposed(tensors["head.weight"]),
            tensors["head.bias"],
            Looks.of(tensors, embeddings) if "seen.weight" in tensors else None,
        )

    def reads(self, embeddings: Floats32 | None) -> bool:
        """Whether it knows embeddings of this size."""
        return embeddings is not None and self.looks is not None and embeddings.shape[1] == len(self.looks.seen)

    @property
    def look_size(self) -> int:
        """L; 0 where no embeddings are read."""
        return 0 if self.looks is None else self.looks.look.shape[1]


def load_weights(path: Path) -> Weights:
    """Read a file of `streamdet train --task object-memory`.

    Raises:
        CheckpointError: it is missing, damaged or something else.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; expected the weights of an object memory")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get("format") != FORMAT:
            raise CheckpointError(f"{path} is not an object memory; expected the format {FORMAT}")
        return Weights.of(tensors, metadata.get("embeddings", ""))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged, or not an object memory of this version: {error}") from error


class Network:
    """The LSTM of the tracks of one stream.

    Args:
        weights: of the network.

    Attributes:
        gates: (N, 4H) of the last step, 0 to 1: input, forget, new (a half is zero), output.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.gates: NDArray[np.floating] = np.zeros((0, 4 * HIDDEN), np.float32)

    def step(self, x: Floats32, seen: Floats32 | None, state: Floats32) -> Floats32:
        """One frame of every track.

        Args:
            x: (N, F) float32, see `features`.
            seen: (N, E) float32, the embedding of each track's box, 0 where there is none; None where no track has
                one.
            state: (N, 2H) float32, hidden and cell; updated in place.

        Returns:
            (N, 12) float32.
        """
        w, h = self._weights, HIDDEN
        inner = x @ w.inner
        inner += w.inner_bias
        if seen is not None and w.looks is not None:
            inner += w.looks.inner(seen)
        inner *= sigmoid(inner)
        hidden, cell = state[:, :h], state[:, h:]
        gates = np.concatenate([inner, hidden], axis=1) @ w.gates
        gates += w.gates_bias
        # The order of the gates is input, forget, new, output.
        gates[:, :h] += w.peepholes[0] * cell
        gates[:, h : 2 * h] += w.peepholes[1] * cell
        gates[:, 3 * h :] += w.peepholes[2] * cell
        gates[:, 2 * h : 3 * h] *= 2
        self.gates = gates = sigmoid(gates)
        cell *= gates[:, h : 2 * h]
        cell += gates[:, :h] * (gates[:, 2 * h : 3 * h] * 2 - 1)  # tanh by a sigmoid
        np.multiply(gates[:, 3 * h :], np.tanh(cell), out=hidden)
        middle = np.concatenate([hidden, inner], axis=1) @ w.middle
        middle += w.middle_bias
        middle *= sigmoid(middle)
        return np.asarray(middle @ w.head + w.head_bias, np.float32)


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of numbers of any size."""
    out: NDArray[np.floating] = np.minimum(-x, 60)
    np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)
    return out


def _transposed(matrix: NDArray[np.floating]) -> Floats32:
    return np.ascontiguousarray(matrix.T, np.float32)


def _float32(array: NDArray[np.floating]) -> Floats32:
    return np.asarray(array, np.float32)
