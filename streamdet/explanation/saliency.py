"""Which of the last frames, and which places in them, a box rests on.

Shapes: N frames, H, W pixels of the model image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamdet.boxes import box_iou
from streamdet.explanation.gates import network_of
from streamdet.explanation.support import scores_at
from streamdet.models.contract import Detector, Memory
from streamdet.models.options import DetectOptions
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.state import State

_BLUR = 0.02  # of the width
_CLEARLY_IOU = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One frame as the detector saw it.

    Attributes:
        image: (3, H, W) uint8 RGB, the model image.
        state: before the frame.
        dt_s: seconds since the frame before.
    """

    image: NDArray[np.uint8]
    state: Memory
    dt_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Saliency:
    """What a box in the last of N frames rests on.

    Attributes:
        frames: (N,) float64, each frame's part in it, of sum 1; zeros where none can be told.
        maps: (N, H, W) float32, 0 to 1 over all of them, by gradient; None where it was found by hiding frames.
    """

    frames: NDArray[np.float64]
    maps: NDArray[np.float32] | None


def saliency(detector: Detector, looks: Sequence[Look], box: NDArray[np.float32], options: DetectOptions) -> Saliency:
    """What a box rests on: by gradient where the detector is ours in torch, else by hiding each frame in turn.

    Args:
        detector: that found it.
        looks: N frames up to the one with the box.
        box: (4,) xyxy, pixels of the model image.
        options: of weak boxes.
    """
    model = network_of(detector)
    if isinstance(model, RecurrentDetector):
        return _by_gradient(model, looks, box)
    return _by_hiding(detector, looks, box, options)


def _by_gradient(model: RecurrentDetector, looks: Sequence[Look], box: NDArray[np.float32]) -> Saliency:
    device = model.device
    with torch.enable_grad():
        images = torch.from_numpy(np.stack([look.image for look in looks])[None]).to(device).float().requires_grad_()
        first = looks[0].state
        state = first if isinstance(first, State) else State.from_arrays(first.to_arrays())
        state = state.to(device).each(torch.clone)
        dt_s = torch.tensor([[look.dt_s for look in looks]], device=device)
        raw, _ = model(images, state, dt_s)
        boxes, scores = model.decode(raw, *images.shape[-2:])
        overlap = torch.from_numpy(box_iou(box[None], boxes[0, -1].detach().float().cpu().numpy())[0]).to(device)
        best = scores[0, -1].max(1).values
        wanted = torch.where(overlap >= min(_CLEARLY_IOU, float(overlap.max())), best, best.new_zeros(()))
        [gradient] = torch.autograd.grad(wanted.max().clamp(min=1e-6).log(), images)
    heat = gradient[0].abs().sum(1).float().cpu().numpy()
    blurred = np.stack([cv2.GaussianBlur(each, (0, 0), max(1.0, _BLUR * each.shape[1])) for each in heat])
    sums = heat.sum(axis=(1, 2), dtype=np.float64)
    return Saliency(
        sums / max(float(sums.sum()), 1e-12), (blurred / max(float(blurred.max()), 1e-12)).astype(np.float32)
    )


def _by_hiding(detector: Detector, looks: Sequence[Look], box: NDArray[np.float32], options: DetectOptions) -> Saliency:
    whole = _score(detector, looks, box, options, hidden=None)
    lost = [max(whole - _score(detector, looks, box, options, hidden=n), 0.0) for n in range(len(looks))]
    return Saliency(np.array(lost) / max(sum(lost), 1e-12), None)


def _score(
    detector: Detector, looks: Sequence[Look], box: NDArray[np.float32], options: DetectOptions, hidden: int | None
) -> float:
    """Of the box in the last frame, where one of them is grey."""
    state = looks[0].state
    for number, look in enumerate(looks):
        image = np.full_like(look.image, 114) if number == hidden else look.image
        outputs, state = detector.step(image[None, None], state, np.array([[look.dt_s]], np.float32))
    [[found]] = outputs.detections(options)
    return float(scores_at(box[None], found)[0])
