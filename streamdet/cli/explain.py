"""`streamdet explain`: which boxes a detector owes to earlier frames, as one page."""

from pathlib import Path
from typing import Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import (
    DETECTION,
    INPUT,
    OUTPUT,
    Device,
    LogFormat,
    Overwrite,
    Progress,
    Quiet,
    Verbose,
    option,
)
from streamdet.errors import ConfigError

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="A video, or a folder of pictures.")]
Output = Annotated[
    Path | None,
    option(OUTPUT, "PATH.html", "The page. Default: <stem>.explained.html in the current folder.", "--output", "-o"),
]
Start = Annotated[float | None, option(INPUT, "S", "Start at this time, in seconds.", min=0)]
End = Annotated[float | None, option(INPUT, "S", "End at this time, in seconds.", min=0)]
MaxFrames = Annotated[int, option(INPUT, "N", "Use at most this many frames.", min=1, max=5000)]
Model = Annotated[str, option(DETECTION, "NAME|PATH", "The name of a model, or a model file.")]
Conf = Annotated[float, option(DETECTION, "0..1", "Lowest score of a box.", min=0, max=1)]
Imgsz = Annotated[str | None, option(DETECTION, "N|HxW", "Size of the picture that the detector gets.")]
Last = Annotated[int, option(DETECTION, "N", "Number of earlier frames that a box is traced through.", min=2, max=64)]
Boxes = Annotated[int, option(DETECTION, "N", "Number of boxes to trace.", min=0, max=50)]


def explain(
    source: Source,
    output: Output = None,
    start: Start = None,
    end: End = None,
    max_frames: MaxFrames = 250,
    model: Model = "street",
    conf: Conf = 0.25,
    imgsz: Imgsz = None,
    last: Last = 8,
    boxes: Boxes = 3,
    device: Device = "auto",
    overwrite: Overwrite = False,
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Show what a detector owes to earlier frames.

    Writes one page with pictures: how much of each box is due to the past, the gates of the recurrent state over the
    picture, what some boxes rest on, and the object memory of each track over time.
    """
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)
    if output is not None and output.suffix != ".html":
        raise ConfigError(f"--output: expected a name that ends in .html, got {output}")
    with collector_at_rest():
        from streamdet.cli.progress import make_progress
        from streamdet.explanation.explain import explain as run
        from streamdet.explanation.load import load_for_explaining
        from streamdet.jobs.outputs import check_files
        from streamdet.media.locations import expand_sources
        from streamdet.models.options import read_image_size

    specs = expand_sources([source])
    if len(specs) != 1 or specs[0].kind not in ("file", "images"):
        raise ConfigError(f"{specs[0].shown}: expected one video or one folder of pictures")
    path = output or Path(f"{specs[0].name}.explained.html")
    check_files([path], overwrite=overwrite)
    try:
        size = read_image_size(imgsz)
    except ValueError as error:
        raise ConfigError(f"--imgsz: {error}") from error
    with make_progress(progress, 1) as bar:
        bar.begin(specs[0].name, max_frames)
        explanation = run(
            source,
            load_for_explaining(model, device),
            conf=conf,
            image_size=size,
            last=last,
            boxes=boxes,
            start_s=start,
            end_s=end,
            max_frames=max_frames,
            tell=lambda: bar.advance(specs[0].name),
        )
    log.info("%d frames; wrote %s", len(explanation.moments), explanation.save(path))
    return DONE
