"""How live sources are read."""

from dataclasses import dataclass
from typing import Literal

Transport = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live source is read, and when it counts as lost.

    Attributes:
        freshest: the newest frame wins: frames that were not taken in time are dropped and counted. False gives every
            frame; a consumer that is too slow then gets later and later.
        max_staleness_s: frames that are older when they are taken are dropped; None for no limit. With freshest only.
        transport: what RTSP carries the video over.
        wait_for_keyframe: after packets lost over UDP, drop what shows the damage: all up to the next keyframe.
        stale_after_s: without a new frame for so long, the stream is reported as stale.
        timeout_s: a server that does not answer, or sends nothing, for this long is given up and connected again.
        first_retry_s, max_retry_s: wait before the first new attempt, which doubles up to the longest; less a random
            part of up to a half, so that many sources do not all come at once.
        refused_retry_s: wait after a refused user name or password; cameras lock out who asks too often.
        remind_s: of a source that never gave a frame, it is said again after this long why.
    """

    freshest: bool = True
    max_staleness_s: float | None = 0.5
    transport: Transport = "tcp"
    wait_for_keyframe: bool = False
    stale_after_s: float = 3.0
    timeout_s: float = 5.0
    first_retry_s: float = 0.25
    max_retry_s: float = 10.0
    refused_retry_s: float = 30.0
    remind_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("stale_after_s", "timeout_s", "first_retry_s", "max_retry_s", "refused_retry_s", "remind_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than 0, got {getattr(self, name)}")
        if self.max_staleness_s is not None and self.max_staleness_s <= 0:
            raise ValueError(f"max_staleness_s must be greater than 0 or None, got {self.max_staleness_s}")
        if self.transport not in ("tcp", "udp"):
            raise ValueError(f"transport must be tcp or udp, got {self.transport}")
