"""Whether packets pile up because decoding is slower than the camera: what to skip to be in time again."""

_LATE_S = 1.0
_PATIENCE_S = 1.0
_WAITED_S = 0.005  # reading a packet that is there takes less


class Backlog:
    """Skips packets, up to a keyframe, once they have been later than the earliest ones for a while.

    Where a packet had to be waited for, nothing has piled up, whatever its time says. Packets that are late because
    they pile up are read in no time once nothing decodes them. Where they still come at their own pace, it is the
    sender's clock that runs slow or was set: that is then the measure, and the next time it takes twice as much to
    skip.
    """

    def __init__(self) -> None:
        self._limit_s = _LATE_S
        self._least_s: float | None = None
        self._late_since_s: float | None = None
        self._skipping_from: tuple[float, float] | None = None

    def skips(self, pts_s: float, now_s: float, waited_s: float, *, keyframe: bool) -> bool:
        """Note a packet; True if it is not worth decoding.

        Args:
            pts_s: the sender's.
            now_s: time.monotonic().
            waited_s: for how long the packet was waited for.
        """
        delay_s = now_s - pts_s
        self._least_s = delay_s if self._least_s is None else min(self._least_s, delay_s)
        late_s = delay_s - self._least_s
        if self._skipping_from is None:
            if self._is_late_for_long(late_s, now_s, waited_s) and not keyframe:
                self._skipping_from = (pts_s, now_s)
        elif keyframe:
            began_pts_s, began_s = self._skipping_from
            piled_up = now_s - began_s < (pts_s - began_pts_s) / 2
            if piled_up and late_s > self._limit_s / 2:
                return True
            if not piled_up and late_s > self._limit_s / 2:
                self._least_s = delay_s
                self._limit_s *= 2
            self._skipping_from = self._late_since_s = None
        return self._skipping_from is not None

    def _is_late_for_long(self, late_s: float, now_s: float, waited_s: float) -> bool:
        if late_s <= self._limit_s or waited_s > _WAITED_S:
            self._late_since_s = None
            return False
        if self._late_since_s is None:
            self._late_since_s = now_s
        return now_s - self._late_since_s > _PATIENCE_S
