"""The border to the libraries that read sources: anything that they raise is an error of that source."""

from collections.abc import Iterator
from contextlib import contextmanager

from streamdet.errors import DecodeError, StreamdetError
from streamdet.media.locations import redact


@contextmanager
def errors_of(shown: str) -> Iterator[None]:
    """Turn what a library raises into a DecodeError that names the source; this package's own errors pass.

    Files hold what the libraries do not know yet, and they raise far more than their own errors then: KeyError,
    ValueError, UnicodeDecodeError, OverflowError. One such file must not end the run of the others.

    Args:
        shown: the source, as messages may show it.

    Raises:
        DecodeError: instead of any other exception.
    """
    try:
        yield
    except StreamdetError:
        raise
    except Exception as error:
        text = redact(" ".join(str(error).split()))
        raise DecodeError(f"{shown}: cannot be read: {type(error).__name__}{f': {text}' if text else ''}") from error
