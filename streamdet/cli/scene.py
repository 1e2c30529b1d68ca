"""`streamdet scene`: a synthetic street as a video, with its labels."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, LogFormat, Overwrite, Progress, Quiet, Verbose, option
from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.scenes.events import Event
    from streamdet.scenes.ground_truth import GroundTruth
    from streamdet.scenes.scene import SceneSpec

SCENE = "Scene"

Output = Annotated[Path, option(OUTPUT, "PATH", "The video.", "--output", "-o")]
Labels = Annotated[
    Path | None,
    option(OUTPUT, "PATH", "The labels (COCO-VID). Default: <stem>.labels.json beside the video."),
]
Seed = Annotated[int, option(SCENE, "N", "Each seed gives another street.")]
Seconds = Annotated[float, option(SCENE, "S", "Duration in seconds.")]
Fps = Annotated[str, option(SCENE, "N|N/M", "Frames per second, such as 30000/1001.")]
Width = Annotated[int, option(SCENE, "N", "Width in pixels.")]
Height = Annotated[int, option(SCENE, "N", "Height in pixels.")]
EventName = Annotated[
    str | None,
    option(
        SCENE,
        "NAME",
        "Show one event on an empty street: car_turns_in, car_backs_out, person_then_car or car_then_person. Default: "
        "everyday traffic.",
    ),
]


def scene(
    output: Output = Path("street.mp4"),
    labels: Labels = None,
    seed: Seed = 0,
    seconds: Seconds = 10.0,
    fps: Fps = "25",
    width: Width = 1280,
    height: Height = 720,
    event: EventName = None,
    overwrite: Overwrite = False,
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Render a synthetic street with exact labels.

    Writes a video, and the box and identity of every object in it as COCO-VID.
    """
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)
    rate = _check(seconds, fps, width, height, event)

    from streamdet.jobs.outputs import check_files
    from streamdet.media.write.formats import output_format
    from streamdet.scenes.ground_truth import GroundTruth
    from streamdet.scenes.scene import SceneSpec

    labels = labels or output.with_name(f"{output.stem}.labels.json")
    output_format(output, "h264")
    check_files([output, labels], overwrite=overwrite)
    spec = SceneSpec(seed=seed, width=width, height=height, fps=rate, frames=max(1, round(seconds * rate)))
    truth = GroundTruth()
    try:
        film(spec, output, truth, progress, event)
    finally:  # after Ctrl-C as well: they fit the part of the video that there is
        truth.write(labels)
    log.info("wrote %s and %s", output, labels)
    return DONE


def film(
    spec: "SceneSpec", output: Path, truth: "GroundTruth", progress: bool | None, event: str | None = None
) -> None:
    """Render a scene into a video.

    Args:
        spec: the scene.
        output: the video.
        truth: receives the objects of every frame that was written.
        progress: as in `make_progress`.
        event: of scenes.events; None for everyday traffic.

    Raises:
        SinkError: the video cannot be written.
    """
    from streamdet.cli.progress import make_progress
    from streamdet.frames import RgbPicture, StreamInfo
    from streamdet.media.write.options import EncodeOptions
    from streamdet.media.write.writer import VideoWriter
    from streamdet.scenes.events import render_event
    from streamdet.scenes.scene import render

    info = StreamInfo("scene", spec.width, spec.height, 1 / spec.fps, average_rate=spec.fps)
    truth.add_video(output.name, spec.width, spec.height)
    with make_progress(progress, 1) as bar, VideoWriter(output, info, EncodeOptions(crf=18)) as writer:
        bar.begin(output.stem, spec.frames)
        for pts, frame in enumerate(render(spec) if event is None else render_event(cast("Event", event), spec)):
            writer.write(RgbPicture(frame.image), pts, 1 / spec.fps, duration=1)
            truth.add(frame)
            bar.advance(output.stem)


def _check(seconds: float, fps: str, width: int, height: int, event: str | None) -> Fraction:
    """The frame rate; all that is wrong with the numbers at once."""
    from streamdet.scenes.events import EVENTS

    mistakes = []
    if event is not None and event not in EVENTS:
        mistakes.append(f"--event: expected one of {', '.join(EVENTS)}, got {event}")
    try:
        rate = Fraction(fps)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 240:
        mistakes.append(f"--fps: expected a number or a fraction up to 240, such as 25 or 30000/1001, got {fps}")
    if not 0 < seconds <= 3600:
        mistakes.append(f"--seconds: expected more than 0, at most 3600, got {seconds:g}")
    for name, side in (("width", width), ("height", height)):
        if not 64 <= side <= 4096:
            mistakes.append(f"--{name}: expected 64 to 4096 pixels, got {side}")
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return rate
