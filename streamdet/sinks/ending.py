"""Threads that send until an end comes, and how long what waits may take then."""

import time
from threading import Condition


class Ending(Condition):
    """A condition that guards what waits, and knows when all has to be over.

    Attributes:
        at_s: that moment of the monotonic clock; None until it is known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_s: float | None = None

    def start(self, seconds: float) -> None:
        """The end comes in so long."""
        with self:
            self.at_s = time.monotonic() + seconds
            self.notify_all()

    def comes_within(self, wait_s: float) -> bool:
        """Wait; True as soon as the end is nearer than that."""
        until_s = time.monotonic() + wait_s
        with self:
            while (left_s := until_s - time.monotonic()) > 0:
                if self.at_s is not None and self.at_s < until_s:
                    return True
                self.wait(left_s)
        return False
