"""How a command ends: its exit status, and one or two lines on standard error where something is wrong."""

import logging
import os
import signal
import sys
from collections.abc import Callable

import typer

from streamdet.cli.messages import log
from streamdet.cli.mistakes import describe_mistake
from streamdet.errors import ConfigError, ModelError, StreamdetError

DONE = 0  # all done
FAILED = 1  # a source or an output failed; the others are complete and valid
WRONG = 2  # the command or a config is wrong; nothing was written
INTERRUPTED = 128 + signal.SIGINT  # Ctrl-C; outputs are closed and playable

# Typer carries its own copy of click since 0.2x and depends on click before; both have this base of all
# mistakes in a command line, neither gives it a public name.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


def guard(command: Callable[[], int]) -> int:
    """Run a command; turn what it raises into an exit status and a message without a traceback (-v shows it)."""
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return FAILED
    except KeyboardInterrupt:
        log.error("interrupted")
        return INTERRUPTED
    except _CommandLineError as error:
        log.error("%s", describe_mistake(error))
        return WRONG
    except StreamdetError as error:
        log.error("%s", _brief(str(error)), exc_info=log.isEnabledFor(logging.DEBUG))
        return WRONG if isinstance(error, ConfigError | ModelError) else FAILED
    except Exception as error:
        log.error(
            "%s: %s (a bug in streamdet; -v shows where)",
            type(error).__name__,
            error,
            exc_info=log.isEnabledFor(logging.DEBUG),
        )
        return FAILED
    return status


def _brief(text: str) -> str:
    """A message whose lines fit on a screen: what a file holds, and a message quotes, may be of any length."""
    return "\n".join(line if len(line) <= 600 else f"{line[:400]} ... {line[-150:]}" for line in text.splitlines())


def _silence_stdout() -> None:
    """The reader has closed: discard what is still buffered, so that Python's flush at exit does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
