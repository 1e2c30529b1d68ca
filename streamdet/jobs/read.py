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
    if video is None:
        return results
    [spec] = expand_sources([str(video)])
    return with_pictures(results, spec.name, video)


def with_pictures(results: Iterator[Result], source: str, video: str | Path) -> Iterator[Result]:
    """The results of one source with the pictures of its video.

    Raises:
        ConfigError: the video lacks one of their frames.
        SourceError: it cannot be read.
    """
    [spec] = expand_sources([str(video)])
    with open_source(spec) as opened:
        frames = (frame for frame in opened if isinstance(frame, Frame))
        for result in results:
            if result.source != source:
                continue
            frame = next((each for each in frames if each.index == result.index), None)
            if frame is None:
                raise ConfigError(f"{spec.shown}: has no frame {result.index}; expected the video that boxes are of")
            yield replace(result, frame=frame)
