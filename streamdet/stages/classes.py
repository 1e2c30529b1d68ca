"""Names of classes that a job asks for, against those that the detector knows."""

import difflib
from collections.abc import Sequence

from streamdet.errors import ConfigError


def check_classes(wanted: Sequence[str], known: Sequence[str]) -> None:
    """Make sure that the detector has every class that is asked for.

    Raises:
        ConfigError: it has not; one line for each.
    """
    mistakes = []
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {near[0]}? The" if near else "the"
            mistakes.append(f"unknown class {name}; {hint} model knows {', '.join(known)}")
    if mistakes:
        raise ConfigError("\n".join(mistakes))
