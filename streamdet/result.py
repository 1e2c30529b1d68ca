"""What detect yields for every frame."""

from dataclasses import dataclass, replace

from streamdet.detections import Detections
from streamdet.frames import Frame, Image, Picture


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A frame and what was found in it.

    Attributes:
        frame: the frame; once annotated, its picture has the boxes drawn on it.
        detections: boxes in pixels of the frame.
        latency_s: from capture to here; live sources only.
    """

    frame: Frame
    detections: Detections
    latency_s: float | None = None

    @property
    def source(self) -> str:
        """Name of the stream."""
        return self.frame.source

    @property
    def session(self) -> int:
        """0, one more after each gap of the stream."""
        return self.frame.session

    @property
    def index(self) -> int:
        """Number of the frame in its source, from 0."""
        return self.frame.index

    @property
    def frame_index(self) -> int:
        """The same as index."""
        return self.frame.index

    @property
    def pts(self) -> int:
        """Presentation time in units of frame.time_base."""
        return self.frame.pts

    @property
    def pts_s(self) -> float:
        """Presentation time in seconds."""
        return self.frame.pts_s

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB."""
        return self.frame.image

    @property
    def width(self) -> int:
        """Pixels."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.frame.height

    def with_picture(self, picture: Picture) -> "Result":
        """The same result with another picture."""
        return replace(self, frame=replace(self.frame, picture=picture))

    def with_detections(self, detections: Detections) -> "Result":
        """The same frame with other boxes."""
        return replace(self, detections=detections)
