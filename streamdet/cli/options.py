"""Options that several commands have."""

from typing import Annotated

import typer

Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where to run.")]
Split = Annotated[str | None, typer.Option(metavar="S", help="Part of a labelled set that has several.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Progress = Annotated[bool | None, typer.Option("--progress/--no-progress", help="Default: a bar on a terminal.")]
LogFormat = Annotated[str, typer.Option(metavar="text|json", help="Lines on standard error.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Details and tracebacks.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
