"""The shapes of both XML formats of CVAT, each as the upright box around it."""

from collections.abc import Sequence
from xml.etree import ElementTree

from streamdet.datasets.files import parse_numbers
from streamdet.datasets.marks import XYXY
from streamdet.datasets.outlines import box_around, box_around_ellipse, box_around_flat, box_around_turned
from streamdet.errors import ConfigError

_CORNERS = ("xtl1", "ytl1", "xbl1", "ybl1", "xtr1", "ytr1", "xbr1", "ybr1")
_CUBOID = (*_CORNERS, *(name.replace("1", "2") for name in _CORNERS))
# What an image or a track holds beside shapes.
NO_SHAPES = frozenset({"attribute", "tag"})


def shape_box(where: str, item: ElementTree.Element) -> XYXY | None:
    """The box around a shape; None of points that are all hidden.

    Raises:
        ConfigError: if the shape is malformed or of a kind that CVAT did not have.
    """
    where = f"{where}: {item.tag}"
    turn = parse_numbers(f"{where}: rotation", [item.get("rotation", "0")], 1)[0]
    match item.tag:
        case "box":
            x1, y1, x2, y2 = _numbers(where, item, ("xtl", "ytl", "xbr", "ybr"))
            return box_around_turned((x1, y1, x2, y2), turn) if turn else (x1, y1, x2, y2)
        case "ellipse":
            x, y, radius_x, radius_y = _numbers(where, item, ("cx", "cy", "rx", "ry"))
            return box_around_ellipse(x, y, radius_x, radius_y, turn)
        case "mask":
            x, y, width, height = _numbers(where, item, ("left", "top", "width", "height"))
            return x, y, x + width, y + height
        case "cuboid":
            return box_around_flat(_numbers(where, item, _CUBOID))
        case "polygon" | "polyline" | "points":
            return box_around(_points(where, item))
        case "skeleton":
            seen = [joint for joint in item.iterfind("points") if joint.get("outside", "0") != "1"]
            points = [point for joint in seen for point in _points(where, joint)]
            return box_around(points) if points else None
    raise ConfigError(f"{where}: is not a shape of CVAT; expected box, polygon, mask, ...")


def _numbers(where: str, item: ElementTree.Element, keys: Sequence[str]) -> list[float]:
    return parse_numbers(where, [item.get(key) for key in keys], len(keys))


def _points(where: str, item: ElementTree.Element) -> list[list[float]]:
    return [parse_numbers(where, point.split(","), 2) for point in item.get("points", "").split(";")]
