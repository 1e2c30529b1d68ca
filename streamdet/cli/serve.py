"""`streamdet serve`: cameras on a web page, with areas, lines and events."""

import importlib.util
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdet.cli.exit_status import DONE, FAILED
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import INPUT, LogFormat, Quiet, Verbose
from streamdet.errors import ConfigError
from streamdet.yaml_file import Override, find_yaml

if TYPE_CHECKING:
    from streamdet.jobs.config import PipelineConfig
    from streamdet.jobs.plan import SourceJob
    from streamdet.server.run import Address

SERVER = "Server"
_NEEDED = ("fastapi", "uvicorn", "websockets", "prometheus_client")
_STAGES = ("decode", "batch", "detect", "track", "zones", "clips")


def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="JOB.yaml|SOURCE", help="The file of a job, or cameras and streams as for run."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", rich_help_panel=INPUT, help="Show a synthetic street as a camera.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", rich_help_panel=INPUT, help="Set one value of the job; may be repeated."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel=SERVER,
            help="Listen at this address. 0.0.0.0 is all of this machine, and needs a token of your own.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, rich_help_panel=SERVER, help="Its port.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="STREAMDET_TOKEN",
            rich_help_panel=SERVER,
            help="What has to be known to be let in; better in the variable STREAMDET_TOKEN. Default: one is made and "
            "kept in the folder of --data.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=SERVER,
            help="A name by which browsers address this server, besides IP addresses and localhost; may be repeated.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=SERVER, help="Speak TLS, with this certificate.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=SERVER, help="The key of the certificate.")
    ] = None,
    open_metrics: Annotated[
        bool, typer.Option("--open-metrics", rich_help_panel=SERVER, help="/metrics needs no token.")
    ] = False,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", rich_help_panel=SERVER, help="Folder of the events, their clips and of the token."),
    ] = Path("streamdet-data"),
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Show cameras on a web page.

    Open the address that is printed. On the page: all streams with their state, one of them with boxes, trails, areas
    and lines, which are drawn with the mouse and saved in the file of the job; and what happened there. The same as a
    REST interface: /openapi.json.
    """
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"serve needs {name.replace('_', '-')}: pip install 'streamdet[serve]'")
    if demo == bool(sources):
        raise ConfigError("expected the file of a job, sources, or --demo")
    with collector_at_rest():
        from streamdet.server.demo_camera import DemoCamera
        from streamdet.server.run import Address, choose_token
    if host not in ("127.0.0.1", "::1", "localhost") and token is None:
        raise ConfigError(f"--host {host} can be reached from other machines; expected a --token as well")
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("expected --tls-cert and --tls-key together")
    with ExitStack() as stack:
        if demo:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamdet-demo-")))
            sources = [stack.enter_context(DemoCamera()).url]
        _make_folder(data)
        file, config = load_serving(sources or [], settings or (), data)
        address = Address(
            host, port, choose_token(token, data), tuple(allow_host or ()), tls_cert, tls_key, open_metrics
        )
        return _serve(config, file, address, data)


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--data {data}: cannot be made: {error.strerror}") from error


def load_serving(sources: list[str], settings: Any, data: Path) -> tuple[Path, "PipelineConfig"]:
    """The job of these sources, and the file in which its changes are saved: its own, or one in the data folder.

    Raises:
        ConfigError: it is wrong.
    """
    from streamdet.jobs.config import load_job

    is_job = len(sources) == 1 and Path(sources[0]).suffix.lower() in (".yaml", ".yml")
    file = find_yaml(sources[0], "pipelines") if is_job else data / "job.yaml"
    more = [] if is_job else [Override("sources", list(sources), "SOURCE")]
    config = load_job(file if is_job or file.exists() else None, [*settings, *more])
    stages = list(config.stages) if "stages" in config.model_fields_set else list(_STAGES)
    if "track" in stages and "zones" not in stages:
        stages.insert(stages.index("track") + 1, "zones")
    changes: dict[str, Any] = {"stages": tuple(stages)}
    clips = config.settings_of("clips")
    if "path" not in clips.model_fields_set:
        changes["clips"] = clips.model_copy(update={"path": str(data / "clips")})
    alerts = config.settings_of("alert")
    if "outbox" not in alerts.model_fields_set:
        changes["alert"] = alerts.model_copy(update={"outbox": str(data / "alerts.sqlite")})
    return file, config.model_copy(update=changes)


def _serve(config: "PipelineConfig", file: Path, address: "Address", data: Path) -> int:
    from streamdet.cli.signals import StopOnSignal
    from streamdet.jobs.plan import plan
    from streamdet.jobs.session import Session, load_detector
    from streamdet.server.run import Server
    from streamdet.server.service import Files, Service

    jobs = plan(config, [file])
    with collector_at_rest():
        detector = load_detector(jobs)
    files = Files(data, file, sources=_names_sources(file, jobs))
    service = Service(Session(jobs, detector), files)
    server = Server(service, address)
    with StopOnSignal(server) as stop:
        service.start(server.stop)
        try:
            server.serve_until_stopped(lambda port: _say(address, port))
        finally:
            service.close()
    if service.crash is not None:
        log.error("%s", service.crash)
        return FAILED
    return stop.exit_status or DONE


def _names_sources(file: Path, jobs: "list[SourceJob]") -> bool:
    """Whether the job's sources are those of its file, none of them found by a folder or a list."""
    from streamdet.jobs.config import load_job

    named = set(load_job(file).sources) if file.exists() else set()
    return bool(named) and named == {job.spec.location for job in jobs}


def _say(address: "Address", port: int) -> None:
    if not address.is_loopback and address.certificate is None:
        log.warning("others in this network can read along: expected --tls-cert and --tls-key")
    log.info("open %s", address.url(port), extra={"fields": {"port": port}})
