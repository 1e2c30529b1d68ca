"""The tracks of one stream, as columns."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from streamdet.tracking.memory import filters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Columns of Tracks.history: mean score of 0.4 s, of 2 s (misses count as 0) and of 0.25 s; times in seconds; counts.
MEAN, LONG_MEAN, SHORT_MEAN, LAST_SEEN_S, STARTED_S, HITS, MISSES = range(7)
_HISTORY = 7
STRONG_SCORE = 0.2


@dataclass(slots=True, eq=False)
class Tracks:
    """N tracks of K classes.

    Attributes:
        ids: (N,) int64, unique in the stream, from 0 on.
        filters: (N, 5, 2, 4) float64, see `filters`.
        history: (N, 7) float64: means of the scores, last seen, started (seconds), hits, misses in a row.
        votes: (N, K) float64, mean class scores.
        looks: (N, L) float32, mean of the unit vectors that say what each looks like; 0 where that is not known.
    """

    ids: Ints
    filters: Floats
    history: Floats
    votes: Floats
    looks: NDArray[np.float32]

    @classmethod
    def none(cls, classes: int, look_size: int) -> "Tracks":
        """No tracks."""
        return cls(
            np.zeros(0, np.int64),
            np.zeros((0, 5, 2, 4)),
            np.zeros((0, _HISTORY)),
            np.zeros((0, classes)),
            np.zeros((0, look_size), np.float32),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def strong(self) -> Flags:
        """(N,) which tracks were seen well, and more than once."""
        return (self.history[:, MEAN] >= STRONG_SCORE) & (self.history[:, HITS] >= 2)

    def keep(self, rows: Flags) -> None:
        """Drop the others."""
        for column in fields(self):
            setattr(self, column.name, getattr(self, column.name)[rows])

    def add(
        self, ids: Ints, boxes: Floats, scores: Floats, votes: Floats, looks: NDArray[np.float32], time_s: float
    ) -> None:
        """Start a track at each of these boxes."""
        history = np.zeros((len(ids), _HISTORY))
        history[:, : SHORT_MEAN + 1] = scores[:, None]
        history[:, LAST_SEEN_S : STARTED_S + 1] = time_s
        history[:, HITS] = 1
        new = Tracks(ids, filters.start(boxes), history, votes, looks)
        for column in fields(self):
            setattr(self, column.name, np.concatenate([getattr(self, column.name), getattr(new, column.name)]))
