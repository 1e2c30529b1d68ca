"""What a command says on standard error: plain lines, or one JSON object a line."""

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from streamdet.errors import ConfigError

log = logging.getLogger("streamdet")


class _Text(logging.Formatter):
    """The message alone; warnings and errors say so."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


class _JsonLine(logging.Formatter):
    """Time, level and message; what `extra={"fields": {...}}` gives comes beside them."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at that moment: a progress bar puts itself there to stay below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """A reader of standard error that is gone must not end the run."""


def start_messages(*, verbose: bool = False, quiet: bool = False, log_format: str = "text") -> None:
    """Set what is said and how; a later call replaces an earlier one.

    Args:
        verbose: also details, Python's warnings and tracebacks.
        quiet: only warnings and errors.
        log_format: text, or json: one JSON object a line.

    Raises:
        ConfigError: if the options are wrong.
    """
    if log_format not in ("text", "json"):
        raise ConfigError(f"--log-format: expected text or json, got {log_format}")
    if verbose and quiet:
        raise ConfigError("--verbose and --quiet exclude each other; expected one of them")
    handler = _StandardError()
    handler.setFormatter(_JsonLine() if log_format == "json" else _Text())
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    if not verbose and not sys.warnoptions:
        warnings.simplefilter("ignore")


@contextmanager
def messages(log_format: str) -> Iterator[None]:
    """Messages for the time of one command; Python code that calls it finds logging and warnings as they were."""
    before = log.handlers[:], log.propagate, log.level
    with warnings.catch_warnings():
        start_messages(log_format=log_format)
        try:
            yield
        finally:
            log.handlers[:], log.propagate = before[0], before[1]
            log.setLevel(before[2])


def says_json() -> bool:
    """True where lines are JSON: then nothing else may be written to standard error."""
    return any(isinstance(handler.formatter, _JsonLine) for handler in log.handlers)
