"""The driver of a cluster's cameras as a program runs it."""

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from streamdet.cluster.cameras.fleet import Fleet, Make
from streamdet.cluster.cameras.front import Front, build_front
from streamdet.cluster.cameras.machines import RayMachines
from streamdet.cluster.cameras.runner import RunnerJob
from streamdet.cluster.cameras.settings import ClusterSettings, load_cluster_job
from streamdet.cluster.files import with_absolute_model
from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.privacy import with_privacy
from streamdet.jobs.resume.journal import locked
from streamdet.server.job_file import served_job
from streamdet.server.run import Address, Server
from streamdet.server.service import Files
from streamdet.version import __version__

_SHARED_OUT = {"sources", "zones"}


@contextmanager
def serve_cluster(
    file: Path, config: PipelineConfig, settings: ClusterSettings, address: Address, data: Path
) -> Iterator[Server]:
    """Runners on the machines of the Ray that was joined; they end with the block.

    Args:
        file: of the job, in which changes are saved.
        config, settings: of that file.
        address: of the page.
        data: folder of the table, and of what machines keep where they see it.

    Yields:
        what is to be served.

    Raises:
        ConfigError: something of it is wrong.
    """
    held = _held(data)
    config = with_absolute_model(config)
    make = _maker(config, settings, data)
    fleet = Fleet(make("-").config, config.sources, settings, RayMachines(settings.cpus), make, data / "cameras.json")
    named = set(load_cluster_job(file)[0].sources)
    files = Files(data, file, sources=named == {row.source for row in fleet.table.rows.values()})
    front = Front(fleet, settings, files)
    server = Server(partial(build_front, front), address)
    with held:
        fleet.start()
        try:
            yield server
        finally:
            fleet.close()


def _held(data: Path) -> IO[bytes]:
    """The folder, held against a second driver until this is closed; raises ConfigError."""
    try:
        return locked(data)
    except OSError as error:
        raise ConfigError(f"{data}: cannot be written: {error.strerror}") from error


def _maker(config: PipelineConfig, settings: ClusterSettings, data: Path) -> Make:
    """Makes the job of a machine's runner."""
    token = secrets.token_urlsafe(24)
    what = f"{__version__} {settings.cpus} {config.model_dump_json(exclude=_SHARED_OUT)}"
    identity = hashlib.sha256(what.encode()).hexdigest()
    bare = config.model_copy(update={"sources": ()})

    def make(machine: str) -> RunnerJob:
        folder = data / re.sub(r"[^A-Za-z0-9_.-]+", "_", machine)
        return RunnerJob(
            with_privacy(served_job(bare, folder)), identity, str(Path.cwd()), str(folder), "", token, __version__
        )

    return make
