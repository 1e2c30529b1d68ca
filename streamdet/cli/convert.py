"""`streamdet convert`: detections and labels from one format to another."""

from pathlib import Path
from typing import Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, Overwrite, Split, Verbose


def convert(
    data: Annotated[
        Path,
        typer.Argument(metavar="FOUND.jsonl|DATA", help="JSON Lines, or a labelled set as eval reads it."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            rich_help_panel=OUTPUT,
            help="By its ending .jsonl, .csv, .txt (MOTChallenge), .json (COCO-VID), .xml (CVAT for video), .parquet, "
            "or a folder (YOLO).",
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            rich_help_panel=OUTPUT,
            help="jsonl, csv, mot, coco (results), coco-vid, cvat, label-studio, parquet, yolo or fiftyone. Default: "
            "by the ending.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this source of the file. Default: all.")
    ] = None,
    split: Split = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            rich_help_panel=OUTPUT,
            help="The video of the only source: its name for CVAT, Label Studio, COCO-VID and FiftyOne, its pictures "
            "for YOLO. Default: <source>.mp4, and no pictures.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="PX",
            min=0.0,
            rich_help_panel=OUTPUT,
            help="CVAT and Label Studio: thin boxes out to keyframes, between which none is off by more. Default: 0.5; "
            "3 leaves fewer boxes for a person to look at.",
        ),
    ] = 0.5,
    min_frames: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=OUTPUT,
            help="CVAT, Label Studio and COCO-VID: leave out tracks that are in fewer frames. Default: 1.",
        ),
    ] = 1,
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
