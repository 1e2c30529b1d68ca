"""The part of a picture that is shown, where a file says that edges are cut off (clean aperture).

FFmpeg leaves that to its user, and PyAV does not hand it on; so it is read from the file: `clap` of mp4 and mov, and
the PixelCrop elements of Matroska.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.filter import Graph
from av.video.stream import VideoStream

from streamdet.media.locations import SourceSpec
from streamdet.media.read.deinterlace import LabelledFrame
from streamdet.media.read.mp4_boxes import LARGEST_HEADER, boxes, file_boxes

_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_CROPS = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}


@dataclass(frozen=True, slots=True)
class Aperture:
    """Pixels that are cut off at each edge of the stored picture."""

    left: int
    top: int
    right: int
    bottom: int


def aperture_of(spec: SourceSpec, stream: VideoStream) -> Aperture | None:
    """What is cut off of a file's pictures; None where nothing is, or nothing that can be read says so."""
    path = Path(spec.location)
    if spec.kind != "file" or not path.is_file():
        return None
    container = stream.container.format.name
    try:
        if "mp4" in container:
            found = _of_mp4(path, stream)
        else:
            found = _of_matroska(path, stream.index) if "matroska" in container else None
    except (OSError, ValueError, LookupError, ArithmeticError, struct.error):
        return None
    width, height = stream.codec_context.width, stream.codec_context.height
    if found is None or found == Aperture(0, 0, 0, 0) or min(found.left, found.top, found.right, found.bottom) < 0:
        return None
    return found if found.left + found.right < width and found.top + found.bottom < height else None


def cropped(frames: Iterable[LabelledFrame], aperture: Aperture | None) -> Iterator[LabelledFrame]:
    """Cut the edges of each frame off."""
    graph: Graph | None = None
    graph_layout = None
    for label, frame in frames:
        if aperture is None:
            yield label, frame
            continue
        layout = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if graph is None or layout != graph_layout:
            graph, graph_layout = _graph_for(frame, aperture), layout
        frame.pts = label.pts
        graph.vpush(frame)
        yield label, graph.vpull()


def _graph_for(frame: av.VideoFrame, aperture: Aperture) -> Graph:
    graph = Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/1",
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    crop = graph.add(
        "crop",
        w=str(max(1, frame.width - aperture.left - aperture.right)),
        h=str(max(1, frame.height - aperture.top - aperture.bottom)),
        x=str(aperture.left),
        y=str(aperture.top),
    )
    graph.link_nodes(source, crop, graph.add("buffersink")).configure()
    return graph


def _of_mp4(path: Path, stream: VideoStream) -> Aperture | None:
    with path.open("rb") as file:
        for kind, size in file_boxes(file):
            if kind == b"moov" and size <= LARGEST_HEADER:
                for trak in (body for kind, body in boxes(file.read(size)) if kind == b"trak"):
                    if _track_id(trak) == stream.id:
                        return _clap(trak, stream.codec_context.width, stream.codec_context.height)
                return None
    return None


def _track_id(trak: bytes) -> int | None:
    for kind, body in boxes(trak):
        if kind == b"tkhd":
            return int(struct.unpack_from(">I", body, 20 if body[0] else 12)[0])
    return None


def _clap(trak: bytes, width: int, height: int) -> Aperture | None:
    """Source: ISO/IEC 14496-12, 12.1.4.1: width, height and offset of the centre, as fractions."""
    data = trak
    for parent in (b"mdia", b"minf", b"stbl", b"stsd"):
        data = dict(boxes(data))[parent]
    for _, entry in boxes(data[8:]):
        clap = dict(boxes(entry[78:])).get(b"clap")
        if clap is None:
            continue
        values = struct.unpack(">IIIIiIiI", clap[:32])
        shown_width, shown_height, x, y = (values[place] / values[place + 1] for place in (0, 2, 4, 6))
        left, top = round((width - shown_width) / 2 + x), round((height - shown_height) / 2 + y)
        return Aperture(left, top, width - left - round(shown_width), height - top - round(shown_height))
    return None


def _of_matroska(path: Path, index: int) -> Aperture | None:
    with path.open("rb") as file:
        head = file.read(LARGEST_HEADER // 16)
    segment = next((body for kind, body in _elements(head) if kind == _SEGMENT), b"")
    tracks = next((body for kind, body in _elements(segment) if kind == _TRACKS), b"")
    entry = [body for kind, body in _elements(tracks) if kind == _ENTRY][index]
    video = next((body for kind, body in _elements(entry) if kind == _VIDEO), b"")
    edges = {_CROPS[kind]: int.from_bytes(body) for kind, body in _elements(video) if kind in _CROPS}
    return Aperture(**({"left": 0, "top": 0, "right": 0, "bottom": 0} | edges)) if edges else None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Source: RFC 8794, 4 to 6."""
    place = 0
    while place < len(data):
        kind, place = _number(data, place, keep_marker=True)
        size, place = _number(data, place, keep_marker=False)
        yield kind, data[place : place + size]
        place += size


def _number(data: bytes, place: int, *, keep_marker: bool) -> tuple[int, int]:
    length = 9 - data[place].bit_length()
    number = int.from_bytes(data[place : place + length])
    return (number if keep_marker else number & ((1 << 7 * length) - 1)), place + length
