"""`streamdet stats`: what a file of detections holds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, Overwrite, Split, Verbose

if TYPE_CHECKING:
    from streamdet.convert.statistics import Statistics


def stats(
    data: Annotated[
        Path,
        typer.Argument(metavar="FOUND.jsonl|DATA", help="JSON Lines, or a labelled set as eval reads it."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Write heatmap.png, timeline.png and stats.json into this folder. Default: not written.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this source of the file. Default: all.")
    ] = None,
    split: Split = None,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON.")] = False,
    verbose: Verbose = False,
) -> int:
    """Count boxes and tracks of each class, where and when."""
    start_messages(verbose=verbose)

    from streamdet.convert.found import open_found
    from streamdet.convert.statistics import count, heat_map, timeline_chart
    from streamdet.drawing.pictures import save
    from streamdet.jobs.outputs import check_files
    from streamdet.media.write.part_file import write_at_once

    names = ("heatmap.png", "timeline.png", "stats.json")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        check_files([output / name for name in names], overwrite=overwrite)
    counted = count(open_found(data, split).of(source).results())
    figures = json.dumps(counted.to_dict(), indent=2, ensure_ascii=False)
    typer.echo(figures if as_json else "\n".join(_table(counted)))
    if output is not None:
        save(heat_map(counted), output / names[0])
        save(timeline_chart(counted), output / names[1])
        write_at_once(output / names[2], f"{figures}\n".encode())
        log.info("wrote %s into %s", ", ".join(names), output)
    return DONE


def _table(counted: "Statistics") -> Iterator[str]:
    yield f"{counted.frames} frames of {', '.join(counted.sources) or 'no source'}"
    form = "{:16} {:>9} {:>9} {:>11} {:>7} {:>14} {:>14}"
    yield form.format("class", "boxes", "frames", "in a frame", "score", "tracks", "longest track")
    for name, row in counted.to_dict()["classes"].items():
        longest = f"{row['track_frames']['longest']} frames"
        most = f"at most {row['most_in_a_frame']}"
        score = f"{row['mean_score']:.2f}"
        yield form.format(name, row["boxes"], row["frames"], most, score, row["tracks"], longest)
