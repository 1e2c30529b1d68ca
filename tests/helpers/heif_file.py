"""HEIC and AVIF files made by bytes: FFmpeg writes no pictures that are made of tiles.

Source: ISO/IEC 23008-12 (HEIF), 6.6.2.3 for the grid.
"""

from pathlib import Path
from struct import pack

import av
import numpy as np
from av.video.stream import VideoStream

# Type, data, width, height, decoder configuration.
_Item = tuple[bytes, bytes, int, int, bytes]

_CODECS = {"heic": ("libx265", b"hvc1", b"hvcC", b"heic"), "avif": ("libsvtav1", b"av01", b"av1C", b"avif")}


def write_heif(
    path: Path,
    columns: int,
    rows: int,
    side: int = 64,
    preview: bool = False,
    cut: int = 0,
    turns: tuple[tuple[bytes, int], ...] = (),
    missing: int = 0,
) -> Path:
    """Write a picture made of tiles; of 1 x 1 one without a grid.

    Args:
        path: its ending, .heic or .avif, says the codec.
        columns, rows: tiles; each of a grey of its own.
        side: of a tile, pixels.
        preview: add a small picture of the whole.
        cut: pixels of the tiles that lie beyond the picture's right and lower edge.
        turns: of the whole: (b"irot", quarters counterclockwise), (b"imir", 0 or 1).
        missing: so many tiles at the end hold nothing that can be decoded.
    """
    encoder, item_type, configuration_type, brand = _CODECS[path.suffix[1:]]
    tiles = [_coded(path, encoder, 20 + 20 * number, side) for number in range(columns * rows)]
    tiles[len(tiles) - missing :] = [(bytes(40), configuration) for _, configuration in tiles[len(tiles) - missing :]]
    items = [(item_type, data, side, side, configuration) for data, configuration in tiles]
    grid, tile_ids = 0, list(range(1, len(items) + 1))
    if len(tiles) > 1:
        width, height = columns * side - cut, rows * side - cut
        descriptor = pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
        items.append((b"grid", descriptor, width, height, b""))
        grid = len(items)
    if preview:
        data, configuration = _coded(path, encoder, 90, side)
        items.append((item_type, data, side, side, configuration))
    references = b""
    if grid:
        references += _box(b"dimg", pack(f">HH{len(tile_ids)}H", grid, len(tile_ids), *tile_ids))
    if preview:
        references += _box(b"thmb", pack(">HHH", len(items), 1, grid or 1))
    head = _box(b"ftyp", brand + bytes(4) + b"mif1" + brand + b"miaf")
    hidden = tile_ids if grid else []
    turned = [_box(kind, bytes([how])) for kind, how in turns]
    meta = _meta(items, grid or 1, hidden, references, configuration_type, turned, 0)
    meta = _meta(items, grid or 1, hidden, references, configuration_type, turned, len(head) + len(meta) + 8)
    path.write_bytes(head + meta + _box(b"mdat", b"".join(item[1] for item in items)))
    return path


def _meta(
    items: list[_Item],
    primary: int,
    hidden: list[int],
    references: bytes,
    configuration_type: bytes,
    turned: list[bytes],
    start: int,
) -> bytes:
    """The index of the items.

    Args:
        items: in the order of their data.
        primary, hidden: numbers, from 1, of the one that is shown and of those that are not.
        turned: properties of the primary one.
        start: where the first one's data lies in the file.
    """
    places, infos, properties, owned = b"", b"", b"", b""
    for number, (kind, data, width, height, configuration) in enumerate(items, 1):
        places += pack(">HHHII", number, 0, 1, start, len(data))
        start += len(data)
        infos += _full(b"infe", pack(">HH4s", number, 0, kind) + b"\0", version=2, flags=int(number in hidden))
        properties += _full(b"ispe", pack(">II", width, height))
        properties += _box(configuration_type, configuration) if configuration else _full(b"pixi", b"\3\10\10\10")
        more = [0x80 | 2 * len(items) + 1 + place for place in range(len(turned))] if number == primary else []
        owned += pack(">HBBB", number, 2 + len(more), 2 * number - 1, 0x80 * bool(configuration) | 2 * number)
        owned += bytes(more)
    return _full(
        b"meta",
        _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", pack(">H", primary))
        + _full(b"iloc", pack(">BBH", 0x44, 0, len(items)) + places)
        + _full(b"iinf", pack(">H", len(items)) + infos)
        + (_full(b"iref", references) if references else b"")
        + _box(b"iprp", _box(b"ipco", properties + b"".join(turned)) + _full(b"ipma", pack(">I", len(items)) + owned)),
    )


def _coded(path: Path, encoder: str, grey: int, side: int) -> tuple[bytes, bytes]:
    """One picture as the codec has it, and the decoder's configuration, as HEIF holds both."""
    film = path.with_suffix(".tile.mkv")
    with av.open(str(film), "w") as container:
        stream = container.add_stream(encoder, rate=1, options={"x265-params": "log-level=none"})
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((side, side, 3), grey, np.uint8), format="rgb24")
        container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        coded = next(bytes(packet) for packet in container.demux(stream) if packet.size)
        configuration = bytes(stream.codec_context.extradata or b"")
    film.unlink()
    return coded, configuration


def _box(kind: bytes, data: bytes) -> bytes:
    return pack(">I4s", 8 + len(data), kind) + data


def _full(kind: bytes, data: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, pack(">I", version << 24 | flags) + data)
