"""Pools without a cluster: this process, one file after another."""

from typing import Any

from streamdet.cluster.attempt import Piece
from streamdet.cluster.driver import Lost
from streamdet.cluster.work import do_piece
from streamdet.version import __version__


class HerePool:
    """Does one piece at a time, when it is waited for."""

    window = 1

    def __init__(self) -> None:
        self._next: tuple[Piece, bool] | None = None

    def submit(self, piece: Piece, *, last: bool) -> None:
        """Keep it."""
        self._next = piece, last

    def wait(self, seconds: float) -> list[tuple[Piece, dict[str, Any] | Lost]]:
        """Do it."""
        if self._next is None:
            return []
        (piece, last), self._next = self._next, None
        return [(piece, do_piece(piece, lambda name, frames: None, __version__, last=last))]

    def frames(self) -> dict[str, int]:
        """Nothing is at work while somebody asks."""
        return {}

    def lives(self, node: str) -> bool:
        """This machine does."""
        return True

    def drop(self) -> None:
        """Forget what is not done."""
        self._next = None
