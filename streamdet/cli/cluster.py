"""`streamdet cluster`: cameras on many machines."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.help import GroupedCommand, RunCommand
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import INPUT, LogFormat, Quiet, Verbose
from streamdet.cli.server_options import (
    NEEDED,
    SERVER,
    AllowHost,
    DataFolder,
    Host,
    Port,
    TlsCert,
    TlsKey,
    Token,
    check_address,
    make_data_folder,
)
from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.server.run import Address

cluster = typer.Typer(
    name="cluster", help="Serve cameras on the machines of a Ray cluster.", no_args_is_help=True, rich_markup_mode=None
)

Camera = Annotated[str, typer.Argument(metavar="CAMERA", help="Its name, as cluster status shows it.")]
Url = Annotated[
    str, typer.Option(metavar="URL", rich_help_panel=SERVER, help="Where cluster serve listens, without a path.")
]
ClientToken = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        envvar="STREAMDET_TOKEN",
        rich_help_panel=SERVER,
        help="That of cluster serve; better in the variable STREAMDET_TOKEN. Default: the one in the folder of --data.",
    ),
]
ClientData = Annotated[
    Path, typer.Option(metavar="DIR", rich_help_panel=SERVER, help="The folder of cluster serve, which has the token.")
]
_URL, _DATA = "http://127.0.0.1:8765", Path("streamdet-data")


@cluster.command(cls=RunCommand)
def serve(
    file: Annotated[Path, typer.Argument(metavar="CAMERAS.yaml", help="A job: its sources are the cameras.")],
    ray: Annotated[
        str,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            rich_help_panel=INPUT,
            help="The cluster: host:port, or auto for the one of this machine. Without an address: a Ray that is "
            "started here.",
        ),
    ] = "local",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", rich_help_panel=INPUT, help="Set one value of the job; may be repeated."
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    token: Token = None,
    allow_host: AllowHost = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    data: DataFolder = _DATA,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Serve cameras on all machines of a Ray cluster, with one web page.

    Each machine reads some of the cameras, with one detector. A camera goes to another machine when its own one is gone
    or too busy. Ctrl-C ends all; if the driver is killed, the machines continue and the same command finds them.
    """
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)
    for name in (*NEEDED, "ray"):
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"cluster serve needs {name.replace('_', '-')}: pip install 'streamdet[ray,serve]'")
    check_address(host, token, tls_cert, tls_key)
    from streamdet.cluster.cameras.settings import load_cluster_job
    from streamdet.cluster.environment import prepare_ray
    from streamdet.server.run import Address, choose_token

    job = load_cluster_job(file, settings or ())
    if not job[0].sources:
        raise ConfigError(f"{file}: expected cameras in the list sources")
    prepare_ray(local=ray == "local")
    make_data_folder(data)
    address = Address(host, port, choose_token(token, data), tuple(allow_host or ()), tls_cert, tls_key)
    return _serve(file, job, None if ray == "local" else ray, address, data)


def _serve(file: Path, job: tuple[Any, Any], ray: str | None, address: "Address", data: Path) -> int:
    with collector_at_rest():
        from streamdet.cluster.cameras.serve import serve_cluster
        from streamdet.cluster.ray_pool import close, connect

    from streamdet.cli.serve import say_where
    from streamdet.cli.signals import StopOnSignal

    connect(ray)
    try:
        with serve_cluster(file, *job, address, data.absolute()) as server, StopOnSignal(server) as stop:
            server.serve_until_stopped(lambda port: say_where(address, port))
    finally:
        close()
    return stop.exit_status or DONE


@cluster.command(cls=GroupedCommand)
def status(
    url: Url = _URL,
    token: ClientToken = None,
    data: ClientData = _DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Verbose = False,
) -> int:
    """Show machines and cameras."""
    start_messages(verbose=verbose)
    found = _ask(url, token, data, "GET", "/api/cluster")
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(_table(found)))
    return DONE


@cluster.command(cls=GroupedCommand)
def add(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Such as rtsp://user:password@host/path.")],
    needs: Annotated[
        str | None,
        typer.Option(metavar="KEY=VALUE", help="Label of a machine that can reach it. Default: all can."),
    ] = None,
    url: Url = _URL,
    token: ClientToken = None,
    data: ClientData = _DATA,
    verbose: Verbose = False,
) -> int:
    """Let a camera join."""
    start_messages(verbose=verbose)
    body = {"source": source} | ({} if needs is None else {"needs": needs})
    [name] = _ask(url, token, data, "POST", "/api/streams", body)["names"]
    log.info("%s: is placed now; see streamdet cluster status", name)
    return DONE


@cluster.command(cls=GroupedCommand)
def remove(
    camera: Camera, url: Url = _URL, token: ClientToken = None, data: ClientData = _DATA, verbose: Verbose = False
) -> int:
    """Let a camera leave."""
    start_messages(verbose=verbose)
    _ask(url, token, data, "DELETE", _stream(camera))
    log.info("%s: removed", camera)
    return DONE


@cluster.command(cls=GroupedCommand)
def move(
    camera: Camera,
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="Its name, as cluster status shows it.")],
    url: Url = _URL,
    token: ClientToken = None,
    data: ClientData = _DATA,
    verbose: Verbose = False,
) -> int:
    """Hand a camera over to another machine, with its tracks and its recurrent state."""
    start_messages(verbose=verbose)
    _ask(url, token, data, "PATCH", _stream(camera), {"node": machine})
    log.info("%s: is read by %s now", camera, machine)
    return DONE


def _stream(camera: str) -> str:
    from urllib.parse import quote

    return f"/api/streams/{quote(camera, safe='')}"


def _ask(url: str, token: str | None, data: Path, method: str, path: str, body: Any = None) -> Any:
    from streamdet.cluster.cameras.client import ask

    if token is None:
        try:
            token = (data / "token").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{data / 'token'}: no token of cluster serve there; expected its --data, or STREAMDET_TOKEN"
            ) from error
    return ask(url, token, method, path, body)


def _table(found: dict[str, Any]) -> Iterator[str]:
    machines, cameras = found["machines"], found["cameras"]
    rows = [["machine", "state", "processors", "cameras", "p95", "dropped", "labels"]]
    for each in machines:
        state = each["problem"] or each["state"]
        state = f"{state}, too busy" if each["over"] else state
        labels = ",".join(each["labels"])
        load = [_ms(each["p95_s"]), f"{100 * each['dropped']:.0f} %"]
        rows.append([each["name"], state, f"{each['cpus']:g}", str(each["cameras"]), *load, labels])
    yield from _aligned(rows)
    yield ""
    rows = [["camera", "machine", "state", "fps", "p95", "frames", "dropped", "needs"]]
    for each in cameras:
        reason = f": {each['reason']}" if each["reason"] else ""
        p95 = _ms((each["latency_s"] or {}).get("p95"))
        counts = [f"{each['fps']:g}", p95, str(each["frames"]), str(each["dropped"])]
        rows.append([each["name"], each["node"] or "-", f"{each['state']}{reason}", *counts, each["needs"] or ""])
    yield from _aligned(rows)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
