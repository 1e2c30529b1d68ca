"""What encode and record share: an output that fails is given up and remembered, and the run goes on."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Protocol

from streamdet.errors import SinkError
from streamdet.media.write.delivery import Delivery

Failures = list[tuple[str, SinkError]]  # by stream
Deliveries = dict[str, Delivery]  # by path or address, of outputs that may fail and recover


class Output(Protocol):
    """Anything that is written to."""

    def close(self) -> None:
        """Finish it."""
        ...


@contextmanager
def remembered(failures: Failures, source: str) -> Iterator[None]:
    """Add a SinkError to failures in place of raising it."""
    try:
        yield
    except SinkError as error:
        failures.append((source, error))


def close_all(outputs: Mapping[str, Output], failures: Failures) -> None:
    """Finish all of them, whatever happens to one."""

    def close(source: str, output: Output) -> None:
        with remembered(failures, source):
            output.close()

    with ExitStack() as stack:
        for source, output in outputs.items():
            stack.callback(close, source, output)
