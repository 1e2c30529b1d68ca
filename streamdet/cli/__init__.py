"""The command line: one module a command. Heavy libraries are loaded by the command that needs them."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Annotated

import typer

# Not under their own names, which are those of their modules.
from streamdet.cli.bench import bench as bench_command
from streamdet.cli.cluster import cluster as cluster_commands
from streamdet.cli.convert import convert as convert_command
from streamdet.cli.demo import demo as demo_command
from streamdet.cli.doctor import doctor as doctor_command
from streamdet.cli.eval import evaluate
from streamdet.cli.exit_status import DONE, WRONG, guard
from streamdet.cli.explain import explain as explain_command
from streamdet.cli.export import export
from streamdet.cli.help import GroupedCommand, RunCommand
from streamdet.cli.label import label as label_command
from streamdet.cli.messages import messages
from streamdet.cli.models import models as models_command
from streamdet.cli.probe import probe as probe_command
from streamdet.cli.process_title import hide_credentials
from streamdet.cli.run import run as run_command
from streamdet.cli.scene import scene as scene_command
from streamdet.cli.serve import serve as serve_command
from streamdet.cli.stats import stats as stats_command
from streamdet.cli.train import train
from streamdet.version import __version__

app = typer.Typer(
    name="streamdet",
    help="Find and track objects in video.",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=RunCommand)(run_command)
for command in (
    *(serve_command, demo_command, probe_command, scene_command, doctor_command, bench_command),
    *(label_command, convert_command, stats_command, explain_command, models_command),
):
    app.command(cls=GroupedCommand)(command)  # named as its function
app.command(cls=GroupedCommand)(train)
app.command("eval", cls=GroupedCommand)(evaluate)
app.command(cls=GroupedCommand)(export)
app.add_typer(cluster_commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamdet {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find and track objects in video."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status (see exit_status).

    Args:
        arguments: without the program's name; those of the process when None.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        hide_credentials(words)
    # A mistake in the command line is found before its options are read.
    as_json = "--log-format=json" in words or ("--log-format", "json") in pairwise(words)
    with messages("json" if as_json else "text"), _leaving_on_terminate():
        status = guard(lambda: app(words or ["--help"], prog_name="streamdet", standalone_mode=False) or DONE)
    return status if words else WRONG


@contextmanager
def _leaving_on_terminate() -> Iterator[None]:
    """Outside of a run, SIGTERM ends a command as an exception does, so that temporary files go."""
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread do this
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
