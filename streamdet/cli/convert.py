"""`streamdet convert`: detections and labels from one format to another."""

from pathlib import Path
from typing import Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, Overwrite, Split, Verbose, option

Data = Annotated[
    Path,
    typer.Argument(metavar="FOUND.jsonl|DATA", help="JSON Lines, or a labelled set as eval reads it."),
]
Output = Annotated[
    Path,
    option(
        OUTPUT,
        "PATH",
        "By its ending .jsonl, .csv, .txt (MOTChallenge), .json (COCO-VID), .xml (CVAT for video), .parquet, or a "
        "folder (YOLO).",
        "--output",
        "-o",
    ),
]
To = Annotated[
    str | None,
    option(
        OUTPUT,
        "FORMAT",
        "jsonl, csv, mot, coco (results), coco-vid, cvat, label-studio, parquet, yolo or fiftyone. Default: by the "
        "ending.",
    ),
]
Source = Annotated[str | None, option(None, "NAME", "Only this source of the file. Default: all.")]
Video = Annotated[
    Path | None,
    option(
        OUTPUT,
        "PATH",
        "The video of the only source: its name for CVAT, Label Studio, COCO-VID and FiftyOne, its pictures for YOLO. "
        "Default: <source>.mp4, and no pictures.",
    ),
]
Tolerance = Annotated[
    float,
    option(
        OUTPUT,
        "PX",
        "CVAT and Label Studio: thin boxes out to keyframes, between which none is off by more. Default: 0.5; 3 "
        "leaves fewer boxes for a person to look at.",
        min=0.0,
    ),
]
MinFrames = Annotated[
    int,
    option(
        OUTPUT, "N", "CVAT, Label Studio and COCO-VID: leave out tracks that are in fewer frames. Default: 1.", min=1
    ),
]


def convert(
    data: Data,
    output: Output,
    to: To = None,
    source: Source = None,
    split: Split = None,
    video: Video = None,
    tolerance: Tolerance = 0.5,
    min_frames: MinFrames = 1,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
) -> int:
    """Convert detections and labels.

    Boxes, scores and track ids go into tables and into the formats of labelling tools; labels come back as JSON Lines.
    """
    start_messages(verbose=verbose)

    from streamdet.convert.formats import FOLDERS, WRITERS, Options, format_of
    from streamdet.convert.found import open_found
    from streamdet.errors import ConfigError
    from streamdet.jobs.outputs import check_files

    form = format_of(output, to)
    if form not in FOLDERS:
        check_files([output], overwrite=overwrite)
    elif output.exists() and any(output.iterdir()) and not overwrite:
        raise ConfigError(f"output {output} is not empty; choose another folder, or write into it with --overwrite")
    if video is not None and not video.is_file():
        raise ConfigError(f"--video {video}: no such file")
    found = open_found(data, split).of(source)
    WRITERS[form](found, output, Options(video, tolerance, min_frames))
    log.info("wrote %s (%s)", output, form)
    return DONE
