"""The options of `streamdet run`."""

from typing import Annotated

import typer

from streamdet.cli.job_options import Scores, scores_of
from streamdet.cli.options import DETECTION, EXECUTION, INPUT, OUTPUT, option

CONTINUE = "Continue"
JOB = "Job file"
MANY = "Many files"

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE",
        help="Files, folders or globs of images or videos ('in/**/*.mp4' searches folders in folders); rtsp, rtmp, "
        "srt, udp or http(s) addresses; the number of a camera; - for standard input; or @list.txt.",
    ),
]
Start = Annotated[str | None, option(INPUT, "S|H:M:S", "Start at this time: 90, 1:30 or 00:01:30. Default: 0.")]
End = Annotated[str | None, option(INPUT, "S|H:M:S", "End at this time. Default: the end.")]
MaxFrames = Annotated[int | None, option(INPUT, "N", "Stop after N frames of each source. Default: all.")]
Stride = Annotated[int | None, option(INPUT, "N", "Use every N-th frame; times stay true. Default: {decode.stride}.")]
Mode = Annotated[
    str | None,
    option(
        INPUT,
        "auto|every-frame|freshest",
        "Which frames are used. freshest: of live sources the newest, older ones are dropped. Default: auto (freshest "
        "for live sources, every frame for files).",
    ),
]
MaxStaleness = Annotated[
    float | None,
    option(INPUT, "S", "Drop live frames that are older, in seconds. Default: {decode.max_staleness_s}."),
]
Output = Annotated[
    str | None,
    option(
        OUTPUT,
        "PATH|DIR|-|URL",
        "The annotated video: .mp4, .mkv or a folder, .m3u8 (HLS), rtsp:// to publish it, or - for a Matroska stream "
        "on standard output; of pictures a folder or a picture. Default: <stem>.annotated.mp4 in the current folder.",
        "--output",
        "-o",
    ),
]
NoVideo = Annotated[bool, option(OUTPUT, None, "Do not write a video.", "--no-video")]
Annotate = Annotated[
    str | None,
    option(
        OUTPUT,
        "draw|overlay",
        "draw: boxes are drawn into the pictures, and the video is encoded. overlay: the video is copied, and boxes "
        "are a subtitle track (.mkv) or files beside it (.mp4) that players show and hide. Default: draw.",
    ),
]
Show = Annotated[
    bool,
    option(
        OUTPUT, None, "Show the annotated pictures in a window while the job runs. Needs a display and Tk.", "--show"
    ),
]
Detections = Annotated[
    str | None,
    option(
        OUTPUT,
        "PATH|DIR|-|URL",
        "Write the detections: .jsonl, .txt (MOTChallenge), .json (COCO) or .csv; - for standard output; "
        "mqtt://host/topic or http(s):// to send them. Default: not written.",
    ),
]
Masks = Annotated[
    bool | None,
    option(
        OUTPUT,
        None,
        "Write the masks of objects as well, into .jsonl and COCO's .json; of detectors that give some.",
        "--masks",
    ),
]
Csv = Annotated[
    str | None,
    option(
        OUTPUT,
        "PATH|DIR",
        "Write a table as well, a row for each box, for spreadsheets: .csv or a folder. Default: not written.",
    ),
]
SaveCrop = Annotated[
    str | None,
    option(
        OUTPUT,
        "DIR",
        "Write a picture of each object: of a track the best one, of still pictures every box. Default: not written.",
    ),
]
Report = Annotated[
    str | None,
    option(OUTPUT, "PATH", "Write a JSON report of the run: frames, speed, dropped frames, errors."),
]
TrackIndex = Annotated[
    int | None,
    option(INPUT, "N", "Read this video track, as probe numbers them. Default: the one with the most to see."),
]
Overwrite = Annotated[bool | None, option(OUTPUT, None, "Replace output files that exist.", "--overwrite")]
Model = Annotated[
    str | None,
    option(
        DETECTION,
        "NAME|PATH",
        "The name of a model, or a model file: .safetensors, or .onnx of any detector. Default: {detect.model}.",
    ),
]
Conf = Annotated[
    Scores | None,
    option(
        DETECTION,
        "0..1",
        "Lowest score of a box; 0.25,person=0.5 sets a higher one for one class. Default: {detect.conf}.",
        parser=scores_of,
    ),
]
Iou = Annotated[
    float | None,
    option(
        DETECTION,
        "0..1",
        "Two boxes of one class that overlap by more than this IoU count as one object; car, motorcycle, bus and "
        "truck are one class here. Default: {detect.iou}.",
    ),
]
MaxDet = Annotated[int | None, option(DETECTION, "N", "Most boxes in a frame. Default: {detect.max_detections}.")]
Classes = Annotated[
    str | None,
    option(
        DETECTION,
        "A,B",
        "Only these classes. The model street knows person, bicycle, car, motorcycle, bus and truck. Default: all.",
    ),
]
Anonymise = Annotated[
    str | None,
    option(OUTPUT, "A,B", "Pixelate objects of these classes in every picture that is written or shown."),
]
Imgsz = Annotated[
    str | None,
    option(
        DETECTION,
        "N|HxW",
        "Size of the picture that the detector gets, in pixels: the longer side, or height and width. Larger finds "
        "smaller objects and is slower. Default: that of the model; street: 320.",
    ),
]
Memory = Annotated[
    str | None,
    option(
        DETECTION,
        "both|objects|features|none",
        "Which memories are used: of objects (an LSTM for each track that steadies boxes, scores and classes, and "
        "holds objects through misses), of features (the detector's recurrent state), or none (every frame for "
        "itself). Default: both.",
    ),
]
Every = Annotated[
    str | None,
    option(
        DETECTION,
        "N|auto",
        "Run the detector on every N-th frame; the object memory carries objects through the others. auto: more often "
        "where objects are fast, new or lost. Default: {detect.every}.",
    ),
]
Classify = Annotated[
    str | None,
    option(
        DETECTION,
        "PATH",
        "Say what happens in the video, by a classifier of clips: the .safetensors of train --task classify, or the "
        ".onnx of export. Default: none.",
    ),
]
Track = Annotated[
    bool | None,
    option(DETECTION, None, "Give each object a track id. Default: --track.", "--track/--no-track"),
]
Device = Annotated[
    str | None,
    option(EXECUTION, "auto|cpu|cuda|cuda:N", "Where the detector runs. Default: {detect.device}."),
]
Runtime = Annotated[
    str | None,
    option(
        EXECUTION,
        "auto|torch|openvino|onnxruntime",
        "What runs the detector. Default: {detect.runtime} (the fastest here, measured once).",
    ),
]
Precision = Annotated[
    str | None,
    option(EXECUTION, "auto|fp32|bf16|fp16|int8", "Number format of the computation. Default: {detect.precision}."),
]
Resume = Annotated[bool | None, option(CONTINUE, None, "Continue the same job where it was interrupted.", "--resume")]
StateIn = Annotated[str | None, option(CONTINUE, "PATH", "Start with the state that --state-out has written.")]
StateOut = Annotated[
    str | None,
    option(CONTINUE, "PATH", "Write recurrent state and tracks at the end, for the file that continues this one."),
]
Pipeline = Annotated[
    str | None,
    option(
        JOB,
        "NAME|FILE.yaml",
        "Read the job from a file: annotate_file, many_cameras or watch_rtsp in the package, or your own.",
    ),
]
Settings = Annotated[list[str] | None, option(JOB, "KEY=VALUE", "Set one value of the job; may be repeated.", "--set")]
Shard = Annotated[
    str | None,
    option(
        MANY,
        "I/N",
        "Use only every N-th source, starting at the I-th, counted from 0: one of N jobs that share the work. "
        "Default: all.",
    ),
]
Ray = Annotated[
    str | None,
    option(
        MANY,
        "[ADDRESS]",
        "Give the files to the workers of a Ray cluster: host:port, ray://host:port, or auto for the one of this "
        "machine. Without an address: a Ray that is started here for this job. Needs streamdet[ray].",
    ),
]
Split = Annotated[
    str | None,
    option(
        MANY,
        "90s|10m|1h",
        "Process one long video in parts of this length, in parallel on all processors or with --ray; each part "
        "starts 128 frames early. The result is close to that of a run in one piece, and the command reports how "
        "close. Default: in one piece.",
    ),
]
