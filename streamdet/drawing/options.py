"""What annotated pictures show, and how."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from streamdet.yaml_file import Section

_MAX_WIDTH = 100


def _line_width(value: Any) -> Any:
    if value != "auto" and (type(value) is not int or not 1 <= value <= _MAX_WIDTH):
        raise ValueError(f"expected auto or 1 to {_MAX_WIDTH} pixels, got {value}")
    return value


class AnnotateOptions(Section):
    """What is drawn on a picture.

    Attributes:
        labels: full: class, track id and score; id: the track id alone; none. A label larger than its box is left out.
        colour: track: each track has a colour of its own, and boxes without one that of their class; class: each class.
        line_width: pixels; auto: by the size of the picture and of the box.
        font_scale: size of letters; 1 is what suits the size of the picture.
        traces_s: seconds of each track's path that are drawn; 0 for none.
        masks: what belongs to each object is tinted, where the model gives masks.
        keypoints: points and the lines between them, where the model gives some.
        memory: beside each box a bar, filled as far as the box is due to earlier frames; objects that were not found
            but are held are tinted.
        zones: areas and lines with their counts, and the heat map, of a job with the stage zones.
        hide: classes whose boxes are made unrecognisable.
        hide_by: how.
    """

    labels: Literal["full", "id", "none"] = "full"
    colour: Literal["track", "class"] = "track"
    line_width: Annotated[Any, AfterValidator(_line_width)] = "auto"
    font_scale: float = Field(default=1.0, gt=0, le=10, allow_inf_nan=False)
    traces_s: float = Field(default=0.0, ge=0, le=600, allow_inf_nan=False)
    masks: bool = True
    keypoints: bool = True
    memory: bool = False
    zones: bool = True
    hide: tuple[str, ...] = ()
    hide_by: Literal["blur", "pixelate"] = "blur"
