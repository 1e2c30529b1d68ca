"""What a tracker is: the protocol that `track` runs, whichever implementation it is."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from streamdet.detections import Detections


class Tracker(Protocol):
    """The tracks of one stream."""

    def update(self, detections: Detections, time_s: float, size: tuple[int, int]) -> Detections:
        """Take the boxes of the next frame and give them track ids.

        Args:
            detections: boxes of one frame; there may be ones that are not finite or have no area.
            time_s: presentation time in seconds; steps may be uneven, and a time before the last one counts as the
                same time.
            size: width and height of the frame, pixels.

        Returns:
            what is there, with ids from 1 on; -1 where a box has no track. Most trackers return the same boxes in the
            same order.
        """
        ...

    def reset(self) -> None:
        """Forget all tracks, as after a gap; no id is given twice in a stream."""
        ...


@runtime_checkable
class CarryingTracker(Tracker, Protocol):
    """A tracker that says where objects are in frames that the detector does not look at."""

    def carry(self, time_s: float, size: tuple[int, int]) -> Detections:
        """What is there now, predicted; a frame that is looked at may follow, as if this one had not been."""
        ...


@runtime_checkable
class SavableTracker(Tracker, Protocol):
    """A tracker that continues in another process, which --resume and --state-out need."""

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All that the next update depends on, as copies."""
        ...

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue exactly where state_dict was taken.

        Raises:
            ValueError: state has other names or shapes.
        """
        ...

    def continue_at(self, time_s: float) -> None:
        """Move the last frame to another time: the file that follows counts from 0 again."""
        ...
