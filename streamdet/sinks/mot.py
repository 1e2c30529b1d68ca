"""MOTChallenge result files."""

from typing import Any

from streamdet.frames import Marker
from streamdet.result import Result
from streamdet.sinks.lines import Lines, checkpoint_of


class MotFile:
    """MOTChallenge: a line a box, frames from 1, -1 for a box without a track id."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def write(self, item: Result | Marker) -> None:
        """See DetectionFile."""
        if isinstance(item, Result):
            lines = item.detections.finite().to_mot(item.index + 1)
            self._lines.append("".join(f"{line}\n" for line in lines).encode())

    def checkpoint(self) -> dict[str, Any]:
        """See DetectionFile."""
        return checkpoint_of(self._lines)

    def close(self) -> None:
        """See DetectionFile."""
        self._lines.close()
