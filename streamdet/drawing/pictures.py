"""Results as pictures: drawn, saved, and shown in notebooks and on screens."""

import base64
import sys
import tempfile
import webbrowser
from collections import Counter
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydantic import ValidationError

from streamdet.drawing.annotators import draw
from streamdet.drawing.options import AnnotateOptions
from streamdet.errors import SinkError
from streamdet.frames import Image
from streamdet.result import Result

_LARGEST_CLIP_BYTES = 32 * 2**20


def plot(result: Result, options: Mapping[str, Any]) -> Image:
    """See `Result.plot`."""
    try:
        chosen = AnnotateOptions(**options)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from error
    return draw(result.image, result.detections, chosen)


def save(image: Image, path: Path) -> Path:
    """Write a picture.

    Raises:
        SinkError: it cannot be written, or no picture has this ending.
    """
    try:
        path.write_bytes(_encoded(image, path.suffix))
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
    except cv2.error as error:
        raise SinkError(f"{path}: no picture has this ending; expected .jpg, .png or .webp") from error
    return path


def show(result: Result, options: Mapping[str, Any]) -> None:
    """See `Result.show`."""
    image = plot(result, options)
    if _in_notebook():
        from IPython.display import HTML, display

        display(HTML(_figure(image, _caption(result))))
        return
    with tempfile.NamedTemporaryFile(suffix=".png", delete=False) as file:
        path = save(image, Path(file.name))
    if not webbrowser.open(path.as_uri()):
        raise SinkError(f"nothing here shows pictures; this one is {path}. save(path) chooses the name")


def html(result: Result) -> str:
    """The picture with its boxes, and what is in it; where there is no picture, that alone."""
    caption = _caption(result)
    try:
        return _figure(plot(result, {}), caption)
    except ValueError:
        return f"<p>{escape(caption)}</p>"


class Clip:
    """A video in a notebook.

    Args:
        path: of the file.

    Raises:
        ValueError: it is too large to stand in a notebook.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.stat().st_size > _LARGEST_CLIP_BYTES:
            size, most = (round(count / 2**20) for count in (path.stat().st_size, _LARGEST_CLIP_BYTES))
            raise ValueError(f"{path}: {size} MB are too many for a notebook, which takes {most}; view a part of it")
        self._data = path.read_bytes()

    def _repr_html_(self) -> str:
        kind = "webm" if self.path.suffix.lower() == ".webm" else "mp4"
        data = base64.b64encode(self._data).decode()
        return f'<video controls muted style="max-width:100%" src="data:video/{kind};base64,{data}"></video>'


def view(path: str | Path) -> Clip:
    """Play a video in a notebook, as the last expression of a cell: an mp4 or webm with a codec that browsers have.

    Args:
        path: such as `run -o` writes.

    Raises:
        ValueError: it is larger than 32 MB.
        OSError: it cannot be read.
    """
    return Clip(Path(path))


def _encoded(image: Image, suffix: str) -> bytes:
    _, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]))
    return data.tobytes()


def _figure(image: Image, caption: str) -> str:
    data = base64.b64encode(_encoded(image, ".jpg")).decode()
    return (
        f'<figure style="margin:0"><img style="max-width:100%" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _caption(result: Result) -> str:
    counts = Counter(result.detections.class_names.tolist())
    found = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing found"
    return f"{result.source}, frame {result.index}, {result.pts_s:.3f} s: {found}"


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and hasattr(running, "kernel")
