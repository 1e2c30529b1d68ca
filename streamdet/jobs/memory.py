"""Which memories a job uses, as one word for the settings of two stages."""

from collections.abc import Iterator
from typing import Literal, get_args

from streamdet.errors import ConfigError
from streamdet.yaml_file import Override

Memory = Literal["both", "objects", "features", "none"]
"""Of objects, which track has; of features, which the detector has; both or none of them."""


def memory_overrides(memory: str, shown: str) -> Iterator[Override]:
    """What a word changes in a job.

    Args:
        memory: one of Memory.
        shown: where it comes from, for errors.

    Raises:
        ConfigError: it is another word.
    """
    if memory not in get_args(Memory):
        raise ConfigError(f"{shown}: expected {', '.join(get_args(Memory))}, got {memory}")
    yield Override("detect.memory", "carry" if memory in ("both", "features") else "reset", shown)
    yield Override("track.tracker", "memory" if memory in ("both", "objects") else "byte", shown)
