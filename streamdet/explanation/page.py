"""The page of an explanation: one HTML file that needs no network and runs no script."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.drawing.annotators import draw
from streamdet.drawing.charts import line_chart
from streamdet.drawing.options import AnnotateOptions
from streamdet.errors import SinkError
from streamdet.explanation.explain import Basis, Explanation, Moment
from streamdet.frames import Image

_MOMENTS, _TRACKS, _MIN_FRAMES = 8, 8, 5
_DARK = 0.002  # a frame from which less comes is shown without heat
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --past: #ff8c00; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1200px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.15rem; margin-top: 2rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p { max-width: 75ch; } .facts, figcaption, th { opacity: .8; } figcaption { font-size: .85rem; }
.grid { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(360px, 1fr)); }
.strip { display: grid; gap: .4rem; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); }
figure { margin: 0; } img, svg { max-width: 100%; height: auto; display: block; }
table { border-collapse: collapse; }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line); }
.key { display: inline-block; width: .9em; height: .9em; background: var(--past); vertical-align: -.1em; }
"""
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'sha256-{hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What is due to the past: {title}</title><style>{style}</style></head><body>
"""
_ABOUT = (
    "A detector with memory finds an object in a frame for two reasons: what the frame shows, and what the frames "
    "before it showed. This page tells them apart. How much of a box is due to the past is measured: the same frame is "
    "looked at again with the recurrent state emptied, and the object memory says how much of its box and score comes "
    "from earlier frames. An object that is new owes nothing to the past; one that is hidden owes it everything."
)
_COLUMNS: tuple[str, ...] = ("class", "boxes", "due to the past", "by objects", "by recurrent state", "held, not found")
_GATES = (
    ("input", "Input gate: where something new is written into the memory"),
    ("forget", "Forget gate: where what is remembered is kept"),
    ("output", "Output gate: where the memory speaks"),
    ("cell", "Cell: how much is remembered"),
    ("share", "Share: where the detector sees what is remembered instead of the picture"),
)


def page_of(explanation: Explanation) -> str:
    """The whole page."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    title = escape(f"{Path(explanation.source).name}, {explanation.model}")
    parts = [_HEAD.format(hash=digest, title=title, style=_STYLE), f"<h1>What is due to the past: {title}</h1>"]
    parts += [_summary(explanation), _pictures(explanation), _gates(explanation)]
    parts += [_bases(explanation.bases), _tracks(explanation), "</body></html>"]
    return "\n".join(part for part in parts if part)


def framed(page: str) -> str:
    """A page inside another one, such as a notebook."""
    return f'<iframe srcdoc="{escape(page, quote=True)}" width="100%" height="800" sandbox></iframe>'


