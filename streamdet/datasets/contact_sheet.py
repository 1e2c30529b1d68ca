"""A picture of a labelled set: some of its frames with their labels, or with detections as well."""

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from streamdet.datasets.labels import LabelledSet, LabelledVideo, Labels
from streamdet.detections import Detections
from streamdet.errors import ConfigError, SinkError, StreamdetError
from streamdet.frames import Image

_TILES, _COLUMNS = 12, 3
_TILE_WIDTH, _TILE_HEIGHT, _CAPTION_HEIGHT = 480, 320, 22
_GREY = (150, 150, 150)
_BLACK = (0, 0, 0)
_WHITE = (255, 255, 255)

# Draws on a frame that was scaled by a factor: (H, W, 3) uint8 RGB in and out.
_Draw = Callable[[Image, float, LabelledVideo, int, Labels], Image]


def contact_sheet(labelled: LabelledSet, path: Path) -> None:
    """Draw up to twelve annotated frames, spread evenly over the set, into a PNG.

    Ignore regions are crossed out; a frame that cannot be read is left black.

    Raises:
        ConfigError: if no frame is annotated.
        SinkError: if the file cannot be written.
    """

    def draw(image: Image, scale: float, video: LabelledVideo, frame: int, labels: Labels) -> Image:
        _cross_out(image, scale, labels)
        boxes = (labels.boxes * scale).round().astype(int).tolist()
        for (x1, y1, x2, y2), class_id, track in zip(boxes, labels.class_ids, labels.track_ids, strict=True):
            colour = _colour(int(class_id))
            cv2.rectangle(image, (x1, y1), (x2, y2), colour, 1)
            name = labelled.classes[class_id]
            _write(image, name if track < 0 else f"{name} {track}", (x1, max(y1 - 3, 9)), 0.35, colour)
        return image

    _draw_sheet(labelled, path, draw)


def prediction_sheet(
    labelled: LabelledSet,
    found: Sequence[Sequence[Detections]],
    draw_found: Callable[[Image, Detections], Image],
    path: Path,
) -> None:
    """The same frames with detections; labels are outlined in white.

    Args:
        labelled: the set.
        found: detections of every frame of every video, in pixels of the video.
        draw_found: draws detections on a copy of a picture.
        path: the PNG.

    Raises:
        ConfigError: if no frame is annotated.
        SinkError: if the file cannot be written.
    """
    by_video = {video.name: detections for video, detections in zip(labelled.videos, found, strict=True)}

    def draw(image: Image, scale: float, video: LabelledVideo, frame: int, labels: Labels) -> Image:
        _cross_out(image, scale, labels)
        detections = by_video[video.name][frame]
        drawn = draw_found(image, detections.with_boxes(detections.boxes * np.float32(scale)))
        for x1, y1, x2, y2 in (labels.boxes * scale).round().astype(int).tolist():
            cv2.rectangle(drawn, (x1, y1), (x2, y2), _WHITE, 1)
        return drawn

    _draw_sheet(labelled, path, draw)


def _draw_sheet(labelled: LabelledSet, path: Path, draw: _Draw) -> None:
    annotated = [
        (video, frame, labels)
        for video in labelled.videos
        for frame, labels in enumerate(video.labels)
        if labels is not None
    ]
    if not annotated:
        raise ConfigError(f"{labelled.name}: no frame is labelled, so there is nothing to draw")
    count = min(_TILES, len(annotated))
    rows = -(-count // _COLUMNS)
    sheet = np.zeros((rows * _TILE_HEIGHT, _COLUMNS * _TILE_WIDTH, 3), np.uint8)
    for tile, index in enumerate(np.linspace(0, len(annotated) - 1, count).round().astype(int).tolist()):
        top, left = tile // _COLUMNS * _TILE_HEIGHT, tile % _COLUMNS * _TILE_WIDTH
        _draw_tile(sheet[top : top + _TILE_HEIGHT, left : left + _TILE_WIDTH], draw, *annotated[index])
    _write_png(path, sheet)


def _draw_tile(tile: Image, draw: _Draw, video: LabelledVideo, frame: int, labels: Labels) -> None:
    title = video.name if len(video) == 1 else f"{video.name} #{frame} {video.times_s[frame]:.2f} s"
    try:
        picture = next(video.frames.read(frame, frame + 1))
    except StreamdetError:
        _write(tile, f"{title}: cannot be read", (4, 15), 0.42, _WHITE)
        return
    scale = min(_TILE_WIDTH / video.width, (_TILE_HEIGHT - _CAPTION_HEIGHT) / video.height)
    width, height = max(1, round(video.width * scale)), max(1, round(video.height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(picture, (width, height), interpolation=way), np.uint8)
    tile[_CAPTION_HEIGHT : _CAPTION_HEIGHT + height, :width] = draw(small, scale, video, frame, labels)
    _write(tile, title, (4, 15), 0.42, _WHITE)


def _cross_out(image: Image, scale: float, labels: Labels) -> None:
    """Ignore regions."""
    for x1, y1, x2, y2 in (labels.ignore * scale).round().astype(int).tolist():
        cv2.rectangle(image, (x1, y1), (x2, y2), _GREY, 1)
        cv2.line(image, (x1, y1), (x2, y2), _GREY, 1)
        cv2.line(image, (x1, y2), (x2, y1), _GREY, 1)


def _write(image: Image, text: str, corner: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    # OpenCV's font has ASCII only.
    text = text.encode("ascii", "replace").decode()
    for ink, thickness in ((_BLACK, 2), (colour, 1)):
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, ink, thickness, cv2.LINE_AA)


def _colour(class_id: int) -> tuple[int, int, int]:
    """A colour a class, neighbours far apart in hue."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * 0.618034 % 1.0, 0.9, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _write_png(path: Path, image: Image) -> None:
    _, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise SinkError(f"{path}: the contact sheet cannot be written: {error.strerror}") from None
