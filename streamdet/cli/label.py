"""`streamdet label`: labels in hindsight, by several detectors and both directions of time."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamdet.cli.exit_status import DONE, FAILED
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import DETECTION, OUTPUT, Device, LogFormat, Overwrite, Progress, Quiet, Verbose, option
from streamdet.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from streamdet.cli.progress import ShownProgress
    from streamdet.hindsight.judge import Rules
    from streamdet.hindsight.look import Teacher
    from streamdet.hindsight.names import Names
    from streamdet.hindsight.write.labelled_file import LabelledFile

LABELS = "Labels"
_NONE = "-"  # where an option is said for each model, and one needs none

Videos = Annotated[list[str], typer.Argument(metavar="VIDEO...", help="Video files, folders or globs of them.")]
Output = Annotated[Path, option(OUTPUT, "PATH", "The file of labels.", "--output", "-o")]
FileFormat = Annotated[
    str | None,
    option(
        OUTPUT,
        "coco-vid|cvat|label-studio",
        "Format of the labels. Default: by the ending, COCO-VID for .json, CVAT for video for .xml.",
        "--format",
    ),
]
Model = Annotated[
    list[str] | None,
    option(
        DETECTION, "NAME|PATH", "A detector: name or file. Several are fused: give the option again. Default: street."
    ),
]
Weight = Annotated[
    list[float] | None,
    option(
        DETECTION,
        "W",
        "Weight of the boxes and scores of each model, in their order; 0: it only names what others find. Default: 1.",
        min=0,
    ),
]
Imgsz = Annotated[
    list[str] | None,
    option(
        DETECTION,
        "N|HxW",
        "Size of the picture that the detectors get, pixels: once for all models, or for each in their order. "
        "Default: that of the model.",
    ),
]
Layout = Annotated[
    list[str] | None,
    option(
        DETECTION,
        "NAME,WORD,...",
        "Layout of .onnx files that do not say it, as for run: one for each model in their order, - for none.",
    ),
]
ClassNames = Annotated[
    list[str] | None,
    option(
        DETECTION,
        "A,B|FILE.txt",
        "Class names of .onnx files that do not have them: for each model in their order, - for none.",
    ),
]
Classes = Annotated[str | None, option(LABELS, "A,B", "Label only these classes. Default: all.")]
Sure = Annotated[float, option(LABELS, "S", "Lowest score of a track that is labelled.", min=0, max=1)]
Ignored = Annotated[
    float, option(LABELS, "S", "Lowest score of other tracks; they become regions to ignore.", min=0, max=1)
]
KeepBoxes = Annotated[
    bool,
    option(
        OUTPUT,
        None,
        "Keep the folder <output>.boxes with what the detectors found: --resume labels again from it.",
        "--keep-boxes",
    ),
]
Resume = Annotated[bool, option(OUTPUT, None, "Continue a run that was stopped.", "--resume")]


def label(
    videos: Videos,
    output: Output = Path("labels.json"),
    file_format: FileFormat = None,
    model: Model = None,
    weight: Weight = None,
    imgsz: Imgsz = None,
    layout: Layout = None,
    class_names: ClassNames = None,
    classes: Classes = None,
    sure: Sure = 0.3,
    ignored: Ignored = 0.1,
    device: Device = "auto",
    keep_boxes: KeepBoxes = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Label videos in hindsight.

    Runs one or more detectors over every frame, fuses what they find, links it into tracks forward and backward in
    time, fills gaps, and writes what is sure as labels and what is not as regions to ignore.
    """
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)

    from streamdet.hindsight.judge import Rules
    from streamdet.hindsight.look import names_of
    from streamdet.hindsight.write.formats import label_format, write_labels
    from streamdet.jobs.outputs import check_files

    paths = _video_files(videos)
    chosen = label_format(output, file_format, len(paths))
    check_files([output], overwrite=overwrite or resume)
    folder = output.with_name(f"{output.name}.boxes")
    if folder.exists() and not (overwrite or resume):
        raise ConfigError(
            f"{folder} is of a run that was stopped; continue it with --resume, or start with --overwrite"
        )
    teachers = _teachers(model or ["street"], weight, imgsz, layout, class_names, device)
    names = names_of(teachers)
    wanted = _wanted(classes, names)
    if folder.exists() and not resume:
        shutil.rmtree(folder)
    files = _label_all(paths, teachers, names, Rules(sure, ignored), folder, progress)
    if files:
        kept = [names.classes.index(name) for name in wanted]
        write_labels([file.of_classes(kept) for file in files], wanted, output, chosen)
        log.info("wrote %s", output)
    if not keep_boxes:
        shutil.rmtree(folder, ignore_errors=True)
    return DONE if len(files) == len(paths) else FAILED


