"""Results from a file of detections, with the pictures of its video where they are asked for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from streamdet.errors import ConfigError
from streamdet.frames import Frame
from streamdet.media.locations import expand_sources
from streamdet.media.read.source import open_source
from streamdet.result import Result
from streamdet.sinks.read_jsonl import read_frames


def read(path: str | Path, video: str | Path | None = None) -> Iterator[Result]:
    """Read a file that `run --detections x.jsonl` has written; memory does not grow with it.

    Args:
        path: the file.
        video: its source, where results shall have their pictures; lines of other sources are left out then.

    Returns:
        a Result for every frame, in the order of the file; without a video its `image` and `plot` raise ValueError.

    Raises:
        ConfigError: the file cannot be read, or a line is none of streamdet.
        SourceError: the video cannot be read.
    """
    results = read_frames(path)
    return results if video is None else _with_pictures(results, Path(path), str(video))


def _with_pictures(results: Iterator[Result], path: Path, video: str) -> Iterator[Result]:
    [spec] = expand_sources([video])
    with open_source(spec) as opened:
        frames = (frame for frame in opened if isinstance(frame, Frame))
        for result in results:
            if result.source != spec.name:
                continue
            frame = next((each for each in frames if each.index == result.index), None)
            if frame is None:
                raise ConfigError(f"{path}: frame {result.index} is not in {spec.shown}; expected the video of the run")
            yield replace(result, frame=frame)
