"""`streamdet models`: which models there are, and what is known of each."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import OUTPUT, Device, Verbose
from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.runtimes.catalogue import ModelFacts

_WIDE = 400


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME|PATH", help="Only these: names, or files (.safetensors, .onnx). Default: all."),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Measure the time of a frame on this machine: of the named models, or of those in the package. May "
            "download weights.",
        ),
    ] = False,
    classes: Annotated[
        bool,
        typer.Option(
            "--classes", rich_help_panel=OUTPUT, help="List the names of all classes, with COCO's category ids."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON.")] = False,
    device: Device = "auto",
    verbose: Verbose = False,
) -> int:
    """List the models that there are.

    Their classes, parameters, licence, what they need, and with --measure how fast they are here.
    """
    start_messages(verbose=verbose)
    if classes and as_json:
        raise ConfigError("--classes and --json exclude each other: JSON has all classes")

    from streamdet.models.registry import EMBEDDED_MODELS
    from streamdet.runtimes.catalogue import catalogue, facts_of

    found = [facts_of(name) for name in names] if names else list(catalogue())
    if measure:
        found = [_measured(each, device) if names or each.name in EMBEDDED_MODELS else each for each in found]
    if as_json:
        typer.echo(json.dumps([each.to_dict() for each in found], indent=2, ensure_ascii=False))
    elif classes:
        _print_classes(found)
    else:
        _print(found, measured=measure)
    return DONE


def _measured(facts: "ModelFacts", device: str) -> "ModelFacts":
    from streamdet.runtimes.catalogue import measured
    from streamdet.runtimes.loading import load

    if "detector" not in facts.kind:
        log.info("%s: only detectors are measured, it is: %s", facts.name, facts.kind)
        return facts
    return measured(facts, load(facts.name, device=device))


def _print(found: Sequence["ModelFacts"], *, measured: bool) -> None:
    """A line each, as long as it gets: names are to be copied."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    times = ("ms",) if measured else ()
    for head in ("model", "kind", "classes", "parameters", "COCO AP", *times, "licence", "needs"):
        table.add_column(head, no_wrap=True)
    for each in found:
        ms = ("" if each.ms is None else f"{each.ms:.1f} ({each.measured})",) if measured else ()
        table.add_row(
            each.name,
            each.kind,
            _shown(each.classes),
            "" if each.parameters is None else f"{each.parameters / 1e6:.2f} M",
            "" if each.ap is None else f"{each.ap:.1f}",
            *ms,
            each.licence,
            each.needs,
        )
    Console(markup=False, highlight=False, width=_WIDE).print(table)


def _shown(classes: Sequence[str]) -> str:
    return f"{len(classes)}: {', '.join(classes[:2])}{' ...' if len(classes) > 2 else ''}" if classes else ""


def _print_classes(found: Sequence["ModelFacts"]) -> None:
    from streamdet.models.onnx.names import COCO_IDS

    for each in found:
        typer.echo(f"{each.name}: {len(each.classes)} classes")
        for number, name in enumerate(each.classes):
            coco = COCO_IDS.get(name)
            typer.echo(f"  {number:3}  {name}" + ("" if coco is None else f"  (COCO {coco})"))
