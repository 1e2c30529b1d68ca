"""What annotated pictures show, and how."""

from typing import Annotated, Literal

from pydantic import Field

from streamdet.yaml_file import Section


class AnnotateOptions(Section):
    """What is drawn on a picture.

    Attributes:
        labels: full: class, track id and score; id: the track id alone; none. A label larger than its box is left out.
        colour: track: each track has a colour of its own, and boxes without one that of their class; class: each class.
        line_width: pixels, auto: by the size of the picture and of the box.
        font_scale: size of letters; 1 is what suits the size of the picture.
        traces_s: seconds of each track's path that are drawn; 0 for none.
        hide: classes whose boxes are made unrecognisable.
        hide_by: how.
    """

    labels: Literal["full", "id", "none"] = "full"
    colour: Literal["track", "class"] = "track"
    line_width: Literal["auto"] | Annotated[int, Field(ge=1, le=100)] = "auto"
    font_scale: float = Field(default=1.0, gt=0, le=10, allow_inf_nan=False)
    traces_s: float = Field(default=0.0, ge=0, le=600, allow_inf_nan=False)
    hide: tuple[str, ...] = ()
    hide_by: Literal["blur", "pixelate"] = "blur"
