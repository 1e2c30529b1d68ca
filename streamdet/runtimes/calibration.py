"""Calibration of a detector for int8 on videos: every other moment is used for it, the others to check the result.

Shapes: T frames, H, W pixels.
"""

from collections.abc import Sequence
from itertools import cycle, islice, pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streamdet.datasets.frames import VideoFile
from streamdet.errors import ConfigError
from streamdet.frames import RgbPicture
from streamdet.models.compress.int8 import calibrate
from streamdet.models.contract import InputSpec
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.runtimes.letterbox import shrink

_CLIPS, _FRAMES = 32, 8


def calibrate_on(detector: RecurrentDetector, videos: Sequence[Path]) -> None:
    """Calibrate on every other clip of `clips`.

    Raises:
        ConfigError: if a video is not there, or damaged.
        SourceError: if it is not a video.
    """
    looked_at = [clip for path in videos for clip in clips(path, detector.spec.input)[::2]]
    calibrate(detector, (torch.from_numpy(clip).permute(0, 3, 1, 2)[None] for clip in looked_at))


def unseen(videos: Sequence[Path], input_spec: InputSpec, size: tuple[int, int], least: int) -> list[NDArray[np.uint8]]:
    """What calibration did not look at.

    Args:
        videos: those of `calibrate_on`.
        input_spec: which images the detector takes.
        size: (height, width) of the model images, pixels.
        least: number of frames; short videos repeat some, and very short ones show what was used for calibration.

    Returns:
        (H, W, 3) uint8 RGB each.
    """
    parts = [clips(path, input_spec, size) for path in videos]
    frames = [frame for part in parts for clip in (part[1::2] or part) for frame in clip]
    return list(islice(cycle(frames), max(least, len(frames))))


def clips(path: Path, input_spec: InputSpec, size: tuple[int, int] | None = None) -> list[NDArray[np.uint8]]:
    """Up to 32 clips of up to 8 frames, spread evenly over a video.

    Args:
        path: a video file.
        input_spec: which images the detector takes.
        size: (height, width) of the model images, filled up to that; what fits the video when None.

    Returns:
        (T, H, W, 3) uint8 RGB each, in order.

    Raises:
        ConfigError: if it is not there, or damaged.
        SourceError: if it is not a video.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file" if not path.exists() else f"{path}: expected a video file")
    video = VideoFile(path)
    frames = len(video.times_s)
    letterbox = input_spec.letterbox(*video.size, size, video.pixel_aspect)
    height, width = size or (letterbox.model_height, letterbox.model_width)
    bounds = np.linspace(0, frames, min(_CLIPS, -(-frames // _FRAMES)) + 1).astype(int).tolist()
    found = []
    for start, stop in pairwise(bounds):
        images = list(video.read(start, min(start + _FRAMES, stop)))
        clip = np.full((len(images), height, width, 3), input_spec.padding, np.uint8)
        for image, out in zip(images, clip, strict=True):
            inside = out[: letterbox.model_height, : letterbox.model_width]
            shrink(RgbPicture(image), letterbox, input_spec.padding, inside)
        found.append(clip)
    return found
