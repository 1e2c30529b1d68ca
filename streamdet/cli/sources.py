"""What a user named as sources: found, or a mistake in the command."""

import re
from collections.abc import Sequence

from streamdet.errors import ConfigError, SourceError
from streamdet.media.locations import SourceSpec, expand_sources

_LIVE = re.compile(r"(rtsp|rtmp)s?://", re.IGNORECASE)


def find_sources(arguments: Sequence[str]) -> tuple[SourceSpec, ...]:
    """Find files, folders, globs, lists and addresses; a file that is missing is a mistake in the command.

    Raises:
        ConfigError: something is not there, or nothing was named.
    """
    if not arguments:
        raise ConfigError("no source given; expected a file, a folder, a glob, an address or @list.txt")
    try:
        return tuple(expand_sources(arguments))
    except SourceError as error:
        raise ConfigError(str(error)) from error


def refuse_live(specs: Sequence[SourceSpec]) -> None:
    """A camera that is read like a file gets later and later, so that has to be asked for.

    Raises:
        ConfigError: one of the sources is live.
    """
    for spec in specs:
        if spec.kind == "camera" or _LIVE.match(spec.location):
            raise ConfigError(
                f"{spec.shown}: mode freshest, which live sources need, is not available in this version; "
                "--mode every-frame reads it like a file and may fall behind"
            )
