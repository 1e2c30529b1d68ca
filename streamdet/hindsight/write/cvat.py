"""Labels as CVAT for video 1.1, which `datasets.cvat_video` reads: a track an object, and what is ignored as `ignore`.

Boxes, or the outlines of masks, are keyframes; CVAT moves them in between, so that a person has few to correct.

Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/; CVAT, load_anno, which reads such a file.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from streamdet.datasets.marks import IGNORE
from streamdet.hindsight.write.labelled_file import LabelledFile, Span, spans_of_tracks


def cvat_video(files: Sequence[LabelledFile], classes: Sequence[str], path: Path) -> Iterator[str]:
    """The text of the file of one video, piece by piece; see coco_vid."""
    (file,) = files
    yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    yield _meta(file, classes)
    for track_id, name, spans in spans_of_tracks(file, tuple(classes)):
        yield f'<track id="{track_id}" label={quoteattr(name)} source="auto">\n'
        for span, following in zip(spans, [*spans[1:], None], strict=True):
            yield from _boxes(span, len(file.times_s), following)
        yield "</track>\n"
    yield "</annotations>\n"


def _meta(file: LabelledFile, classes: Sequence[str]) -> str:
    kind = "rectangle" if file.labels.shapes is None else "polygon"
    labels = "".join(
        f"<label><name>{escape(name)}</name><type>{kind}</type><attributes></attributes></label>\n"
        for name in (*classes, IGNORE)
    )
    frames = len(file.times_s)
    return (
        f"<meta>\n<task>\n<name>{escape(file.path.stem)}</name>\n<size>{frames}</size>\n<mode>interpolation</mode>\n"
        f"<start_frame>0</start_frame>\n<stop_frame>{frames - 1}</stop_frame>\n<frame_filter></frame_filter>\n"
        f"<labels>\n{labels}</labels>\n"
        f"<original_size><width>{file.size[0]}</width><height>{file.size[1]}</height></original_size>\n"
        f"<source>{escape(file.path.name)}</source>\n</task>\n</meta>\n"
    )


def _boxes(span: Span, frames: int, following: Span | None) -> Iterator[str]:
    """The keyframes of a span, and its end, unless the video ends or the track goes on there."""
    places = [_place(span, row) for row in range(len(span.frames))]
    for frame, place in zip(span.frames.tolist(), places, strict=True):
        yield _keyframe(frame, place, outside=False)
    end = int(span.frames[-1]) + 1
    if end < (frames if following is None else int(following.frames[0])):
        yield _keyframe(end, places[-1], outside=True)


def _place(span: Span, row: int) -> tuple[str, str]:
    """Name and attributes of a box, or of the outline of a mask."""
    x1, y1, x2, y2 = span.boxes[row]
    if span.shapes is not None:
        outline = span.shapes[row].get("outline") or [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in outline)
        return "polygon", f'points="{points}"'
    return "box", f'xtl="{x1:.2f}" ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}"'


def _keyframe(frame: int, place: tuple[str, str], *, outside: bool) -> str:
    name, attributes = place
    return (
        f'<{name} frame="{frame}" keyframe="1" outside="{int(outside)}" occluded="0" {attributes} z_order="0">'
        f"</{name}>\n"
    )
