"""Options that several commands have, and those of an encoder."""

from typing import Annotated

import typer

# Groups of options in --help.
INPUT = "Input"
OUTPUT = "Output"
DETECTION = "Detection and tracking"
EXECUTION = "Execution"
MESSAGES = "Messages and help"

Device = Annotated[
    str,
    typer.Option(metavar="auto|cpu|cuda|cuda:N", rich_help_panel=EXECUTION, help="Where the detector runs."),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,WORD,...",
        rich_help_panel=DETECTION,
        help="Of an .onnx file that does not tell: the layout of its outputs, such as yolox, and of its images rgb or "
        "bgr, 0-1, 0-255 or imagenet, pad, square or stretch. Default: as the file tells.",
    ),
]
ClassNames = Annotated[
    str | None,
    typer.Option(
        metavar="A,B|FILE.txt",
        rich_help_panel=DETECTION,
        help="Names of the classes of an .onnx file that does not tell, in its order: several of one name are one "
        "class, - is none. Default: as the file tells.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=INPUT, help="The part of a labelled set that has several parts."),
]
Stills = Annotated[
    bool | None,
    typer.Option(
        "--stills/--no-stills",
        rich_help_panel=INPUT,
        help="Labelled pictures are stills, or numbered ones are frames of a video. Default: their names tell.",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        min=0.001,
        max=1000,
        rich_help_panel=INPUT,
        help="Numbers a second of labelled pictures that are frames of a video. Default: 25.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace output files that exist.")
]
Progress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        rich_help_panel=MESSAGES,
        help="Show progress. Default: a bar on a terminal, a line a minute elsewhere.",
    ),
]
LogFormat = Annotated[
    str, typer.Option(metavar="text|json", rich_help_panel=MESSAGES, help="Format of the messages on standard error.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", rich_help_panel=MESSAGES, help="Show details and tracebacks.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel=MESSAGES, help="Show only warnings and errors.")]
Segment = Annotated[
    str | None,
    typer.Option(
        metavar="90s|10m|1h",
        rich_help_panel=OUTPUT,
        help="Start a new video file at this interval, named after its start time. Default: one file.",
    ),
]
Encode = Annotated[
    str | None,
    typer.Option(
        metavar="all|changed",
        rich_help_panel=OUTPUT,
        help="changed: copy the groups of pictures that nothing was drawn on, bit for bit, and encode the others "
        "with the codec of the source. Default: {encode.pictures}.",
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(metavar="h264|hevc|av1", rich_help_panel=OUTPUT, help="Video codec. Default: {encode.codec}."),
]
Crf = Annotated[
    int | None,
    typer.Option(
        metavar="N", rich_help_panel=OUTPUT, help="Video quality, lower is better. Default: that of the codec."
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=OUTPUT,
        help="Speed of the encoder, such as veryfast. Default: that of the codec.",
    ),
]
Audio = Annotated[
    str | None,
    typer.Option(metavar="copy|drop", rich_help_panel=OUTPUT, help="Audio tracks. Default: {encode.audio}."),
]
