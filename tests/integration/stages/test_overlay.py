"""Boxes as subtitles over a copied video: a player shows what is drawn otherwise, and the video is untouched."""

import json
import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.drawing.annotators import draw
from streamdet.drawing.options import AnnotateOptions
from streamdet.errors import ConfigError
from streamdet.flow import Run, Stage
from streamdet.frames import Clip
from streamdet.media.locations import SourceSpec
from streamdet.media.timeline import Part
from streamdet.result import Result
from streamdet.stages.decode import Input, decode
from streamdet.stages.outputs import OutputLog
from streamdet.stages.overlay import STAGE, OverlaySettings, overlay

CLASSES = ("person", "car {odd}")
FRAMES = 24
LINES = AnnotateOptions(labels="none", line_width=4)


def write_clip(path, *, size=(160, 96), pts=None, audio=True, bframes=2, prepare=lambda stream: None, **options):
    """A dark clip with audio and some B-frames; pts are in 1/1000 s."""
    width, height = size
    tone = (8000 * np.sin(np.arange(1920) / 10)).astype(np.int16)[None]
    noise = np.random.default_rng(0).integers(40, 70, (height, width, 3), dtype=np.uint8)
    with av.open(str(path), "w", container_options={"avoid_negative_ts": "disabled"}) as container:
        video = container.add_stream("libx264", rate=25, options={"bf": str(bframes), "g": "8", **options})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = video.time_base = Fraction(1, 1000)
        prepare(video)
        sound = container.add_stream("aac", rate=48000, layout="mono") if audio else None
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=0), format="rgb24")
            frame.pts, frame.time_base = pts[number] if pts else 40 * number, Fraction(1, 1000)
            container.mux(video.encode(frame))
            if sound is not None:
                samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                samples.sample_rate, samples.pts = 48000, number * 1920
                container.mux(sound.encode(samples))
        container.mux(video.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def boxes_of(index):
    """Two tracks: one walks, one stands still for six frames at a time; nothing in every tenth frame."""
    if index % 10 == 9:
        return Detections.empty(CLASSES)
    still = 100 + index // 6 * 4
    boxes = [[8 + 2 * index, 20.3, 40 + 2 * index, 70], [still, 30, still + 24.5, 60]]
    return Detections.of(boxes, [0.9, 0.8], [0, 1], CLASSES, [3, 5])


def run(source, target, *, part=None, frames_of=lambda results: results, **settings):
    """What the stage writes of a file with those boxes; gives the results and the failures."""
    log = OutputLog()

    def find(inbox):
        for item in inbox:
            yield from (
                ()
                if isinstance(item, Clip)
                else [Result(item, boxes_of(item.index)) if hasattr(item, "picture") else item]
            )

    outputs = {"overlay": target}
    reading = decode([Input(SourceSpec(str(source), "clip", "file"), outputs)], part or Part())
    stage = overlay(OverlaySettings(labels="none", line_width=4, **settings), log)
    with Run([reading], [Stage("find", find), stage], "inline") as running:
        results = [item for item in running if isinstance(item, Result)]
    return results, [str(failure.error) for failure in log.failures]


def packets(path, kind):
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        return [bytes(packet) for packet in container.demux(streams) if packet.size] if streams else []


def times(path):
    with av.open(str(path)) as container:
        return [round(1000 * frame.pts * frame.time_base) for frame in container.decode(video=0)]


def events(path):
    """(start ms, end ms, text) of the subtitle track."""
    with av.open(str(path)) as container:
        return [
            (packet.pts, packet.pts + packet.duration, bytes(packet).decode())
            for packet in container.demux(container.streams.subtitles[0])
            if packet.size
        ]


def require_ffmpeg():
    found = shutil.which("ffmpeg")
    able = found and b" subtitles " in subprocess.run([found, "-filters"], capture_output=True, check=True).stdout
    if not able and os.environ.get("STREAMDET_REQUIRE_SERVERS"):
        pytest.fail("STREAMDET_REQUIRE_SERVERS is set, but there is no ffmpeg with libass")
    if not able:
        pytest.skip("needs the program ffmpeg with libass; Debian: apt-get install ffmpeg")


def rendered(path, subtitles):
    """The frames as a player shows them: (T, H, W, 3) RGB."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        turned = abs(first.rotation) in (90, 270)
        size = (first.width, first.height) if turned else (first.height, first.width)
    command = ["ffmpeg", "-v", "error", "-copyts", "-i", path.name, "-vf", f"subtitles={subtitles.name}"]
    raw = subprocess.run(
        [*command, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        cwd=path.parent,
        capture_output=True,
        check=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, *size, 3)


def changed(image, plain):
    """Which pixels have another brightness; colours are coarser in a video."""
    return np.abs((image.astype(float) - plain) @ (0.299, 0.587, 0.114)) > 24


SOURCES = {
    "plain": {},
    "turned": {"prepare": lambda stream: stream.set_display_rotation(-90)},
    "oblong pixels": {
        "prepare": lambda stream: setattr(stream.codec_context, "sample_aspect_ratio", Fraction(4, 3)),
    },
    "variable rate": {"pts": [40 * n + (n % 3) * 11 + (300 if n > 12 else 0) for n in range(FRAMES)], "audio": False},
    "starts before 0": {"pts": [40 * n - 120 for n in range(FRAMES)], "audio": False, "bframes": 0},
    "starts late": {"pts": [40 * n + 5000 for n in range(FRAMES)], "audio": False},
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_player_shows_what_is_drawn_otherwise(tmp_path, kind, ending):
    require_ffmpeg()
    source = write_clip(tmp_path / "in.mp4", **SOURCES[kind])
    target = tmp_path / f"out{ending}"
    results, failures = run(source, target)
    assert failures == []
    assert packets(target, "video") == packets(source, "video")
    assert packets(target, "audio") == packets(source, "audio")
    # What an mp4 hides in front of its first frame, Matroska cannot.
    hidden = 3 if kind == "starts before 0" and ending == ".mkv" else 0
    assert times(target)[hidden:] == [time + 40 * hidden for time in times(source)]
    shown = rendered(target, target if ending == ".mkv" else target.with_suffix(".ass"))[hidden:]
    assert len(shown) == len(results)
    assert len(results) == (21 if kind == "starts before 0" else FRAMES)
    for result, picture in zip(results, shown, strict=True):
        expected = changed(draw(result.image, result.detections, LINES), result.image)
        actual = changed(picture, result.image)
        union = (expected | actual).sum()
        assert union == 0 or (expected & actual).sum() / union > 0.85, (kind, result.index)


def test_one_event_for_a_box_until_it_moves(tmp_path):
    source = write_clip(tmp_path / "in.mp4")
    run(source, tmp_path / "out.mkv")
    found = events(tmp_path / "out.mkv")
    assert [start for start, _, _ in found] == sorted(start for start, _, _ in found)
    still = [(start, end) for start, end, text in found if "m 96 26" in text]
    assert still == [(0, 239)]  # six frames; a millisecond early, for players that round down
    assert {text.split(",")[2] for _, _, text in found} == {"Shape"}


def test_labels_paths_and_masks_are_in_it(tmp_path):
    source = write_clip(tmp_path / "in.mp4", size=(640, 480))
    masked = Detections.of([[20, 80, 220, 380], [300, 90, 580, 350]], [0.9, 0.8], [0, 1], CLASSES, [3, 5])
    log, target = OutputLog(), tmp_path / "out.mkv"

    def give(inbox):
        for item in inbox:
            if not hasattr(item, "picture"):
                yield item
                continue
            masks = np.zeros((len(masked), 28, 28), np.uint8)
            masks[:, 4:20, 6:22] = 255
            yield Result(
                item,
                Detections.of(
                    masked.boxes + item.index, masked.scores, masked.class_ids, CLASSES, masked.track_ids, masks=masks
                ),
            )

    reading = decode([Input(SourceSpec(str(source), "clip", "file"), {"overlay": target})])
    with Run([reading], [Stage("give", give), overlay(OverlaySettings(traces_s=1), log)], "inline") as running:
        list(running)
    assert log.failures == ()
    texts = [text for _, _, text in events(target)]
    assert any(text.endswith("}person 3 0.90") for text in texts)
    assert any(text.endswith("}car (odd) 5 0.80") for text in texts)  # braces would be commands
    layers = {int(text.split(",")[1]) for text in texts}
    assert layers == {0, 1, 2, 3}
    assert any("\\1a&H" in text for text in texts)  # a mask lets the picture through


def test_metadata_for_pages_beside_an_mp4(tmp_path):
    source = write_clip(tmp_path / "in.mp4")
    results, _ = run(source, tmp_path / "out.mp4")
    head, *cues = (tmp_path / "out.vtt").read_text().split("\n\n")
    assert head == "WEBVTT"
    first = json.loads(cues[0].splitlines()[1])
    assert first == {"width": 160, "height": 96, "detections": results[0].detections.to_dicts()}
    assert cues[0].startswith("00:00:00.000 --> 00:00:00.039\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.ass", "out.mp4", "out.vtt"]


def test_a_part_starts_with_its_keyframe_and_ends_with_its_last_frame(tmp_path):
    source = write_clip(tmp_path / "in.mp4")
    results, failures = run(source, tmp_path / "out.mkv", part=Part(0.4, 0.7))
    assert failures == []
    assert [result.index for result in results] == list(range(10, 18))
    written = times(tmp_path / "out.mkv")
    assert written[0] == 320  # the keyframe before
    assert 680 <= written[-1] <= 760
    with av.open(str(tmp_path / "out.mkv")) as container:
        audio = [packet.pts * packet.time_base for packet in container.demux(audio=0) if packet.pts is not None]
    assert 0.25 < audio[0] < 0.36
    assert audio[-1] < 0.8


def test_text_alone(tmp_path):
    source = write_clip(tmp_path / "in.mp4")
    assert run(source, tmp_path / "out.ass")[1] == []
    text = (tmp_path / "out.ass").read_text()
    assert "PlayResX: 160\nPlayResY: 96\n" in text
    assert "Dialogue: 2,0:00:00.00,0:00:00.23,Shape,,0,0,0,,{" in text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"path": "x.webm"}, "expected .mkv .mp4 .m4v .mov for the copied video"),
        ({"path": "x.mkv", "hide": ("person",)}, "nothing in it can be hidden; use --annotate draw"),
        ({"path": "rtsp://host/x"}, "expected a file such as .mkv"),
        ({"path": "-"}, "expected a file such as .mkv"),
    ],
)
def test_what_it_cannot_write(settings, said):
    assert STAGE.output is not None
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        STAGE.output.plan(OverlaySettings(**settings), [SourceSpec("a.mp4", "a", "file")])


@pytest.mark.parametrize("kind", ["images", "camera", "network"])
def test_sources_without_a_video_file_get_text_alone(kind):
    assert STAGE.output is not None
    spec = SourceSpec("0", "a", kind)
    assert STAGE.output.plan(OverlaySettings(path="x.ass"), [spec]).targets == {"a": Path("x.ass")}
    with pytest.raises(ConfigError, match=r"is no video file that could be copied; name an \.ass file"):
        STAGE.output.plan(OverlaySettings(path="x.mkv"), [spec])


def test_a_video_that_the_container_cannot_hold_fails_before_the_first_frame(tmp_path):
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        video = container.add_stream("huffyuv", rate=25)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv422p"
        for _ in range(3):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((96, 160, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
    _, failures = run(source, tmp_path / "out.mp4")
    assert len(failures) == 1
    assert "mp4 cannot hold the video" in failures[0]
    assert not (tmp_path / "out.mp4").exists()
