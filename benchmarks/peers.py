"""Annotated video from a clip, in turn with other tools, on the same machine. One command:

    python benchmarks/peers.py --source CLIP

measures what `streamdet run` does, also with --encode changed, with --annotate overlay, and with that and --every 2;
decoding and encoding alone, with the same settings; supervision's process_video with the same model and its annotators;
and, with cv2.VideoCapture before and cv2.VideoWriter behind it, the same model in plain
torch, torchvision's SSDLite and Ultralytics' YOLO11n. The peers' weights are random, so they have hardly a box to draw.
Ultralytics is installed into an environment of its own in a temporary folder, and sees the packages of this one. All
look at 320 pixels. The times begin when libraries and models are loaded and the first frames have been seen.
"""

import argparse
import json
import os
import subprocess
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

IMAGE_SIZE = 320
WARM_FRAMES = 16
MOST_FRAMES = 300
# Without opencv-python, which would hide the headless one.
ULTRALYTICS = (["--no-deps", "ultralytics", "ultralytics-thop"], ["psutil", "requests", "polars", "matplotlib"])


def main() -> None:
    """Measure all in turn and print a table; or, as a child, one of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition(".")[0])
    parser.add_argument("--source", type=Path, required=True, help="an H.264 file without much else in it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=CONTENDERS)
    options = parser.parse_args()
    if options.child:
        frames, wall_s, cpu_s = CONTENDERS[options.child](options.source.resolve())
        print(json.dumps({"fps": frames / wall_s, "cpu_ms": 1000 * cpu_s / frames}))
        return
    with tempfile.TemporaryDirectory(prefix="streamdet-peers-") as folder:
        python = environment(Path(folder) / "env")
        rounds = [dict(one_round(python, options.source.resolve(), Path(folder))) for _ in range(options.rounds)]
    print(f"{options.source.name}, {os.cpu_count()} cores, {options.rounds} rounds")
    print("| | fps | CPU ms a frame | streamdet's fps over it |\n| --- | --- | --- | --- |")
    for name in CONTENDERS:
        fps, cpu_ms = (median(figures[name][key] for figures in rounds) for key in ("fps", "cpu_ms"))
        ratio = median(figures["streamdet"]["fps"] / figures[name]["fps"] for figures in rounds)
        print(f"| {name} | {fps:.1f} | {cpu_ms:.1f} | {ratio:.2f} |")


def environment(folder: Path) -> Path:
    """An environment with Ultralytics, on top of this one; gives its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip())
    (packages / "below.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for words in ULTRALYTICS:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *words], check=True, stderr=subprocess.DEVNULL)
    return python


def one_round(python: Path, clip: Path, folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """The figures of each contender, every one in a process of its own."""
    for name in CONTENDERS:
        words: list[str | Path] = [python, Path(__file__).resolve(), "--source", clip, "--child", name]
        repository = str(Path(__file__).resolve().parents[1])
        kept = {"YOLO_CONFIG_DIR": str(folder), "PYTHONPATH": repository}
        done = subprocess.run(
            words, cwd=folder, env=os.environ | kept, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        yield name, json.loads(done.stdout.splitlines()[-1])


def timed(work: Callable[[int], int]) -> tuple[int, float, float]:
    """Frames, seconds and seconds of all cores of some work, which is told how many frames it has to do at most."""
    work(WARM_FRAMES)
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    frames = work(MOST_FRAMES)
    return frames, time.perf_counter() - begun_s, time.process_time() - begun_cpu_s


def of_streamdet(clip: Path) -> tuple[int, float, float]:
    """What `streamdet run` does once it has loaded its model."""
    from streamdet.cli.bench import annotate_clip, job_of
    from streamdet.media.locations import expand_sources
    from streamdet.runtimes.loading import load

    [spec] = expand_sources([str(clip)])
    detector = load("street")

    def work(most: int) -> int:
        stats = annotate_clip(job_of(clip, "street", IMAGE_SIZE, most), spec, detector, Path("streamdet.mp4"))
        return stats.consumer.items_in - 2  # a marker at each end

    return timed(work)


def of_changed(clip: Path) -> tuple[int, float, float]:
    """`streamdet run --encode changed`: the more is copied, the less happens in the clip."""
    from streamdet.cli.bench import annotate_clip, job_of
    from streamdet.media.locations import expand_sources
    from streamdet.runtimes.loading import load

    [spec] = expand_sources([str(clip)])
    detector = load("street")

    def work(most: int) -> int:
        job = job_of(clip, "street", IMAGE_SIZE, most)
        encode = job.settings_of("encode").model_copy(update={"pictures": "changed"})
        job = job.model_copy(update={"encode": encode})
        return annotate_clip(job, spec, detector, Path("changed.mp4")).consumer.items_in - 2

    return timed(work)


def of_overlay(clip: Path, every: int = 1) -> tuple[int, float, float]:
    """`streamdet run --annotate overlay`, looking at every N-th frame."""
    from streamdet.cli.bench import annotate_clip, job_of
    from streamdet.media.locations import expand_sources
    from streamdet.runtimes.loading import load

    [spec] = expand_sources([str(clip)])
    detector = load("street")

    def work(most: int) -> int:
        job = job_of(clip, "street", IMAGE_SIZE, most)
        detect = job.settings_of("detect").model_copy(update={"every": every})
        stages = ("decode", "batch", "detect", "track", "overlay")
        job = job.model_copy(update={"stages": stages, "detect": detect})
        return annotate_clip(job, spec, detector, Path("streamdet.mkv")).consumer.items_in - 2

    return timed(work)


def of_transcode(clip: Path) -> tuple[int, float, float]:
    """Decoding and encoding alone, with streamdet's settings."""
    from streamdet.media.locations import expand_sources
    from streamdet.media.write.transcode import transcode

    [spec] = expand_sources([str(clip)])
    return timed(lambda frames: transcode(spec, Path("transcoded.mp4"), max_frames=frames))


def of_plain_loop(clip: Path) -> tuple[int, float, float]:
    """The same model in torch, frame by frame in one loop, with both cores for torch."""
    import cv2
    import torch

    from streamdet.runtimes.loading import load

    torch.set_num_threads(os.cpu_count() or 1)
    find = frame_by_frame(load("street", device="cpu", runtime="torch", precision="fp32"))

    def look(picture: Any) -> None:
        found = find(picture)
        for box, name in zip(found.boxes.astype(int).tolist(), found.class_names, strict=True):
            cv2.rectangle(picture, box[:2], box[2:], (0, 255, 0), 2)
            cv2.putText(picture, name, box[:2], cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 0), 1, cv2.LINE_AA)

    return timed(lambda frames: opencv_loop(clip, frames, look))


def of_supervision(clip: Path) -> tuple[int, float, float]:
    """supervision's process_video with its annotators, and the same model on the runtime that is fastest here."""
    import supervision as sv

    from streamdet.runtimes.loading import load

    find = frame_by_frame(load("street"))
    boxes, labels = sv.BoxAnnotator(), sv.LabelAnnotator()
    frames = 0

    def callback(picture: Any, _: int) -> Any:
        nonlocal frames
        found = find(picture)
        detections = found.to_supervision()
        frames += 1
        return labels.annotate(boxes.annotate(picture, detections), detections, found.class_names.tolist())

    def work(most: int) -> int:
        nonlocal frames
        frames = 0
        sv.process_video(str(clip), "supervision.mp4", callback, max_frames=most)
        return frames

    return timed(work)


def frame_by_frame(detector: Any) -> Callable[[Any], Any]:
    """What finds objects in one picture after another, (H, W, 3) uint8 BGR."""
    import cv2
    import numpy as np
    import torch

    from streamdet.frames import RgbPicture
    from streamdet.runtimes.letterbox import shrink

    state = None

    def find(picture: Any) -> Any:
        nonlocal state
        letterbox = detector.spec.input.letterbox(picture.shape[1], picture.shape[0], IMAGE_SIZE)
        image = np.empty((letterbox.model_height, letterbox.model_width, 3), np.uint8)
        rgb = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        shrink(RgbPicture(rgb), letterbox, detector.spec.input.padding, image)
        outputs, state = detector.step(torch.from_numpy(image).permute(2, 0, 1)[None, None], state)
        [[found]] = outputs.detections()
        return found.restored(letterbox)

    return find


def of_ssdlite(clip: Path) -> tuple[int, float, float]:
    """torchvision's SSDLite, frame by frame in one loop."""
    import cv2
    import torch
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()

    def look(picture: Any) -> None:
        image = torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).permute(2, 0, 1) / 255
        with torch.inference_mode():
            [found] = model([image])
        for box in found["boxes"][found["scores"] > 0.25].int().tolist():
            cv2.rectangle(picture, box[:2], box[2:], (0, 255, 0), 2)

    return timed(lambda frames: opencv_loop(clip, frames, look))


def opencv_loop(clip: Path, most: int, look: Callable[[Any], None]) -> int:
    """Read, look and draw, write; gives the number of frames."""
    import cv2

    video, writer, frames = cv2.VideoCapture(str(clip)), None, 0
    while frames < most:
        there, picture = video.read()
        if not there:
            break
        if writer is None:
            fourcc, rate = cv2.VideoWriter.fourcc(*"mp4v"), video.get(cv2.CAP_PROP_FPS)
            writer = cv2.VideoWriter("loop.mp4", fourcc, rate, (picture.shape[1], picture.shape[0]))
        look(picture)
        writer.write(picture)
        frames += 1
    video.release()
    if writer is not None:
        writer.release()
    return frames


def of_ultralytics(clip: Path) -> tuple[int, float, float]:
    """YOLO11n as its users run it, saving the annotated video."""
    from ultralytics import YOLO  # type: ignore[import-not-found]

    model = YOLO("yolo11n.yaml")

    def work(most: int) -> int:
        results = model.predict(
            str(clip), stream=True, imgsz=IMAGE_SIZE, save=True, verbose=False, project="yolo", exist_ok=True
        )
        frames = 0
        for _ in results:
            frames += 1
            if frames == most:
                break
        results.close()
        return frames

    return timed(work)


CONTENDERS: dict[str, Callable[[Path], tuple[int, float, float]]] = {
    "streamdet": of_streamdet,
    "streamdet, changed": of_changed,
    "streamdet, overlay": of_overlay,
    "streamdet, overlay, every 2": partial(of_overlay, every=2),
    "transcode": of_transcode,
    "plain loop, torch": of_plain_loop,
    "supervision": of_supervision,
    "SSDLite": of_ssdlite,
    "YOLO11n": of_ultralytics,
}

if __name__ == "__main__":
    main()
