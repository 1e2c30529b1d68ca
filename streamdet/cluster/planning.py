"""A job over many files as pieces that any machine can do: their sources and outputs may be in buckets."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from streamdet.cluster import storage
from streamdet.cluster.attempt import Piece
from streamdet.errors import ConfigError, SourceError, SourceOpenError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.plan import SourceJob, plan_sources
from streamdet.media.locations import VIDEO_SUFFIXES, SourceSpec, expand_sources, redact, with_unique_names
from streamdet.stages.registry import stage_entry
from streamdet.stages.targets import is_folder

FOLDER = ".streamdet"


@dataclass(frozen=True, slots=True)
class Planned:
    """A job as pieces.

    Attributes:
        pieces: one for each file.
        place: the folder of the ledger and the claims.
    """

    pieces: tuple[Piece, ...]
    place: str


def needs_pieces(config: PipelineConfig) -> bool:
    """Whether a source or an output is in a bucket or a folder of a web server."""
    return any(map(_is_remote, config.sources)) or any(True for _ in _in_buckets(config))


def plan_pieces(config: PipelineConfig, scratch: Path, inputs: Iterable[Path] = ()) -> Planned:
    """Find the files, name their outputs, and make sure that these can be written.

    Args:
        config: the job; with `resume`, outputs that are there are left to who continues it.
        scratch: a folder for names of outputs in buckets.
        inputs: files that are read besides, and so must not be written.

    Raises:
        ConfigError: the job is wrong, or is none over files.
    """
    if config.state_in or config.state_out:
        raise ConfigError("--state-in and --state-out carry the state of one source; not with --ray and buckets")
    specs = _sources(config.sources)
    if other := next((spec for spec in specs if spec.kind not in ("file", "images") and not _is_fetched(spec)), None):
        raise ConfigError(f"{other.shown}: is no file; --ray and buckets are for files")
    here, buckets = _with_names_here(config, scratch)
    replaces = config.overwrite or config.resume
    jobs = plan_sources(here.model_copy(update={"resume": False, "overwrite": replaces}), specs, inputs)
    pieces = [(job, tuple(_finals(job, buckets))) for job in jobs]
    if any(not finals for _, finals in pieces):
        raise ConfigError("nothing is written; expected an output, such as -o out/ or --detections out/")
    if buckets and not replaces:
        _check_free(buckets.values(), [final for _, finals in pieces for final in finals])
    place = _place(config, *pieces[0]) if pieces else ""
    claims = storage.join(place, "claims")
    return Planned(tuple(Piece(job, finals, claims, _fetched(job.spec)) for job, finals in pieces), place)


def _place(config: PipelineConfig, job: SourceJob, finals: Sequence[str]) -> str:
    """Beside the outputs of the first file; of each shard its own."""
    folder = finals[0].rstrip("/")
    for _ in range(job.name.count("/") + 1):
        folder = folder.rpartition("/")[0]
    name = FOLDER if config.shard is None else f"{FOLDER}-{config.shard.replace('/', '-of-')}"
    return storage.join(folder or ".", name)


def _sources(arguments: Sequence[str]) -> list[SourceSpec]:
    found: list[SourceSpec] = []
    mistakes: list[str] = []
    for argument in arguments:
        try:
            taken = [spec.name for spec in found]
            more = list(_remote_files(argument)) if _is_remote(argument) else _absolute(expand_sources([argument]))
            found += with_unique_names(more, taken)
        except (ConfigError, SourceError) as error:
            mistakes.append(str(error))
    if mistakes or not found:
        raise ConfigError("\n".join(mistakes) or "no source given; expected files, a folder, a glob or a bucket")
    return found


def _absolute(specs: Iterable[SourceSpec]) -> list[SourceSpec]:
    """Workers have other current folders."""
    return [
        replace(spec, location=os.path.abspath(spec.location)) if spec.kind in ("file", "images") else spec
        for spec in specs
    ]


def _is_remote(argument: str) -> bool:
    """In a bucket; or many files of a web server: a folder or a glob."""
    if storage.is_bucket(argument):
        return True
    path = urlsplit(argument).path if argument.lower().startswith(("http://", "https://")) else ""
    return path.endswith("/") or has_magic(path)


def _is_fetched(spec: SourceSpec) -> bool:
    """A video on a web server, in a bucket, or none of these."""
    return storage.is_bucket(spec.location) or (
        spec.location.lower().startswith(("http://", "https://")) and _suffix(spec.location) in VIDEO_SUFFIXES
    )


def _fetched(spec: SourceSpec) -> str | None:
    return spec.location if _is_fetched(spec) else None


def _suffix(address: str) -> str:
    return PurePosixPath(urlsplit(address).path).suffix.lower()


def _remote_files(argument: str) -> Iterator[SourceSpec]:
    """Videos of a bucket or a web server, named by their path below the part without wildcards.

    Raises:
        ConfigError: there are none.
        SourceOpenError: the place cannot be read.
    """
    system = storage.file_system(argument)
    root = argument if argument.endswith("/") else f"{_before_magic(argument)}/"
    try:
        if has_magic(argument.partition("://")[2]):
            addresses = [str(each) for each in system.glob(argument)]
        elif argument.endswith("/"):
            addresses = [each["name"] for each in system.ls(argument, detail=True) if each["type"] == "file"]
        else:
            addresses = [argument] if system.exists(argument) else []
    except Exception as error:  # of botocore, aiohttp, gcsfs ...
        raise SourceOpenError(f"{redact(argument)}: cannot be listed: {redact(str(error))[:300]}") from error
    videos = sorted({system.unstrip_protocol(each) for each in addresses if _suffix(each) in VIDEO_SUFFIXES})
    if not videos:
        raise ConfigError(f"{redact(argument)}: holds no videos (known by their endings, such as .mp4)")
    for video in videos:
        path = PurePosixPath(unquote(urlsplit(video.removeprefix(root)).path if video.startswith(root) else video))
        name = str(path.with_suffix("")) if video.startswith(root) else path.stem
        yield SourceSpec(video, name, "file")


def _before_magic(argument: str) -> str:
    """All whole folders before the first wildcard; of a plain file its folder."""
    parts = argument.split("/")[:-1]
    first = next((number for number, part in enumerate(parts) if has_magic(part)), len(parts))
    return "/".join(parts[:first])


def _in_buckets(config: PipelineConfig) -> Iterator[tuple[str, str]]:
    """Stages whose output is in a bucket, and where."""
    for name in config.stages:
        path = getattr(config.settings_of(name), "path", None)
        if stage_entry(name).output is not None and isinstance(path, str) and storage.is_bucket(path):
            yield name, path


def _with_names_here(config: PipelineConfig, scratch: Path) -> tuple[PipelineConfig, dict[Path, str]]:
    """The job with outputs here in place of those in buckets, and what each of these folders stands for."""
    in_bucket = config.report is not None and storage.is_bucket(config.report)
    changes: dict[str, Any] = {"report": None} if in_bucket else {}
    buckets: dict[Path, str] = {}
    for name, path in _in_buckets(config):
        here = scratch / name
        here.mkdir()
        folder, _, file = ("", "", "") if path.endswith("/") or is_folder(path) else path.rpartition("/")
        buckets[here] = folder or path.rstrip("/")
        changes[name] = config.settings_of(name).model_copy(update={"path": f"{here}/{file}"})
    return config.model_copy(update=changes), buckets


def _finals(job: SourceJob, buckets: dict[Path, str]) -> Iterator[str]:
    """Where the outputs of a file go.

    Raises:
        ConfigError: one of them is no file or folder, so it could not be taken back.
    """
    for output in job.outputs:
        target = str(output.target)
        if output.shared or "://" in target or target == "-":
            raise ConfigError(
                f"{output.kind}: {redact(target)} cannot be taken back when a worker is lost; expected a file or folder"
            )
        path = Path(os.path.abspath(target))
        end = "/" if target.endswith("/") else ""
        folder = next((here for here in buckets if path.is_relative_to(here)), None)
        if folder is None:
            yield f"{path}{end}"
        else:
            yield f"{storage.join(buckets[folder], path.relative_to(folder).as_posix())}{end}"


def _check_free(folders: Iterable[str], finals: Iterable[str]) -> None:
    taken = {storage.join(folder, name) for folder in set(folders) for name in storage.names_below(folder)}
    lines = [
        f"output {final} already exists; choose another name, or replace it with --overwrite"
        for final in finals
        if final in taken
    ]
    if lines:
        raise ConfigError("\n".join(lines[:20]))