def write_page(page: str, path: Path) -> Path:
    """Write it, whole or not at all.

    Raises:
        SinkError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _support(moment: Moment) -> NDArray[np.float32]:
    found = moment.detections
    return np.zeros(len(found), np.float32) if found.support is None else found.support


def _summary(explanation: Explanation) -> str:
    moments = explanation.moments
    facts = f"{explanation.source}: {explanation.runtime}, {len(moments)} frames"
    if moments:
        facts += f", {moments[0].time_s:.2f} to {moments[-1].time_s:.2f} s"
    return f'<p class="facts">{escape(facts)}</p><p>{_ABOUT}</p>{_table(moments)}'


def _table(moments: Sequence[Moment]) -> str:
    """Means of each class."""
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for moment in moments:
        parts = _support(moment), moment.objects, moment.features, _carried(moment)
        for row, name in enumerate(moment.detections.class_names.tolist()):
            boxes.setdefault(name, []).append(tuple(float(part[row]) for part in parts))
    if not boxes:
        return "<p>Nothing was found.</p>"
    rows = [_COLUMNS]
    for name, each in sorted(boxes.items()):
        rows.append((name, str(len(each)), *(f"{100 * mean:.0f} %" for mean in np.mean(each, axis=0).tolist())))
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _carried(moment: Moment) -> NDArray[np.bool_]:
    found = moment.detections
    return np.zeros(len(found), bool) if found.carried is None else found.carried


def _telling(explanation: Explanation) -> list[Moment]:
    """The frame of each stretch of the video in which the past counts most."""
    moments = explanation.moments
    stretches = np.array_split(np.arange(len(moments)), min(_MOMENTS, len(moments)) or 1)
    worth = [float(_support(moment).sum()) for moment in moments]
    return [moments[max(rows.tolist(), key=worth.__getitem__)] for rows in stretches if len(rows)]


def _pictures(explanation: Explanation) -> str:
    figures = []
    for moment in _telling(explanation):
        drawn = draw(moment.image, moment.detections, AnnotateOptions(memory=True, labels="id"))
        shares = _support(moment)
        rows = np.argsort(-shares, kind="stable")[:3].tolist()
        names = moment.detections.class_names
        told = [f"{names[row]} {moment.detections.track_ids[row]}: {100 * shares[row]:.0f} %" for row in rows]
        caption = f"Frame {moment.index}, {moment.time_s:.2f} s. Most due to the past: {', '.join(told) or 'nothing'}"
        figures.append(_figure(drawn, caption))
    return (
        "<h2>Where the past counts most</h2><p>One frame of each part of the video. The bar at the left of a box, "
        '<span class="key"></span>, is filled as far as the box is due to the past; tinted boxes were not found in '
        f'this frame at all, but are held.</p><div class="grid">{"".join(figures)}</div>'
    )


def _gates(explanation: Explanation) -> str:
    shown = [moment for moment in _telling(explanation) if moment.gates is not None][-3:]
    if not shown:
        return (
            "<h2>The recurrent state</h2><p>The gates of this detector cannot be seen: it has no recurrent state, or "
            "does not run in torch.</p>"
        )
    figures = []
    for name, meaning in _GATES:
        maps = [getattr(moment.gates, name) for moment in shown]
        low, high = min(float(each.min()) for each in maps), max(float(each.max()) for each in maps)
        for moment, each in zip(shown, maps, strict=True):
            spread = (each - low) / max(high - low, 1e-6)
            caption = f"{meaning}. {moment.time_s:.2f} s; blue {low:.2f}, red {high:.2f}"
            figures.append(_figure(_heated(moment.image, spread), caption))
    return (
        "<h2>The recurrent state, over the picture</h2><p>Means over the channels of the ConvLSTM with the finest map, "
        f'in the last of these frames.</p><div class="grid">{"".join(figures)}</div>'
    )


def _bases(bases: Sequence[Basis]) -> str:
    if not bases:
        return ""
    parts = [
        "<h2>What a box rests on</h2><p>For the boxes that owe most to the past, the last frames before them. How much "
        "of what the detector says of the box comes from each frame, and, where it shines, from which place in it: "
        "without a recurrent state that is the last frame alone. And how much of the object's score and place would be "
        "lost if the object memory had not received the detections of that frame.</p>"
    ]
    for basis in bases:
        title = f"{basis.class_name} {basis.track_id}, score {basis.score:.2f}, {100 * basis.support:.0f} % past"
        figures = []
        for number, image in enumerate(basis.images):
            maps = basis.saliency.maps
            dark = maps is None or basis.saliency.frames[number] < _DARK
            picture = image.copy() if maps is None or dark else _heated(image, np.sqrt(maps[number]))
            if number == len(basis.images) - 1:
                x1, y1, x2, y2 = basis.box.round().astype(int).tolist()
                cv2.rectangle(picture, (x1, y1), (x2, y2), (255, 255, 255), 1)
            ago = basis.times_s[number] - basis.times_s[-1]
            seen, needed = 100 * basis.saliency.frames[number], 100 * basis.needed[number]
            figures.append(_figure(picture, f"{ago:+.2f} s: {seen:.0f} % of what is seen; {needed:.0f} % needed"))
        parts.append(f'<h3>{escape(title)}</h3><div class="strip">{"".join(figures)}</div>')
    return "".join(parts)


def _tracks(explanation: Explanation) -> str:
    seen: dict[int, list[tuple[Moment, int]]] = {}
    for moment in explanation.moments:
        for row, track_id in enumerate(moment.detections.track_ids.tolist()):
            if track_id >= 0:
                seen.setdefault(track_id, []).append((moment, row))
    worth = {
        track_id: sum(float(_support(moment)[row]) for moment, row in rows)
        for track_id, rows in seen.items()
        if len(rows) >= _MIN_FRAMES
    }
    chosen = sorted(worth, key=lambda track_id: -worth[track_id])[:_TRACKS]
    charts = [_track_charts(track_id, seen[track_id]) for track_id in sorted(chosen)]
    if not charts:
        return ""
    return (
        "<h2>The object memory, over time</h2><p>An LSTM follows each object. Above: its score, and how much of its "
        "box is due to the past; where that is 1, the object was not found but held. Below: how far the gates of its "
        f'LSTM are open, and how much it remembers (cell).</p><div class="grid">{"".join(charts)}</div>'
    )


def _track_charts(track_id: int, rows: Sequence[tuple[Moment, int]]) -> str:
    times = [moment.time_s for moment, _ in rows]
    first, row = rows[0]
    name = f"{first.detections.class_names[row]} {track_id}"
    of_box = {
        "score": [float(moment.detections.scores[row]) for moment, row in rows],
        "due to the past": [float(_support(moment)[row]) for moment, row in rows],
    }
    gates = [moment.tracks.get(track_id) for moment, _ in rows]
    of_gates = {
        part: [float("nan") if each is None else getattr(each, part) for each in gates]
        for part in ("input", "forget", "output", "cell")
    }
    charts = line_chart(of_box, times, title=name, limits=(0, 1), height=170)
    return f"<figure>{charts}{line_chart(of_gates, times, limits=(0, 1), height=150)}</figure>"


def _heated(image: Image, heat: NDArray[np.floating]) -> Image:
    """A grey picture with heat from blue to red over it."""
    height, width = image.shape[:2]
    large = cv2.resize(np.asarray(heat, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    colours = cv2.applyColorMap(np.clip(255 * large, 0, 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    grey = image.mean(axis=2, keepdims=True)
    return np.asarray((0.45 * grey + 0.55 * colours).round(), np.uint8)


def _figure(image: Image, caption: str) -> str:
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 82])
    encoded = base64.b64encode(data.tobytes() if done else b"").decode()
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/jpeg;base64,{encoded}"><figcaption>{text}</figcaption></figure>'
