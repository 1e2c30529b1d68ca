"""Options of commands that serve a page."""

from pathlib import Path
from typing import Annotated

import typer

from streamdet.errors import ConfigError

SERVER = "Server"
NEEDED = ("fastapi", "uvicorn", "websockets", "prometheus_client")

Host = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        rich_help_panel=SERVER,
        help="Listen at this address. 0.0.0.0 is all of this machine, and needs a token of your own.",
    ),
]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, rich_help_panel=SERVER, help="Its port.")]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        envvar="STREAMDET_TOKEN",
        rich_help_panel=SERVER,
        help="What has to be known to be let in; better in the variable STREAMDET_TOKEN. Default: one is made and "
        "kept in the folder of --data.",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=SERVER,
        help="A name by which browsers address this server, besides IP addresses and localhost; may be repeated.",
    ),
]
TlsCert = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=SERVER, help="Speak TLS, with this certificate.")
]
TlsKey = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=SERVER, help="The key of the certificate.")
]
DataFolder = Annotated[
    Path,
    typer.Option(metavar="DIR", rich_help_panel=SERVER, help="Folder of the events, their clips and of the token."),
]


def check_address(host: str, token: str | None, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Raise ConfigError where this server would be open to others, or its TLS is incomplete."""
    if host not in ("127.0.0.1", "::1", "localhost") and token is None:
        raise ConfigError(f"--host {host} can be reached from other machines; expected a --token as well")
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("expected --tls-cert and --tls-key together")


def make_data_folder(data: Path) -> None:
    """Make it, for its owner alone; raises ConfigError."""
    try:
        data.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--data {data}: cannot be made: {error.strerror}") from error
