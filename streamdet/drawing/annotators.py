"""What is drawn on a picture, one annotator after another."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.drawing.boxes import BoxAnnotator
from streamdet.drawing.canvas import Canvas, canvas_of
from streamdet.drawing.clip_class import ClipClassAnnotator
from streamdet.drawing.hiding import HidingAnnotator
from streamdet.drawing.keypoints import KeypointAnnotator
from streamdet.drawing.labels import LabelAnnotator
from streamdet.drawing.masks import MaskAnnotator
from streamdet.drawing.memory import MemoryAnnotator
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.traces import TraceAnnotator
from streamdet.drawing.zones import ZoneAnnotator
from streamdet.frames import Image, Picture, RgbPicture
from streamdet.result import ClipClass, ZoneReport


class Annotator(Protocol):
    """Draws one kind of thing."""

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """Draw on a picture.

        Args:
            canvas: the picture, with what the annotators before this one drew.
            detections: of this frame, in pixels of the picture, all finite.
            time_s: presentation time in seconds.
        """
        ...


class StreamAnnotator:
    """All that is drawn on the pictures of one stream, from the ground up.

    Args:
        options: what, and how.
    """

    def __init__(self, options: AnnotateOptions) -> None:
        self._traces = TraceAnnotator(options)
        self._hiding, self._zones = HidingAnnotator(options), ZoneAnnotator(options)
        self._clip_class = ClipClassAnnotator(options)
        self._annotators: tuple[Annotator, ...] = (
            MaskAnnotator(options),
            self._traces,
            BoxAnnotator(options),
            KeypointAnnotator(options),
            MemoryAnnotator(options),
            LabelAnnotator(options),
        )

    def annotate(
        self,
        picture: Picture,
        detections: Detections,
        time_s: float,
        zones: ZoneReport | None = None,
        clip_class: ClipClass | None = None,
    ) -> Picture:
        """A copy of the picture with all of it; the picture itself where there is nothing to draw.

        Args:
            picture: a frame's.
            detections: of this frame, in pixels of the picture.
            time_s: presentation time in seconds.
            zones: areas and lines, and the heat map; None for none.
            clip_class: what is going on; None where nobody says.
        """
        detections = detections.finite()
        zones = zones or ZoneReport()
        empty = len(detections) == 0 and len(self._traces.points) == 0 and clip_class is None
        if empty and not zones.places and zones.heat is None:
            return picture
        annotated = picture.copy()
        self.draw(canvas_of(annotated), detections, time_s, zones, clip_class)
        return annotated

    def draw(
        self,
        canvas: Canvas,
        detections: Detections,
        time_s: float,
        zones: ZoneReport,
        clip_class: ClipClass | None = None,
    ) -> None:
        """Draw all of it; detections must be finite. See `annotate`."""
        self._hiding.draw(canvas, detections, time_s)
        self._zones.draw(canvas, zones)
        for annotator in self._annotators:
            annotator.draw(canvas, detections, time_s)
        self._clip_class.draw(canvas, clip_class, time_s)

    def reset(self) -> None:
        """Forget earlier frames, as after a gap."""
        self._traces.reset()
        self._clip_class.reset()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """What the next picture depends on, as copies."""
        return self._traces.state_dict() | self._clip_class.state_dict()

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue where state_dict was taken."""
        self._traces.load_state_dict(state)
        self._clip_class.load_state_dict(state)


def draw(image: Image, detections: Detections, options: AnnotateOptions | None = None) -> Image:
    """Draw on a copy of a single image.

    Args:
        image: (H, W, 3) uint8 RGB.
        detections: boxes in pixels of the image.
        options: what is drawn, and how; boxes with full labels by default.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = RgbPicture(image)
    drawn = StreamAnnotator(options or AnnotateOptions()).annotate(picture, detections, 0.0)
    return drawn.rgb().copy() if drawn is picture else drawn.rgb()
