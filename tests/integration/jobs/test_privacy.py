"""Who is anonymised is looked for, by their pixels, in every file that a job has written."""

import base64
import http.server
import json
import re
import threading
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
from streamdet.result import Result
from streamdet.server.live import jpeg
from streamdet.server.store import EventStore

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
        picture = cv2.imread(str(path))
        if path.name.startswith(("alert", "event")):  # 320 pixels for 1.8 times the box
            side = round(1.8 * SIDE)
            return [cv2.resize(picture, (side, round(side * picture.shape[0] / 320)), interpolation=cv2.INTER_AREA)]
        return [picture]
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


@pytest.fixture
def hook():
    """A webhook that keeps the pictures that come."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            alert = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            Path(f"alert-{alert['id']}.jpg").write_bytes(base64.b64decode(alert["picture"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *values):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("anonymised", [True, False])
def test_nor_in_clips_alerts_and_pictures_and_events_of_the_page(clip, hook, anonymised):
    store = EventStore(Path("events.sqlite"))

    def page(event):
        store(event)
        if isinstance(event, Result):
            Path(f"page-{event.index}.jpg").write_bytes(jpeg(event, 960))

    settings = [
        "sources=[walk.mp4]",
        "stages=[decode, batch, detect, track, zones, clips, alert]",
        "zones={hold_s: 0.0, areas: {all: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}",
        "clips={kinds: null, before_s: 1.0, after_s: 0.5}",
        f"alert.to={hook}",
        *(["anonymise=[person]"] if anonymised else []),
    ]
    jobs = plan(load_job(None, settings))
    assert Session(jobs, detector(), [page]).wait().failures == ()
    store.close()
    store = EventStore(Path("events.sqlite"))
    for event in store.find():
        Path(f"event-{event['id']}.jpg").write_bytes(store.picture(event["id"]))
    store.close()
    kinds = {re.match("[a-z]+", str(path))[0] for path in written()}
    assert kinds == {"clips", "alert", "page", "event"}
    seen = {kind: max(likeness(path) for path in written() if str(path).startswith(kind)) for kind in kinds}
    assert max(seen.values()) < 0.5 if anonymised else min(seen.values()) > 0.7, seen


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
