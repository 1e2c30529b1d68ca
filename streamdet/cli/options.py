"""Options that several commands have."""

from typing import Annotated

import typer

Progress = Annotated[bool | None, typer.Option("--progress/--no-progress", help="Default: a bar on a terminal.")]
LogFormat = Annotated[str, typer.Option(metavar="text|json", help="Lines on standard error.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Details and tracebacks.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
