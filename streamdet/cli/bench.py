"""`streamdet bench`: how fast this machine finds objects in a clip, and where the time goes."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import DETECTION, INPUT, OUTPUT, Quiet, Verbose
from streamdet.errors import ConfigError, PipelineError
from streamdet.yaml_file import Override

if TYPE_CHECKING:
    from streamdet.flow import RunStats
    from streamdet.jobs.config import PipelineConfig
    from streamdet.media.locations import SourceSpec
    from streamdet.models.contract import Detector

_MOST_FRAMES = 600
_SCENE_FRAMES = 200
_WAYS: tuple[tuple[Literal["openvino", "onnxruntime", "torch"], Literal["bf16", "fp32", "int8"]], ...] = (
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("openvino", "fp32"),
    ("onnxruntime", "fp32"),
    ("torch", "bf16"),
    ("torch", "fp32"),
)
_STEPS = 10
_CLIP_FRAMES = 8


class Pace(NamedTuple):
    """How fast something went.

    Attributes:
        fps: frames a second.
        cpu_ms: time of all cores together that a frame took.
    """

    fps: float
    cpu_ms: float


def bench(
    source: Annotated[
        Path | None,
        typer.Option(metavar="CLIP", rich_help_panel=INPUT, help="A video file. Default: a synthetic street of 720p."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|PATH", rich_help_panel=DETECTION, help="The name of a model, or a model file.")
    ] = "street",
    imgsz: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=64,
            max=4096,
            rich_help_panel=DETECTION,
            help="Longer side of the picture that the detector gets. Default: that of the model.",
        ),
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=100, rich_help_panel=INPUT, help="Repetitions; the medians are shown."),
    ] = 5,
    output: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", rich_help_panel=OUTPUT, help="Write the figures as JSON.")
    ] = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Measure the speed of this machine.

    Compares a whole run with decoding and encoding alone, and shows the time of each stage and of each runtime.
    """
    start_messages(verbose=verbose, quiet=quiet)

    from streamdet.jobs.report import machine

    with tempfile.TemporaryDirectory(prefix="streamdet-bench-") as folder:
        clip = source or _scene(Path(folder) / "street.mp4")
        figures = end_to_end(job_of(clip, model, imgsz), Path(folder), rounds)
        figures |= {
            "runtimes": {name: pace._asdict() for name, pace in runtimes(model, imgsz, rounds)},
            "machine": machine(),
        }
    typer.echo("\n".join(tables(figures)))
    if output is not None:
        output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return DONE


def _scene(path: Path) -> Path:
    from streamdet.cli.scene import film
    from streamdet.scenes.ground_truth import GroundTruth
    from streamdet.scenes.scene import SceneSpec

    log.info("rendering %d frames of a street", _SCENE_FRAMES)
    film(SceneSpec(frames=_SCENE_FRAMES), path, GroundTruth(), None)
    return path


def job_of(clip: Path, model: str, imgsz: int | None, most_frames: int = _MOST_FRAMES) -> "PipelineConfig":
    """The job that is measured."""
    from streamdet.jobs.config import load_job

    settings = {
        "sources": [str(clip)],
        "detect.model": model,
        "detect.image_size": imgsz,
        "decode.max_frames": most_frames,
        "encode.audio": "drop",
    }
    return load_job(None, [Override(key, value, key) for key, value in settings.items()])


def end_to_end(config: "PipelineConfig", folder: Path, rounds: int) -> dict[str, Any]:
    """Transcode and annotate a clip in turn.

    Args:
        config: a job of one file.
        folder: where videos are written.
        rounds: of each; one more comes first, that finds cold caches and does not count.

    Returns:
        figures by name, medians of all rounds. The ratios are medians of each round's, so that whatever else the
        machine does meets both.
    """
    from streamdet.media.locations import expand_sources
    from streamdet.media.write.transcode import transcode
    from streamdet.runtimes.loading import load
    from streamdet.stages.detect import DetectSettings

    [spec] = expand_sources(config.sources)
    detector = load(config.settings(DetectSettings).model)
    plain: list[Pace] = []
    annotated: list[Pace] = []
    runs: list[RunStats] = []

    def annotate() -> int:
        runs.append(annotate_clip(config, spec, detector, folder / "annotated.mp4"))
        return runs[-1].consumer.items_in - 2  # a marker at each end

    def copy() -> int:
        return transcode(spec, folder / "transcoded.mp4", max_frames=_MOST_FRAMES)

    for number in range(rounds + 1):
        plain.append(_pace(copy))
        annotated.append(_pace(annotate))
        log.info("round %d of %d: %.1f fps, transcode %.1f fps", number, rounds, annotated[-1].fps, plain[-1].fps)
    del plain[0], annotated[0], runs[0]
    frames = runs[0].consumer.items_in - 2
    return {
        "clip": spec.name,
        "frames": frames,
        "runtime": detector.runtime,
        "transcode": _median(plain)._asdict(),
        "run": _median(annotated)._asdict(),
        "fps_ratio": median(a.fps / b.fps for a, b in zip(annotated, plain, strict=True)),
        "cpu_ratio": median(b.cpu_ms / a.cpu_ms for a, b in zip(annotated, plain, strict=True)),
        "bound_by": runs[-1].bound_by,
        "stages": [
            {
                "name": stage.name,
                "busy_ms": 1000 * median(run.stages[n].busy_s for run in runs) / frames,
                "busy_share": median(run.stages[n].busy_share for run in runs),
            }
            for n, stage in enumerate(runs[-1].stages)
        ],
    }


