"""The command line of this process as all users of the machine see it, with `ps` or in /proc: without passwords.

For a moment, until Python has started, they are there; a file of sources (@list.txt, a pipeline) has none to show.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from streamdet.media.locations import redact


def hide_credentials(words: Sequence[str]) -> None:
    """Overwrite the credentials of URLs in the command line. On Linux; elsewhere nothing is done.

    Args:
        words: the command line as Python has it; without a URL in it nothing is done.
    """
    if not sys.platform.startswith("linux") or not any(redact(word) != word for word in words):
        return
    import ctypes

    try:
        # Fields 48 and 49, where the arguments start and end in memory; the second may hold spaces, in brackets.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        begin, end = int(fields[45]), int(fields[46])
    except (OSError, ValueError, IndexError):
        return
    if not 0 < begin < end:
        return
    for argument in ctypes.string_at(begin, end - begin).split(b"\0"):
        text = argument.decode("utf-8", "surrogateescape")
        shown = redact(text).encode("utf-8", "surrogateescape")
        if shown != argument:
            ctypes.memmove(begin, shown.ljust(len(argument))[: len(argument)], len(argument))
        begin += len(argument) + 1
