"""A job over many files at a terminal: on a Ray cluster, or here with files in buckets."""

import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from streamdet.cli.exit_status import DONE, FAILED
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import log, says_json
from streamdet.cli.signals import StopOnSignal
from streamdet.cluster.driver import Pool, Progress
from streamdet.cluster.environment import prepare_ray
from streamdet.cluster.files import Facts, FilesJob, Summary, write_report
from streamdet.cluster.pools import HerePool
from streamdet.cluster.split.job import in_processes, run_split
from streamdet.cluster.work import facts_of
from streamdet.errors import ConfigError, SinkError
from streamdet.jobs.config import PipelineConfig

LOCAL = "local"
_LINE_EVERY_S, _UNASKED_EVERY_S = 5.0, 60.0


def run_files(config: PipelineConfig, progress: bool | None, address: str | None, inputs: Iterable[Path] = ()) -> int:
    """Run a job over many files to its end, or until a signal; gives the exit status.

    Args:
        config: the job.
        progress: None: a bar on a terminal, a line a minute elsewhere; True: a line every 5 seconds; False: silence.
        address: of a Ray cluster; "local": a Ray that is started here; None: this process alone.
        inputs: files that are read besides the sources, and so must not be written.

    Raises:
        ConfigError: the job is wrong, or there is no such cluster; nothing was written.
        ModelError: the detector cannot be loaded.
        SinkError: the place of the outputs cannot be written.
    """
    job = FilesJob(config, inputs)
    if not job.files:
        log.info("shard %s: there are fewer sources than shards, and nothing to do for this one", config.shard)
        return DONE
    with _pool(config, address) as (pool, facts), _Shown(progress) as shown, StopOnSignal(job) as stop:

        def show(state: Progress) -> None:
            stop.announce()
            shown.show(state)

        summary = job.run(pool, facts, log.warning, show)
    status = stop.exit_status or (FAILED if summary.progress.failed else DONE)
    _say(summary)
    if status > FAILED:
        log.warning("stopped before the end; the same command with --resume continues it")
    if config.report is not None:
        try:
            write_report(config.report, summary.report(status))
        except SinkError as error:
            log.error("%s", error)
            status = status or FAILED
    return status


def run_split_job(config: PipelineConfig, split: str, address: str | None, inputs: Iterable[Path] = ()) -> int:
    """Run a job over one video in parts, here or on a cluster; gives the exit status. Errors as `run_split`."""
    length_s = split_seconds(split)
    if address is None:
        summary = run_split(config, length_s, in_processes, log.info, inputs)
    else:
        _connect(address)
        from streamdet.cluster.ray_pool import close, in_tasks

        try:
            summary = run_split(config, length_s, in_tasks, log.info, inputs)
        finally:
            close()
    found, fps = summary.agreement, summary.frames / max(summary.wall_s, 1e-9)
    log.info(
        "%d frames in %.1f s, %.1f fps with %s, in %d parts",
        *(summary.frames, summary.wall_s, fps, summary.runtime, summary.parts),
        extra={"fields": summary.to_dict()},
    )
    log.info(
        "cuts: %d; where the parts overlap, %d of %d boxes agree (IoU 0.9) and %d are extra",
        *(found.cuts, found.agreeing, found.boxes, found.extra),
    )
    if config.report is not None:
        write_report(config.report, {"format": 1, "split": summary.to_dict()})
    return DONE


def split_seconds(text: str) -> float:
    """Read 90s, 10m or 1h.

    Raises:
        ConfigError: it is none of these.
    """
    found = re.fullmatch(r"(\d{1,7})([smh]?)", text)
    if found is None or int(found[1]) == 0:
        raise ConfigError(f"--split: expected a length such as 90s, 10m or 1h, got {text}")
    return int(found[1]) * {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}[found[2]]


@contextmanager
def _pool(config: PipelineConfig, address: str | None) -> Iterator[tuple[Pool, Facts]]:
    if address is None:
        yield HerePool(), facts_of
        return
    _connect(address)
    from streamdet.cluster.ray_pool import RayPool, close

    try:
        pool = RayPool(config)
        yield pool, pool.facts
    finally:
        close()


def _connect(address: str) -> None:
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("--ray needs ray: pip install 'streamdet[ray]'")
    prepare_ray(local=address == LOCAL)
    with collector_at_rest():
        from streamdet.cluster.ray_pool import connect
    connect(None if address == LOCAL else address)


def _say(summary: Summary) -> None:
    state = summary.progress
    for row in summary.rows.values():
        for warning in row.get("warnings", ()):
            log.warning("%s", warning)
        if row.get("seems_cut_off"):
            text = "%s: ends after %.1f s, but its header says %.1f s: it may be cut off"
            log.warning(text, row["location"], row["read_s"], row["announced_s"])
    done = state.done - state.before
    fields = {"files": done, "failed": state.failed, "frames": state.frames, "wall_s": round(state.elapsed_s, 3)}
    log.info(
        "%d files in %.1f s, %d frames, %.1f fps with %s%s",
        *(done, state.elapsed_s, state.frames, state.fps, summary.facts["runtime"]),
        f"; {state.failed} failed" if state.failed else "",
        extra={"fields": fields},
    )
    if state.before:
        log.info("%d files were complete already", state.before)


class _Shown:
    """One bar for all files on a terminal, a line now and then elsewhere."""

    def __init__(self, wanted: bool | None) -> None:
        self._every_s = _LINE_EVERY_S if wanted else _UNASKED_EVERY_S
        self._silent = wanted is False
        self._said_s = monotonic()
        self._bar: Any = None
        if sys.stderr.isatty() and not says_json() and not self._silent:
            self._bar = _rich_bar()

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("files", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, state: Progress) -> None:
        """Show how far it is."""
        left = "" if state.left_s is None else f", {state.left_s:.0f} s left"
        failed = f", {state.failed} failed" if state.failed else ""
        text = f"{state.done} of {state.files} files{failed}, {state.frames} frames, {state.fps:.1f} fps{left}"
        if self._bar is not None:
            self._bar.update(self._task, total=state.files, completed=state.done, description=text)
        elif not self._silent and monotonic() - self._said_s >= self._every_s:
            self._said_s = monotonic()
            log.info("%s", text)


def _rich_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    return Bar(BarColumn(), TextColumn("{task.description}"), console=Console(stderr=True), refresh_per_second=4)