def annotate_clip(config: "PipelineConfig", spec: "SourceSpec", detector: "Detector", path: Path) -> "RunStats":
    """Run a job of one file, as `streamdet run` does."""
    from streamdet.jobs.outputs import SourceOutput
    from streamdet.jobs.plan import SourceJob
    from streamdet.jobs.session import run_source

    path.unlink(missing_ok=True)
    stage = "overlay" if "overlay" in config.stages else "encode"
    outcome = run_source(SourceJob(spec, config, (SourceOutput(stage, "video", path),)), detector)
    for failure in outcome.failures:
        raise PipelineError(failure.message)
    return outcome.stats


def _pace(work: Callable[[], int]) -> Pace:
    """How fast some work goes that says how many frames it was."""
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    frames = work()
    cpu_s, wall_s = time.process_time() - started_cpu_s, time.perf_counter() - started_s
    return Pace(frames / wall_s, 1000 * cpu_s / frames)


def _median(paces: Sequence[Pace]) -> Pace:
    return Pace(*(median(column) for column in zip(*paces, strict=True)))


def runtimes(model: str, imgsz: int | None, rounds: int) -> Iterator[tuple[str, Pace]]:
    """Steps of the detector alone, on clips of one stream, with every runtime that there is here."""
    import numpy as np

    from streamdet.runtimes.loading import load

    paces: dict[str, list[Pace]] = {}
    detectors = []
    for runtime, precision in _WAYS:
        try:
            detectors.append(load(model, device="cpu", runtime=runtime, precision=precision))
        except ConfigError as error:
            log.debug("%s %s: %s", runtime, precision, error)
    for number in range(rounds + 1):
        for detector in detectors:
            letterbox = detector.spec.input.letterbox(16, 9, imgsz)
            shape = (1, _CLIP_FRAMES, letterbox.model_height, letterbox.model_width, 3)
            images = np.random.default_rng(0).integers(0, 256, shape, np.uint8).transpose(0, 1, 4, 2, 3)

            def steps(detector: "Detector" = detector, images: Any = images) -> int:
                state = None
                for _ in range(_STEPS):
                    _, state = detector.step(images, state)
                return _STEPS * _CLIP_FRAMES

            pace = _pace(steps)
            if number:
                paces.setdefault(detector.runtime, []).append(pace)
    for name, of_runtime in paces.items():
        yield name, _median(of_runtime)


def tables(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as lines of Markdown."""
    yield f"{figures['clip']}, {figures['frames']} frames, {figures['machine']['cpus']} cores, {figures['runtime']}"
    yield from ("", "| end to end | fps | CPU ms a frame |", "| --- | --- | --- |")
    for name, what in (("transcode", "decode and encode alone"), ("run", "annotated")):
        yield f"| {what} | {figures[name]['fps']:.1f} | {figures[name]['cpu_ms']:.1f} |"
    yield f"| ratio | {figures['fps_ratio']:.2f} | {figures['cpu_ratio']:.2f} |"
    yield from ("", "| stage | ms a frame | busy |", "| --- | --- | --- |")
    for stage in figures["stages"]:
        yield f"| {stage['name']} | {stage['busy_ms']:.2f} | {100 * stage['busy_share']:.0f} % |"
    yield from ("", "| runtime | fps | CPU ms a frame |", "| --- | --- | --- |")
    for name, pace in figures["runtimes"].items():
        yield f"| {name} | {pace['fps']:.1f} | {pace['cpu_ms']:.1f} |"
