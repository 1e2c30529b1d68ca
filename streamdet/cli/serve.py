"""`streamdet serve`: cameras on a web page, with areas, lines and events."""

import importlib.util
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdet.cli.exit_status import DONE, FAILED
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import INPUT, LogFormat, Quiet, Verbose, option
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
from streamdet.yaml_file import Override, find_yaml

if TYPE_CHECKING:
    from streamdet.jobs.config import PipelineConfig
    from streamdet.jobs.plan import SourceJob
    from streamdet.server.run import Address

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="JOB.yaml|SOURCE", help="The file of a job, or cameras and streams as for run."),
]
Demo = Annotated[bool, option(INPUT, None, "Show a synthetic street as a camera.", "--demo")]
Settings = Annotated[
    list[str] | None,
    option(INPUT, "KEY=VALUE", "Set one value of the job; may be repeated.", "--set"),
]
OpenMetrics = Annotated[bool, option(SERVER, None, "Allow /metrics without a token.", "--open-metrics")]


def serve(
    sources: Sources = None,
    demo: Demo = False,
    settings: Settings = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    token: Token = None,
    allow_host: AllowHost = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    open_metrics: OpenMetrics = False,
    data: DataFolder = Path("streamdet-data"),
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
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"serve needs {name.replace('_', '-')}: pip install 'streamdet[serve]'")
    if demo == bool(sources):
        raise ConfigError("expected the file of a job, sources, or --demo")
    with collector_at_rest():
        from streamdet.server.demo_camera import DemoCamera
        from streamdet.server.run import Address, choose_token
    check_address(host, token, tls_cert, tls_key)
    with ExitStack() as stack:
        if demo:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamdet-demo-")))
            sources = [stack.enter_context(DemoCamera()).url]
        make_data_folder(data)
        file, config = load_serving(sources or [], settings or (), data)
        address = Address(
            host, port, choose_token(token, data), tuple(allow_host or ()), tls_cert, tls_key, open_metrics
        )
        return _serve(config, file, address, data)


def load_serving(sources: list[str], settings: Any, data: Path) -> tuple[Path, "PipelineConfig"]:
    """The job of these sources, and the file in which its changes are saved: its own, or one in the data folder.

    Raises:
        ConfigError: it is wrong.
    """
    from streamdet.jobs.config import load_job
    from streamdet.server.job_file import served_job

    is_job = len(sources) == 1 and Path(sources[0]).suffix.lower() in (".yaml", ".yml")
    file = find_yaml(sources[0], "pipelines") if is_job else data / "job.yaml"
    more = [] if is_job else [Override("sources", list(sources), "SOURCE")]
    config = load_job(file if is_job or file.exists() else None, [*settings, *more])
    return file, served_job(config, data)


def _serve(config: "PipelineConfig", file: Path, address: "Address", data: Path) -> int:
    from streamdet.cli.signals import StopOnSignal
    from streamdet.jobs.plan import plan
    from streamdet.jobs.session import Session, load_detector
    from streamdet.server.app import build_app
    from streamdet.server.run import Server
    from streamdet.server.service import Files, Service

    jobs = plan(config, [file])
    with collector_at_rest():
        detector = load_detector(jobs)
    files = Files(data, file, sources=_names_sources(file, jobs))
    service = Service(Session(jobs, detector), files)
    server = Server(partial(build_app, service), address)
    with StopOnSignal(server) as stop:
        service.start(server.stop)
        try:
            server.serve_until_stopped(lambda port: say_where(address, port))
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


def say_where(address: "Address", port: int) -> None:
    """Say what to open."""
    if not address.is_loopback and address.certificate is None:
        log.warning("without TLS others in this network can read the traffic; expected --tls-cert and --tls-key")
    log.info("open %s", address.url(port), extra={"fields": {"port": port}})
