"""Names of classes: of the file, of the command line, or those of COCO where a network has as many."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.errors import ConfigError

NO_CLASS = "-"
"""Name of a column of scores that is of no class."""

# COCO's category ids 1 to 90 in order, those that no object has as NO_CLASS.
_COCO_90 = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,-,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,-,backpack,umbrella,-,-,handbag,tie,suitcase,"
    "frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,-,"
    "wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,"
    "couch,potted plant,bed,-,dining table,-,-,toilet,-,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,"
    "toaster,sink,refrigerator,-,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
COCO_91 = (NO_CLASS, *_COCO_90.split(","))
"""COCO's names by category id, 0 to 90."""
COCO_80 = tuple(name for name in COCO_91 if name != NO_CLASS)
"""COCO's names without gaps."""
COCO_IDS = {name: number for number, name in enumerate(COCO_91) if name != NO_CLASS}
"""COCO's category id of each name, 1 to 90."""
COCO_BY_COUNT = {len(names): names for names in (COCO_80, COCO_91)}
_KNOWN = {"coco80": COCO_80, "coco91": COCO_91}


def read_names(text: str) -> tuple[str, ...]:
    """Names that a user gives: A,B,C, a text file with one in each line, or coco80 or coco91.

    Raises:
        ConfigError: if the file cannot be read, or a name is empty.
    """
    if text in _KNOWN:
        return _KNOWN[text]
    if Path(text).suffix.lower() in (".txt", ".names"):
        try:
            names = Path(text).read_text(encoding="utf-8").strip().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"class names {text}: cannot be read: {error}") from error
    else:
        names = text.split(",")
    names = [name.strip() for name in names]
    if not all(names):
        raise ConfigError(f"class names {text}: one is empty; write {NO_CLASS} for a column that is of no class")
    return tuple(names)


def names_in(value: Any) -> tuple[str, ...] | None:
    """Names from metadata: a list, or by index; None where it is neither, or has gaps."""
    if isinstance(value, dict):
        keyed = {str(key): name for key, name in value.items()}
        value = [keyed.get(str(index)) for index in range(len(keyed))]
    if not isinstance(value, list | tuple) or not value:
        return None
    return tuple(name.strip() for name in value) if all(isinstance(x, str) and x.strip() for x in value) else None


class Columns:
    """Which columns of scores are which class: those of one name are one class, its score the highest of them.

    Args:
        names: of the columns; NO_CLASS is left out.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.classes = tuple(name for name in dict.fromkeys(names) if name != NO_CLASS)
        self._groups = [[i for i, name in enumerate(names) if name == wanted] for wanted in self.classes]
        self._are_classes = self._groups == [[i] for i in range(len(names))]

    def scores(self, scores_PC: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P, columns) to (P, K) float32."""
        if self._are_classes:
            return scores_PC
        return np.stack([scores_PC[:, group].max(axis=1) for group in self._groups], axis=1)
