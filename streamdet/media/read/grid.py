"""A photo that is made of tiles, as phones write HEIC and AVIF: the whole picture as a source of one frame."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from streamdet.errors import SourceOpenError
from streamdet.frames import Frame, Image, RgbPicture, StreamInfo
from streamdet.media.border import errors_of
from streamdet.media.colour import rgb_from_frame
from streamdet.media.container import PIXEL_LIMIT, demux, open_container
from streamdet.media.locations import SourceSpec
from streamdet.media.read.frame_reader import FrameReader
from streamdet.media.read.heif import Grid
from streamdet.media.timeline import DEFAULT_RATE, Part

# A photo may be larger than a picture of a video: only one is held, and its decoder holds single tiles.
_MAX_PIXELS = 2**27


class GridSource(FrameReader):
    """One picture of a HEIC or AVIF file, put together from its tiles and turned as the file says.

    Attributes:
        name: the stream's name.
        info: of one frame.
        undecodable: 0; a picture that lacks a tile is none.

    Args:
        spec: the file.
        part: of the source.
        grid: of `grid_of`.

    Raises:
        SourceOpenError: a tile is missing or cannot be decoded, the picture is too large, or a single track is asked
            for.
        DecodeError: the file cannot be read.
    """

    def __init__(self, spec: SourceSpec, part: Part, grid: Grid) -> None:
        self.name = spec.name
        self.undecodable = 0
        with errors_of(spec.shown):
            if spec.track_index is not None:
                raise SourceOpenError(
                    f"{spec.shown}: is one picture made of {len(grid.tiles)} tiles, which are no videos; leave "
                    "--track-index out to read the whole picture"
                )
            image = grid.turned(_assembled(spec, grid))
        start, end = part.pts_range(Fraction(0), 1 / DEFAULT_RATE)
        if not range(1)[start:end]:
            raise SourceOpenError(f"{spec.shown}: no image lies between start and end (it holds 1)")
        self._frames = self._deliver(image, 0 if part.skip else 1)
        self.info = StreamInfo(
            location=spec.shown,
            width=image.shape[1],
            height=image.shape[0],
            time_base=1 / DEFAULT_RATE,
            average_rate=DEFAULT_RATE,
            duration_s=part.duration_s(Fraction(0), 1 / DEFAULT_RATE),
            frames=part.count(1, Fraction(0), DEFAULT_RATE),
            pictures=(Path(spec.location).name,),
        )

    def _deliver(self, image: Image, count: int) -> Generator[Frame]:
        for number in range(count):
            yield Frame(
                source=self.name,
                session=0,
                index=number,
                pts=number,
                time_base=1 / DEFAULT_RATE,
                picture=RgbPicture(image),
                duration=1,
            )


def _assembled(spec: SourceSpec, grid: Grid) -> Image:
    """The picture as it is stored, (height, width, 3) uint8 RGB."""
    if grid.width * grid.height > _MAX_PIXELS:
        most = f"{_MAX_PIXELS / 1e6:.0f} million"
        raise SourceOpenError(f"{spec.shown}: has {grid.width}x{grid.height} pixels; expected at most {most}")
    image = np.empty((grid.height, grid.width, 3), np.uint8)
    missing = set(grid.tiles)
    with open_container(spec) as container:
        for item, tile in _tiles(container, missing):
            height, width = tile.shape[:2]
            if width * grid.columns < grid.width or height * grid.rows < grid.height:
                raise SourceOpenError(f"{spec.shown}: its tiles of {width}x{height} pixels do not fill the picture")
            for number in (number for number, each in enumerate(grid.tiles) if each == item):
                top, left = number // grid.columns * height, number % grid.columns * width
                place = image[top : top + height, left : left + width]
                place[:] = tile[: place.shape[0], : place.shape[1]]
            missing.discard(item)
    if missing:
        raise SourceOpenError(f"{spec.shown}: {len(missing)} of the {len(grid.tiles)} tiles of it cannot be decoded")
    return image


def _tiles(container: InputContainer, items: set[int]) -> Iterator[tuple[int, Image]]:
    """Each tile once, with the number of its item."""
    wanted = [stream for stream in container.streams.video if stream.id in items and stream.codec_context is not None]
    for stream in wanted:
        stream.codec_context.options = PIXEL_LIMIT
        stream.thread_type = "NONE"
    for packet in demux(container, *wanted):
        if not packet.size:
            continue
        context = packet.stream.codec_context
        try:
            frames = [*context.decode(packet), *context.decode(None)]
        except av.FFmpegError:
            continue
        for frame in frames[:1]:
            yield packet.stream.id, rgb_from_frame(frame)
