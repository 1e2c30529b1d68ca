"""Any function that finds objects in images, as a detector.

Shapes: B streams, T frames, N images, H, W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamdet.detections import Detections
from streamdet.models.contract import DetectorSpec, Memory, Outputs, check_images, check_state
from streamdet.models.memory import NoMemory
from streamdet.models.outputs import ListedOutputs

Find = Callable[[NDArray[np.uint8]], Sequence[Detections]]
Look = Callable[[NDArray[np.uint8]], Outputs]


class StatelessDetector:
    """A detector without memory, of a function that gives outputs; see contract.Detector.

    Args:
        spec: what it is and which images it takes.
        runtime: what runs it and how.
        look: takes (N, 3, H, W) uint8 RGB and gives the outputs of N frames, in any grouping.
    """

    def __init__(self, spec: DetectorSpec, runtime: str, look: Look) -> None:
        self.spec, self.runtime = spec, runtime
        self._look = look

    def zero_state(self, streams: int, height: int, width: int) -> NoMemory:
        """See contract.Detector."""
        return NoMemory.zeros(streams)

    def state_from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> NoMemory:
        """See contract.Detector."""
        return NoMemory.from_arrays(arrays)

    def step(
        self, images_BTCHW: ArrayLike, state: Memory | None = None, dt_s: ArrayLike | None = None
    ) -> tuple[Outputs, NoMemory]:
        """See contract.Detector."""
        images = np.asarray(images_BTCHW)
        check_images(images)
        B, T, _, H, W = images.shape
        before = NoMemory.zeros(B) if state is None else state
        if not isinstance(before, NoMemory):
            raise TypeError(f"the state is a {type(before).__name__}, which {self.spec.name} does not know")
        check_state(before, B, before.layout)
        return self._look(images.reshape(B * T, 3, H, W)).regroup(B, T), before.after(T)


class PerFrameDetector(StatelessDetector):
    """A detector without memory, of a function that gives detections.

    Args:
        spec: what it is and which images it takes.
        runtime: what runs it and how.
        find: takes (N, 3, H, W) uint8 RGB and gives N Detections in pixels of these, best first.
        overlapping: whether boxes of one object may be among them, so that all but the best have to go.
    """

    def __init__(self, spec: DetectorSpec, runtime: str, find: Find, *, overlapping: bool = False) -> None:
        super().__init__(spec, runtime, lambda images: ListedOutputs([find(images)], overlapping))
