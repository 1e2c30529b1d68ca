"""One long video in parts, side by side: close to what a run makes of it in one piece, and it says how close."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import active_children, get_context
from pathlib import Path
from time import monotonic
from typing import Any

from streamdet.cluster.files import pinned, with_absolute_model
from streamdet.cluster.split.parts import Part, draw, frame_lines, json_line, look, other_lines, parts_of
from streamdet.cluster.split.stitch import Agreement, stitched
from streamdet.cluster.work import facts_of
from streamdet.errors import ConfigError, PipelineError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.plan import SourceJob, plan
from streamdet.media.read.source import open_source
from streamdet.media.write.join import join_videos
from streamdet.media.write.part_file import write_at_once
from streamdet.runtimes.cpu import cores
from streamdet.stages.decode import DecodeSettings

Do = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]
Say = Callable[[str], None]

_STAGES = {"decode", "batch", "detect", "track", "annotate", "encode", "record"}
_SHORTEST_S = 4.0


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """How it went.

    Attributes:
        parts, frames: counts; frames without those that were looked at twice.
        wall_s: from start to end.
        agreement: how far the parts agree where both have looked.
        runtime: of the detector.
    """

    parts: int
    frames: int
    wall_s: float
    agreement: Agreement
    runtime: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


def run_split(config: PipelineConfig, length_s: float, do: Do, say: Say, inputs: Iterable[Path] = ()) -> SplitSummary:
    """Do a job over one video in parts of this length.

    Args:
        config: the job; outputs are a video file, JSON Lines, or both.
        length_s: of a part, seconds.
        do: calls a function with each of these arguments, side by side, and gives what it returns in their order.
        say: told what happens.
        inputs: files that are read besides, and so must not be written.

    Raises:
        ConfigError: it is no such job.
        PipelineError, SinkError, SourceError: a part failed; nothing was written.
    """
    started_s = monotonic()
    config = with_absolute_model(config)
    [job] = _checked(config, plan(config, inputs))
    [facts] = do(facts_of, [(config,)])
    config = pinned(config, facts)
    targets = {output.stage: Path(str(output.target)) for output in job.outputs}
    first = next(iter(targets.values()))
    folder = first.absolute().with_name(f".{first.name}.parts")
    for each in (*job.folders, folder):
        each.mkdir(exist_ok=True)
    try:
        job = _with_config(job, config)
        parts = _parts(job, length_s)
        say(f"{job.name}: {len(parts)} parts")
        looked = do(look, [(job, part, str(folder)) for part in parts])
        agreement = Agreement()
        whole = folder / "whole.jsonl"
        frames = _write_whole([each["path"] for each in looked], [part.start_s for part in parts[1:]], whole, agreement)
        if "encode" in targets:
            pieces = do(draw, [(job, part, str(whole), str(folder)) for part in parts])
            encode = config.settings_of("encode")
            source = Path(job.spec.location)
            join_videos(
                [Path(piece) for piece in pieces], source, targets["encode"], encode.codec, audio=encode.audio == "copy"
            )
        if "record" in targets:
            write_at_once(targets["record"], whole.read_bytes())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return SplitSummary(len(parts), frames, monotonic() - started_s, agreement, facts["runtime"])


def _checked(config: PipelineConfig, jobs: Sequence[SourceJob]) -> list[SourceJob]:
    if len(jobs) != 1 or jobs[0].spec.kind != "file":
        raise ConfigError(f"--split is for one video file, got {len(jobs)} sources")
    if other := sorted(set(config.stages) - _STAGES):
        raise ConfigError(f"--split: the stage {other[0]} needs the video in one piece")
    decode = config.settings(DecodeSettings)
    if decode.stride != 1 or decode.max_frames is not None or config.state_in or config.state_out or config.resume:
        raise ConfigError("--split: not with --stride, --max-frames, --resume, --state-in and --state-out")
    outputs = jobs[0].outputs
    wrong = [each for each in outputs if not isinstance(each.target, Path)]
    wrong += [each for each in outputs if each.stage == "record" and Path(str(each.target)).suffix.lower() != ".jsonl"]
    if not outputs or wrong:
        raise ConfigError("--split writes a video file, JSON Lines, or both; expected -o x.mp4 or --detections x.jsonl")
    encode = config.settings_of("encode")
    if encode.segment_s is not None or encode.pictures == "changed":
        raise ConfigError("--split: not with --segment and --encode changed")
    return list(jobs)


def _with_config(job: SourceJob, config: PipelineConfig) -> SourceJob:
    spec = replace(job.spec, location=os.path.abspath(job.spec.location))
    return replace(job, config=config, spec=spec)


def _parts(job: SourceJob, length_s: float) -> list[Part]:
    with open_source(job.spec) as opened:
        info = opened.info
    decode = job.config.settings(DecodeSettings)
    end_s = min(decode.end_s or float("inf"), info.duration_s or 0.0)
    rate = float(info.average_rate or 25)
    if end_s <= 0:
        raise ConfigError(f"--split: {job.spec.shown} does not say how long it is")
    return parts_of(decode.start_s, end_s, max(length_s, _SHORTEST_S), 1 / rate)


def _write_whole(paths: Sequence[str], cuts_s: Sequence[float], whole: Path, agreement: Agreement) -> int:
    run, _ = other_lines(paths[0])
    _, end = other_lines(paths[-1])
    count = 0
    with whole.open("w", encoding="utf-8") as file:
        file.write(json_line(run))
        for line in stitched([frame_lines(path) for path in paths], cuts_s, agreement):
            file.write(json_line(line))
            count += 1
        file.write(json_line({**end, "frames": count}))
    return count


def in_processes(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Call a function with each of these, side by side in processes of one thread each.

    Raises:
        PipelineError: a process ended.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    context, others = get_context("spawn"), set(active_children())
    with ProcessPoolExecutor(min(cores(), len(arguments)), mp_context=context) as pool:
        futures = [pool.submit(function, *each) for each in arguments]
        try:
            for future in as_completed(futures):
                future.result()
        except BrokenProcessPool as error:
            raise PipelineError("--split: a process ended before its part was done; is there enough memory?") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - others:  # what they are at is of no use now
                child.terminate()
            raise
        return [future.result() for future in futures]
