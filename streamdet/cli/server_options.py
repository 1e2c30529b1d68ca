"""Options of commands that serve a page."""

from pathlib import Path
from typing import Annotated

from streamdet.cli.options import option
from streamdet.errors import ConfigError

SERVER = "Server"
NEEDED = ("fastapi", "uvicorn", "websockets", "prometheus_client")

Host = Annotated[
    str,
    option(SERVER, "ADDRESS", "Address to listen on. 0.0.0.0 is all addresses of this machine, and needs --token."),
]
Port = Annotated[int, option(SERVER, "N", "Port to listen on.", min=0, max=65535)]
Token = Annotated[
    str | None,
    option(
        SERVER,
        "TEXT",
        "Access token; better set in the variable STREAMDET_TOKEN. Default: one is made and kept in the folder of "
        "--data.",
        envvar="STREAMDET_TOKEN",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    option(
        SERVER,
        "NAME",
        "Host name that browsers may use for this server, besides IP addresses and localhost; may be repeated.",
    ),
]
TlsCert = Annotated[Path | None, option(SERVER, "FILE", "Use TLS with this certificate.")]
TlsKey = Annotated[Path | None, option(SERVER, "FILE", "The key of the certificate.")]
DataFolder = Annotated[Path, option(SERVER, "DIR", "Folder for events, their clips and the token.")]


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
