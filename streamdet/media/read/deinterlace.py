"""Deinterlacing: one progressive frame for each interlaced one, at the same time."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import av
from av.filter import Graph


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of a frame besides its pixels: its number, and its time in units of the stream's time base.

    Attributes:
        decoded: False: the pixels are those of a frame before it.
    """

    index: int
    pts: int
    duration: int
    decoded: bool = True


LabelledFrame = tuple[Label, av.VideoFrame]


def deinterlaced(frames: Iterable[LabelledFrame]) -> Iterator[LabelledFrame]:
    """Pass progressive video through; filter from the first frame on that is flagged as interlaced.

    Filtered frames come out one later (bwdif looks at the next one), progressive ones among them unchanged. Labels stay
    with their frames; the filter itself would change times.
    """
    graph: Graph | None = None
    graph_layout = None
    labels: deque[Label] = deque()
    for label, frame in frames:
        layout = (frame.width, frame.height, frame.format.name)
        if graph is not None and layout != graph_layout:
            yield from zip(labels, _flushed(graph), strict=True)
            labels.clear()
            graph = None
        if graph is None:
            if not frame.interlaced_frame:
                yield label, frame
                continue
            graph, graph_layout = _graph_for(frame), layout
        labels.append(label)
        frame.pts = label.pts
        graph.vpush(frame)
        for ready in _ready(graph):
            yield labels.popleft(), ready
    if graph is not None:
        yield from zip(labels, _flushed(graph), strict=True)


def _graph_for(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/1",
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    bwdif = graph.add("bwdif", mode="send_frame", deint="interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _flushed(graph: Graph) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    return _ready(graph)
