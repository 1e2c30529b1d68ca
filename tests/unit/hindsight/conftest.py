"""Made footage: what detectors found, without pictures."""

from types import SimpleNamespace

import av
import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.hindsight.found import Found
from streamdet.hindsight.look import Footage, Teacher

FRAMES, SIZE = 50, (400, 200)
STILL = np.tile(np.eye(2, 3), (FRAMES, 1, 1))


@pytest.fixture
def teacher():
    """A detector that is only known by its classes."""
    return lambda *classes, weight=1.0: Teacher(SimpleNamespace(spec=SimpleNamespace(classes=classes)), weight)


@pytest.fixture
def footage():
    """Rows (frame, x1, y1, x2, y2, score, class id) of each detector, at a rate and with a camera's motion."""

    def make(*detectors, fps=25.0, camera=STILL, classes=("person",)):
        found = []
        for rows in detectors:
            of_frame = [[row[1:] for row in rows if row[0] == frame] for frame in range(FRAMES)]
            tables = [np.array(each, float).reshape(-1, 6) for each in of_frame]
            found.append(Found.of([Detections.of(t[:, :4], t[:, 4], t[:, 5], classes) for t in tables]))
        return Footage(SIZE, np.arange(FRAMES) / fps, camera, tuple(found))

    return make


@pytest.fixture
def walker():
    """A person who walks to the right: x of the left edge by frame, score."""

    def make(frames, x=20.0, pace=2.0, score=0.7, class_id=0):
        return [(f, x + pace * f, 50.0, x + 30 + pace * f, 130.0, score, class_id) for f in frames]

    return make


@pytest.fixture
def write_clip():
    """A real clip of grey frames, at 25 frames a second."""

    def write(path, frames, size: tuple[int, int]):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for number in range(frames):
                image = np.full((size[1], size[0], 3), 40 + 4 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return write
