"""Class names of several detectors as one list, and which of them may mean the same object."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ALIKE = (
    ("vehicle", "car", "van", "bus", "truck"),
    ("bike", "bicycle", "motorcycle", "motorbike"),
)
"""Names that detectors confuse; the first of each says only that it is one of the others."""

_MIN_VOTES = 0.3
_CLEAR_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Names:
    """K classes in G groups: detectors disagree on names inside a group, but not between groups.

    Attributes:
        classes: K names.
        groups: G tuples of class ids; together they hold each class once.
        general: names that stand for a whole group.
    """

    classes: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    general: frozenset[str] = frozenset(names[0] for names in _ALIKE)

    @classmethod
    def of(cls, finders: Iterable[Sequence[str]], voters: Iterable[Sequence[str]] = ()) -> "Names":
        """The classes of all detectors, in the order in which they are first named.

        Args:
            finders: names of each detector whose boxes count.
            voters: of those that only name what others find; groups that no finder knows are left out.
        """
        found = dict.fromkeys(name for names in finders for name in names)
        known = {_group_name(name) for name in found}
        more = (name for names in voters for name in names if _group_name(name) in known)
        classes = tuple(dict.fromkeys([*found, *more]))
        groups: dict[str, list[int]] = {}
        for index, name in enumerate(classes):
            groups.setdefault(_group_name(name), []).append(index)
        return cls(classes, tuple(map(tuple, groups.values())))

    @property
    def group_of(self) -> NDArray[np.int64]:
        """(K,) int64, the group of each class."""
        return np.array(
            [next(g for g, group in enumerate(self.groups) if i in group) for i in range(len(self.classes))]
        )

    @property
    def exclusive(self) -> tuple[tuple[str, ...], ...]:
        """Names of the groups that hold several, as `DetectOptions.exclusive` wants them."""
        return tuple(tuple(self.classes[index] for index in group) for group in self.groups if len(group) > 1)

    def class_ids(self, names: Sequence[str]) -> NDArray[np.int64]:
        """(len(names),) int64, class ids of these names, -1 where one is not known."""
        return np.array([self.classes.index(name) if name in self.classes else -1 for name in names], np.int64)

    def name(self, group: int, votes: NDArray[np.float64]) -> tuple[int, bool]:
        """Name an object.

        Args:
            group: that it belongs to.
            votes: (K,) float64, sum of the scores with which detectors gave it each name.

        Returns:
            class id, and whether the votes decide: otherwise it is the group's general name, or the likeliest.
        """
        members = self.groups[group]
        exact = [index for index in members if self.classes[index] not in self.general]
        if len(members) == 1:
            return members[0], True
        said = votes[exact]
        if said.sum() >= _MIN_VOTES and said.max() >= _CLEAR_SHARE * said.sum():
            return exact[int(said.argmax())], True
        broad = [index for index in members if index not in exact]
        return (broad[0] if broad else exact[int(said.argmax())]), False


def _group_name(name: str) -> str:
    return next((alike[0] for alike in _ALIKE if name in alike), name)
