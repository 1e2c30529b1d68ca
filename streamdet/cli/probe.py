"""`streamdet probe`: what a source or a labelled set holds, and what is wrong with it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, ClassNames, Fps, Layout, Overwrite, Split, Stills, Verbose
from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.datasets.labels import LabelledSet
    from streamdet.media.read.probe import AudioTrack, ProbeReport, VideoTrack

Row = tuple[str, str]


def probe(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE|DATA|x.onnx",
            help="A video, a folder of images, an address, a labelled set, or an .onnx file of a detector.",
        ),
    ],
    split: Split = None,
    stills: Stills = None,
    fps: Fps = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.png", rich_help_panel=OUTPUT, help="Draw frames of a labelled set with their labels."
        ),
    ] = None,
    overwrite: Overwrite = False,
    layout: Layout = None,
    class_names: ClassNames = None,
    as_json: Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON.")] = False,
    verbose: Verbose = False,
) -> int:
    """Describe a video, a labelled set or an ONNX file.

    Of a video: tracks, size, times, colour, audio. Of a labelled set: frames, gaps, boxes by class and size. Says what
    looks wrong in either. Of an ONNX file: what it is taken for as a detector.
    """
    start_messages(verbose=verbose)
    if Path(source).suffix == ".onnx":
        _describe_onnx(source, layout, class_names, as_json=as_json)
        return DONE
    if (layout, class_names) != (None, None):
        raise ConfigError(f"{source}: --layout and --class-names are for .onnx files")

    from streamdet.datasets.numbering import Order
    from streamdet.datasets.open_set import holds_labels, open_set
    from streamdet.jobs.outputs import check_files

    if holds_labels(Path(source)):
        if sheet is not None:
            check_files([sheet], overwrite=overwrite)
        _describe_set(Path(source), open_set(source, split, order=Order(stills, fps)), sheet, as_json=as_json)
        return DONE
    if (split, sheet, stills, fps) != (None,) * 4:
        if not Path(source).exists():
            raise ConfigError(f"{source}: no such file or folder; expected a labelled set")
        raise ConfigError(
            f"{source}: --split, --sheet, --stills and --fps are for labelled sets, and no labels are found here"
        )

    from streamdet.jobs.sources import find_sources
    from streamdet.media.read.probe import probe as look_into

    spec, *others = find_sources([source])
    if others:
        raise ConfigError(f"{source}: holds {1 + len(others)} sources, expected one")
    report = look_into(spec)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print(_rows(report))
    return DONE


def _describe_onnx(source: str, layout: str | None, class_names: str | None, *, as_json: bool) -> None:
    from streamdet.runtimes.onnx_file import understand

    found = understand(source, layout=layout, class_names=class_names)
    facts = found.facts()
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _print((name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in facts.items())


def _describe_set(path: Path, labelled: "LabelledSet", sheet: Path | None, *, as_json: bool) -> None:
    from rich.console import Console

    from streamdet.datasets.contact_sheet import contact_sheet
    from streamdet.datasets.describe import describe, description_table

    if path.is_dir() and _holds_pictures(path):
        log.info("%s: described by its labels; to describe one of its videos or images, name it", path)
    description = describe(labelled)
    if sheet is not None:
        contact_sheet(labelled, sheet)
    if as_json:
        typer.echo(json.dumps(description, indent=2, ensure_ascii=False))
    else:
        # Names of videos may hold brackets.
        Console(markup=False, highlight=False).print(description_table(description))


def _holds_pictures(folder: Path) -> bool:
    from streamdet.media.locations import expand_sources

    try:
        return bool(expand_sources([str(folder)]))
    except ConfigError:
        return False


def _print(rows: Iterator[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)


def _rows(report: "ProbeReport") -> Iterator[Row]:
    facts = [report.container]
    if report.size_bytes is not None:
        facts.append(f"{report.size_bytes / 1e6:.1f} MB")
    if report.duration_s is not None:
        facts.append(f"{report.duration_s:.3f} s")
    yield "source", report.location
    yield "container", ", ".join(facts)
    for video in report.video:
        yield f"video {video.number}", _video(video)
    for audio in report.audio:
        yield f"audio {audio.number}", _audio(audio)
    for problem in report.problems:
        yield "problem", problem


def _video(track: "VideoTrack") -> str:
    colour = track.colour
    lines = [f"{track.codec}{f' {track.profile}' if track.profile else ''}, {track.width}x{track.height}"]
    if track.rotation:
        lines[0] += f" (turned by {track.rotation} degrees)"
    if track.interlaced:
        lines[0] += ", interlaced"
    if not track.used:
        lines[0] += " (not used)"
    if track.average_rate is not None:
        pace = {True: "variable", False: "constant", None: "average"}[track.variable_rate]
        lines.append(f"{float(track.average_rate):.3f} fps ({track.average_rate}, {pace}), time base {track.time_base}")
    lines.append(
        f"{'?' if track.frames is None else track.frames} frames"
        + ("" if track.first_pts is None else f", first pts {track.first_pts}")
        + ("" if track.duration_s is None else f", {track.duration_s:.3f} s")
    )
    lines.append(
        f"{track.pixel_format}, matrix {colour.matrix}, range {colour.range}, "
        f"primaries {colour.primaries}, transfer {colour.transfer}"
    )
    return "\n".join(lines)


def _audio(track: "AudioTrack") -> str:
    language = f", {track.language}" if track.language else ""
    return f"{track.codec}, {track.sample_rate} Hz, {track.layout} ({track.channels}){language}"
