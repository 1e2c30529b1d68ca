"""Makes training pictures with torch, on the device that holds the footage: on a GPU they never pass through the CPU.

Shapes: T frames, h, w pixels of the footage, H, W pixels of the training image ("canvas").
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamdet.models.recurrent.config import PADDING_GREY
from streamdet.training.augment import FramePlan, Generator, Occluder
from streamdet.training.footage import Footage

_FOOTAGE_SHARE = 0.6
"""Of the device's free memory; the rest is for training."""
# ITU-R BT.601.
_LUMINANCE = (0.299, 0.587, 0.114)


class Painter:
    """Keeps the footage on the device as uint8, as far as it fits, and paints a clip at a time there.

    Attributes:
        resident: the sets whose frames lie on the device; the others are sent frame by frame.
    """

    def __init__(self, device: torch.device, footages: Sequence[Footage]) -> None:
        self._device = device
        self._frames: list[Tensor] = []
        self._plans: list[FramePlan] = []
        self._seeds: list[int] = []
        self._pixels: dict[Footage, Tensor] = {}
        self.resident: list[str] = []
        room = _FOOTAGE_SHARE * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")
        for footage in footages:
            # Mode c lets torch have it as memory to write to, which no code does; nothing is copied here.
            pixels = torch.from_numpy(np.memmap(footage.cache.path, np.uint8, "c"))
            if pixels.nbytes <= room:
                room -= pixels.nbytes
                pixels = pixels.to(device)
                self.resident.append(footage.name)
            self._pixels[footage] = pixels

    def add(self, footage: Footage, video: int, index: int, plan: FramePlan, rng: Generator) -> None:
        """Add the next frame of a clip: which one, and what is done to it. The seed of its grain is drawn from rng."""
        start, height, width = footage.cache.place(video, index)
        frame = self._pixels[footage][start : start + height * width * 3].view(height, width, 3)
        self._frames.append(frame.to(self._device, non_blocking=True))
        self._plans.append(plan)
        self._seeds.append(int(rng.integers(1 << 62)) if plan.noise else 0)

    def finish(self) -> Tensor:
        """(T, 3, H, W) uint8 RGB: the clip of the frames that were added."""
        clip = paint_clip(torch.stack(self._frames), self._plans, self._seeds)
        self._frames, self._plans, self._seeds = [], [], []
        return clip


def paint_clip(frames_ThwC: Tensor, plans: Sequence[FramePlan], seeds: Sequence[int]) -> Tensor:
    """Training pictures of one clip.

    Args:
        frames_ThwC: (T, h, w, 3) uint8 RGB.
        plans: what is done to each; canvas, colours and saturation are those of the first.
        seeds: draw the grain of each.

    Returns:
        (T, 3, H, W) uint8 RGB, on the same device.
    """
    first = plans[0]
    x = frames_ThwC.permute(0, 3, 1, 2).float()
    if first.halved:
        x = F.avg_pool2d(x, 2).round()
    clip = _recolour(_warp(x, plans), first)
    for t, (plan, seed) in enumerate(zip(plans, seeds, strict=True)):
        for occluder in plan.occluders:
            _cover(clip[t], occluder)
        clip[t] = _spoil(clip[t], plan, seed)
    return clip.to(torch.uint8)


def _warp(x_TChw: Tensor, plans: Sequence[FramePlan]) -> Tensor:
    """(T, 3, H, W) float32, 0 to 255, whole numbers; bilinear, grey outside of the picture."""
    height, width = x_TChw.shape[-2:]
    H, W = plans[0].canvas
    scale = torch.tensor(np.array([plan.matrix[[0, 1], [0, 1]] for plan in plans]), dtype=torch.float32)
    shift = torch.tensor(np.array([plan.matrix[:, 2] for plan in plans]), dtype=torch.float32)
    scale, shift = scale.to(x_TChw.device), shift.to(x_TChw.device)
    # From pixels of the canvas back to pixels of the frame, then to -1 (centre of the first) .. 1 (of the last).
    columns = (torch.arange(W, device=x_TChw.device) - shift[:, :1]) / scale[:, :1] * (2 / (width - 1)) - 1
    rows = (torch.arange(H, device=x_TChw.device) - shift[:, 1:]) / scale[:, 1:] * (2 / (height - 1)) - 1
    grid = torch.stack((columns[:, None].expand(-1, H, -1), rows[:, :, None].expand(-1, -1, W)), dim=-1)
    # Zeros stand for grey, so that edges fade into it.
    warped = F.grid_sample(x_TChw - PADDING_GREY, grid, "bilinear", "zeros", align_corners=True)
    return (warped + PADDING_GREY).round()


def _recolour(x_TCHW: Tensor, plan: FramePlan) -> Tensor:
    table = torch.from_numpy(plan.colours[0].T.copy()).to(x_TCHW.device).float()
    index = x_TCHW.long().transpose(0, 1).flatten(1)
    out = table.gather(1, index).view(3, -1, *x_TCHW.shape[2:]).transpose(0, 1)
    if abs(plan.saturation - 1) > 0.05:
        weights = torch.tensor(_LUMINANCE, device=out.device)[:, None, None]
        grey = (out * weights).sum(dim=1, keepdim=True).round()
        out = (out * plan.saturation + grey * (1 - plan.saturation)).round().clamp(0, 255)
    return out.contiguous()


def _cover(x_CHW: Tensor, occluder: Occluder) -> None:
    """Draw into the picture."""
    x1, y1, x2, y2 = occluder.box
    texture = torch.from_numpy(occluder.texture).to(x_CHW.device).permute(2, 0, 1)[None].float()
    stretched = F.interpolate(texture, (y2 - y1, x2 - x1), mode="bilinear", align_corners=False)
    x_CHW[:, y1:y2, x1:x2] = stretched[0].round()


def _spoil(x_CHW: Tensor, plan: FramePlan, seed: int) -> Tensor:
    if plan.blur is not None:
        reach = len(plan.blur) // 2
        kernel = torch.from_numpy(plan.blur).to(x_CHW.device)[None, None]
        x_CHW = F.conv2d(F.pad(x_CHW[:, None], (reach,) * 4, mode="reflect"), kernel)[:, 0].round()
    if plan.brightness is not None:
        x_CHW = (x_CHW * plan.brightness).round()
    if plan.jpeg_quality is not None:
        # Through the CPU: about one frame in fifty, and no codec of one maker's GPUs is needed.
        image = x_CHW.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, plan.jpeg_quality])
        compressed = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        x_CHW = torch.from_numpy(compressed).to(x_CHW.device).permute(2, 0, 1).float()
    if plan.noise:
        generator = torch.Generator(x_CHW.device).manual_seed(seed)
        grain = torch.randn(x_CHW.shape, generator=generator, device=x_CHW.device) * plan.noise
        x_CHW = (x_CHW + grain.trunc()).clamp(0, 255)
    return x_CHW
