"""Files that one process holds at a time."""

from pathlib import Path
from typing import IO

from streamdet.errors import ConfigError


def hold(file: IO[bytes], shown: Path) -> None:
    """Lock a file until it is closed, or its process ends.

    Args:
        file: it is closed where that fails.
        shown: what messages say.

    Raises:
        ConfigError: another process has locked it.
        OSError: the file system has no locks.
    """
    try:
        import fcntl  # Windows has none

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except BlockingIOError as error:
        file.close()
        raise ConfigError(f"{shown}: another run of this job is in progress; wait for it to end, or stop it") from error
    except OSError:
        file.close()
        raise
