"""Who is anonymised is looked for, by their pixels, in every file that a job has written."""

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.jobs.adjust import Adjustments
from streamdet.jobs.config import load_job
from streamdet.jobs.plan import plan
from streamdet.jobs.session import Session
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.per_frame import PerFrameDetector

WIDTH, HEIGHT, SIDE, MISSED = 320, 192, 64, (12, 13, 14)
FACE = cv2.resize(
    np.random.default_rng(1).integers(0, 2, (16, 16, 1), np.uint8).repeat(3, 2) * 255,
    (SIDE, SIDE),
    interpolation=cv2.INTER_NEAREST,
)


def place_of(number):
    return 20 + 3 * number, 60


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A face that nothing else looks like walks to the right; the detector misses it in a few frames."""
    monkeypatch.chdir(tmp_path)
    with av.open("walk.mp4", "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(30):
            image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
            x, y = place_of(number)
            image[y : y + SIDE, x : x + SIDE] = FACE
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        file.mux(stream.encode(None))
    return Path("walk.mp4")


@dataclass
class Finder:
    """Says where the face is, frame by frame."""

    number: int = 0

    def __call__(self, images):
        found = []
        for _ in images:
            x, y = place_of(self.number)
            boxes = [] if self.number in MISSED else [(x, y, x + SIDE, y + SIDE)]
            found.append(Detections.of(np.reshape(boxes, (-1, 4)), [0.9] * len(boxes), [0] * len(boxes), CLASSES))
            self.number += 1
        return found


CLASSES = ("person", "car")


def detector():
    spec = DetectorSpec(name="faces", classes=CLASSES, sha256="", input=InputSpec(size=WIDTH))
    return PerFrameDetector(spec, "numpy", Finder())


def run(*settings):
    base = ["sources=[walk.mp4]", "stages=[decode, batch, detect, track, crops, annotate, encode]"]
    jobs = plan(load_job(None, [*base, "encode.path=out.mp4", "encode.crf=10", "annotate.labels=none", *settings]))
    return Session(jobs, detector()).wait()


def pictures_of(path):
    if path.suffix == ".jpg":
        return [cv2.imread(str(path))]
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]


def likeness(path):
    """How much of the face is seen at most in a file's pictures, up to 1: the correlation with its pixels."""
    seen = 0.0
    for picture in pictures_of(path):
        large = cv2.copyMakeBorder(picture, SIDE, SIDE, SIDE, SIDE, cv2.BORDER_REPLICATE)
        seen = max(seen, float(cv2.matchTemplate(large, FACE, cv2.TM_CCOEFF_NORMED).max()))
    return seen


def written():
    return [path for path in Path().rglob("*") if path.suffix in (".mp4", ".jpg") and path.name != "walk.mp4"]


@pytest.mark.parametrize("tracker", ["byte", "memory"])
def test_the_pixels_of_a_face_are_in_no_file_though_it_is_missed_for_some_frames(clip, tracker):
    outcome = run("anonymise=[person]", f"track.tracker={tracker}")
    assert outcome.failures == ()
    assert len(written()) == 2
    assert max(map(likeness, written())) < 0.5


def test_without_it_they_are_in_every_file(clip):
    run()
    assert len(written()) == 2
    assert min(map(likeness, written())) > 0.85


def test_the_upper_part_alone_can_be_hidden(clip):
    run("anonymise={classes: [person], top: 0.4, grow: 0.0, hold_s: 0.0}", "stages=[decode, batch, detect, encode]")
    picture = pictures_of(Path("out.mp4"))[5]
    x, y = place_of(5)
    parts = [slice(0, 24), slice(32, SIDE)]
    alike = [np.corrcoef(picture[y:, x:][part, :SIDE].ravel(), FACE[part].ravel())[0, 1] for part in parts]
    assert alike[0] < 0.7
    assert alike[1] > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["stages=[decode, batch, detect, track, overlay]"], "overlay copies the video"),
        (["encode.pictures=changed"], "encode copies the video"),
        (["detect.classes=[car]"], "person is anonymised, so it must be looked for"),
        (["stages=[decode, batch, detect, track, annotate, anonymise, encode]"], "expected anonymise before annotate"),
        (["anonymise=[]", "stages=[decode, batch, detect, anonymise, encode]"], "expected the classes"),
    ],
)
def test_what_would_show_them_all_the_same_is_refused(clip, settings, message):
    with pytest.raises(ConfigError, match=message):
        run("anonymise=[person]", *settings)


def test_a_class_that_the_detector_does_not_know_is_refused(clip):
    with pytest.raises(ConfigError, match="unknown class face"):
        run("anonymise=[face]")


def test_while_it_runs_they_are_looked_for_as_carefully_as_at_the_start():
    adjustments = Adjustments(load_job(None, ["anonymise=[person]", "detect.conf=0.3"]), detector())
    adjustments.change("detect", {"conf": 0.2, "classes": ["person"]})
    adjustments.change("detect", {"conf": 0.6, "class_conf": {"person": 0.3}})
    for values, message in (({"classes": ["car"]}, "must be looked for"), ({"conf": 0.4, "class_conf": {}}, "at most")):
        with pytest.raises(ConfigError, match=message):
            adjustments.change("detect", values)
