"""Options that several commands have, and those of an encoder."""

from typing import Annotated, Any

import typer

# Groups of options in --help.
INPUT = "Input"
OUTPUT = "Output"
DETECTION = "Detection and tracking"
EXECUTION = "Execution"
MESSAGES = "Messages and help"


def option(panel: str | None, metavar: str | None, text: str, *names: str, **rules: Any) -> Any:
    """An option of a command.

    Args:
        panel: its group in --help; None: Options.
        metavar: what stands for its value; None for a flag.
        text: its help.
        names: where they do not follow from the name of the parameter.
        rules: what else typer.Option takes, such as min and max.
    """
    return typer.Option(*names, metavar=metavar, rich_help_panel=panel, help=text, **rules)


Device = Annotated[str, option(EXECUTION, "auto|cpu|cuda|cuda:N", "Where the detector runs.")]
Layout = Annotated[
    str | None,
    option(
        DETECTION,
        "NAME,WORD,...",
        "For an .onnx file that does not say it: the layout of its outputs, such as yolox, and of its images: rgb or "
        "bgr, 0-1, 0-255 or imagenet, pad, square or stretch. Default: as the file says.",
    ),
]
ClassNames = Annotated[
    str | None,
    option(
        DETECTION,
        "A,B|FILE.txt",
        "Class names of an .onnx file that does not have them, in its order: equal names are one class, - is none. "
        "Default: as the file says.",
    ),
]
Split = Annotated[str | None, option(INPUT, "NAME", "The part of a labelled set that has several parts.")]
Stills = Annotated[
    bool | None,
    option(
        INPUT,
        None,
        "Read labelled pictures as stills, or numbered ones as frames of a video. Default: decided by their names.",
        "--stills/--no-stills",
    ),
]
Fps = Annotated[
    float | None,
    option(
        INPUT,
        "N",
        "File numbers per second, of labelled pictures that are frames of a video. Default: 25.",
        min=0.001,
        max=1000,
    ),
]
Overwrite = Annotated[bool, option(OUTPUT, None, "Replace output files that exist.", "--overwrite")]
Progress = Annotated[
    bool | None,
    option(
        MESSAGES,
        None,
        "Show progress. Default: a bar on a terminal, a line a minute elsewhere.",
        "--progress/--no-progress",
    ),
]
LogFormat = Annotated[str, option(MESSAGES, "text|json", "Format of the messages on standard error.")]
Verbose = Annotated[bool, option(MESSAGES, None, "Show details and tracebacks.", "--verbose", "-v")]
Quiet = Annotated[bool, option(MESSAGES, None, "Show only warnings and errors.", "--quiet", "-q")]
Segment = Annotated[
    str | None,
    option(
        OUTPUT, "90s|10m|1h", "Start a new video file at this interval, named after its start time. Default: one file."
    ),
]
Encode = Annotated[
    str | None,
    option(
        OUTPUT,
        "all|changed",
        "changed: copy the groups of pictures that nothing was drawn on, bit for bit, and encode the others with the "
        "codec of the source. Default: {encode.pictures}.",
    ),
]
Codec = Annotated[str | None, option(OUTPUT, "h264|hevc|av1", "Video codec. Default: {encode.codec}.")]
Crf = Annotated[int | None, option(OUTPUT, "N", "Video quality, lower is better. Default: that of the codec.")]
Preset = Annotated[
    str | None,
    option(OUTPUT, "NAME", "Speed of the encoder, such as veryfast. Default: that of the codec."),
]
Audio = Annotated[str | None, option(OUTPUT, "copy|drop", "Audio tracks. Default: {encode.audio}.")]
