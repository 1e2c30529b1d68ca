"""When every frame of a file is shown, at the speed of reading: nothing is decoded."""

from fractions import Fraction
from itertools import pairwise
from operator import sub
from pathlib import Path

from streamdet.frames import Frame
from streamdet.media.locations import SourceSpec
from streamdet.media.read.decoder import Decoder
from streamdet.media.read.seeking import never_shown
from streamdet.media.read.source import open_source


def frame_times(path: Path) -> tuple[list[int], Fraction]:
    """List the pts of all frames that `open_source` gives, in order.

    Where packets do not tell them plainly (no times in the container, two packets a frame, time that starts again),
    the file is decoded once.

    Returns:
        The pts, and the seconds a unit of them.

    Raises:
        SourceOpenError: it cannot be opened.
        DecodeError: reading keeps failing.
    """
    spec = SourceSpec(location=str(path), name=path.stem, kind="file")
    decoder = Decoder(spec)
    try:
        # FFmpeg decodes what an edit list hides, but does not show it.
        shown = [(packet.pts, packet.dts) for packet in decoder.packets() if not packet.is_discard]
    finally:
        decoder.close()
    if decoder.trust_pts and never_shown(spec) == 0:
        decoding = [dts for _, dts in shown if dts is not None]
        times = [pts for pts, _ in shown if pts is not None]
        is_whole = len(times) == len(decoding) == len(shown)
        ordered = sorted(times)
        # A pts far from its dts is one that the timeline does not believe.
        furthest = max(map(abs, map(sub, times, decoding)), default=0)
        if is_whole and _ascend(decoding) and _ascend(ordered) and furthest * decoder.time_base < 1:
            return ordered, decoder.time_base
    with open_source(spec) as source:
        return [frame.pts for frame in source if isinstance(frame, Frame)], source.info.time_base


def _ascend(times: list[int]) -> bool:
    return all(one < other for one, other in pairwise(times))