def _video_files(videos: Sequence[str]) -> list[Path]:
    from streamdet.jobs.sources import find_sources

    sources = find_sources(videos)
    others = [source.shown for source in sources if source.kind != "file"]
    if others:
        raise ConfigError(f"{others[0]}: expected video files; a camera, an address or pictures cannot be labelled")
    return [Path(source.location) for source in sources]


def _teachers(
    models: Sequence[str],
    weights: Sequence[float] | None,
    sizes: Sequence[str] | None,
    layouts: Sequence[str] | None,
    class_names: Sequence[str] | None,
    device: str,
) -> "list[Teacher]":
    from streamdet.hindsight.look import Teacher
    from streamdet.models.options import read_image_size
    from streamdet.runtimes.loading import load

    texts = [
        _for_each(name, given, len(models))
        for name, given in (("--imgsz", sizes), ("--layout", layouts), ("--class-names", class_names))
    ]
    if weights is not None and (len(weights) != len(models) or not any(weights)):
        raise ConfigError(f"--weight: expected one for each of the {len(models)} models, and one above 0 among them")
    teachers = []
    for name, weight, size, layout, classes in zip(models, weights or [1.0] * len(models), *texts, strict=True):
        try:
            image_size = read_image_size(size)
        except ValueError as error:
            raise ConfigError(f"--imgsz: {error}") from None
        detector = load(name, device=device, layout=layout, class_names=classes)
        detector.spec.input.letterbox(640, 360, image_size)  # refuses a size that it does not take
        teachers.append(Teacher(detector, weight, image_size))
    return teachers


def _for_each(option: str, given: Sequence[str] | None, models: int) -> list[str | None]:
    """One value for each model: said once for all, or for each."""
    if given is None:
        return [None] * models
    if len(given) not in (1, models):
        raise ConfigError(f"{option}: expected it once, or for each of the {models} models, got it {len(given)} times")
    values = [None if text == _NONE else text for text in given]
    return values * (models if len(given) == 1 else 1)


def _wanted(classes: str | None, names: "Names") -> tuple[str, ...]:
    if classes is None:
        return names.classes
    wanted = tuple(dict.fromkeys(name.strip() for name in classes.split(",")))
    unknown = [name for name in wanted if name not in names.classes]
    if unknown:
        raise ConfigError(
            f"--classes: the models do not find {unknown[0]}; expected some of {', '.join(names.classes)}"
        )
    return wanted


def _label_all(
    paths: Sequence[Path],
    teachers: "Sequence[Teacher]",
    names: "Names",
    rules: "Rules",
    folder: Path,
    progress: bool | None,
) -> "list[LabelledFile]":
    """The videos that could be read, labelled."""
    from streamdet.cli.progress import make_progress

    files = []
    try:
        with make_progress(progress, len(paths)) as bar:
            for path in paths:
                try:
                    files.append(_label_one(path, teachers, names, rules, folder, bar))
                except (ConfigError, SourceError) as error:
                    log.error("%s", error)
                finally:
                    bar.end(path.name)
    except KeyboardInterrupt:
        log.info("continue with --resume: what the detectors found so far is in %s", folder)
        raise
    return files


def _label_one(
    path: Path,
    teachers: "Sequence[Teacher]",
    names: "Names",
    rules: "Rules",
    folder: Path,
    bar: "ShownProgress",
) -> "LabelledFile":
    from streamdet.datasets.frames import VideoFile
    from streamdet.hindsight.judge import is_slow
    from streamdet.hindsight.labels import label_clip
    from streamdet.hindsight.look import Pieces, look
    from streamdet.hindsight.write.labelled_file import LabelledFile

    video = VideoFile(path)
    pieces = Pieces.of(folder, path, teachers)
    bar.begin(path.name, len(video.times_s), pieces.frames)
    for _ in look(video, teachers, names.exclusive, pieces):
        bar.advance(path.name)
    footage = pieces.footage(video)
    labels = label_clip(footage, teachers, names, rules)
    if is_slow(footage.times_s):
        log.warning("%s: frames are too far apart to learn from neighbours; labels are those of single frames", path)
    log.info("%s: %s", path, labels.summary())
    return LabelledFile(path, footage.size, footage.times_s, labels)
