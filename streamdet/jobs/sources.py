"""What a user named as sources: found, or a mistake in the command."""

from collections.abc import Sequence

from streamdet.errors import ConfigError, SourceError
from streamdet.media.locations import SourceSpec, expand_sources


def find_sources(arguments: Sequence[str]) -> tuple[SourceSpec, ...]:
    """Find files, folders, globs, lists and addresses; a file that is missing is a mistake in the command.

    Raises:
        ConfigError: nothing was named, or something is not there: one line for each.
    """
    if not arguments:
        raise ConfigError("no source given; expected a file, a folder, a glob, an address or @list.txt")
    mistakes = []
    for argument in arguments:
        try:
            expand_sources([argument])
        except (ConfigError, SourceError) as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return tuple(expand_sources(arguments))
