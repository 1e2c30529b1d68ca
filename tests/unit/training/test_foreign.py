"""Detectors of other libraries are trained through time by their own losses."""

import numpy as np
import torch
from small_fcos import small_fcos

from streamdet.boxes import box_iou
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.options import DetectOptions
from streamdet.training.clips import ClipBatch
from streamdet.training.config import PhaseConfig
from streamdet.training.foreign import ForeignMethod, paint_over
from streamdet.training.loss import Targets
from streamdet.training.ranks import Ranks

SIDE, SQUARE, LANES, FRAMES = 64, 16, 4, 6
PHASE = PhaseConfig(
    name="temporal", steps=1, frames=FRAMES, lanes=LANES, canvases=((SIDE, SIDE),), learning_rate=1e-3, alpha=(1.0, 1.0)
)
CONFIG = ForeignConfig(name="squares", detector="torchvision/fcos_resnet50_fpn", classes=("square",))


def clips(seed, lanes=LANES, frames=FRAMES):
    """A square that moves over noise; of three frames the last shows noise alone, and it is there all the same."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (lanes, frames, 3, SIDE, SIDE), np.uint8)
    targets = []
    for lane in range(lanes):
        at, velocity = rng.integers(8, SIDE - SQUARE - 8, 2), rng.integers(-1, 2, 2)
        row = []
        for t in range(frames):
            x, y = at + t * velocity
            if t % 3 != 2:
                images[lane, t, :, y : y + SQUARE, x : x + SQUARE] = rng.integers(180, 256)
            box = torch.tensor([[x, y, x + SQUARE, y + SQUARE]], dtype=torch.float32)
            row.append(
                Targets(box, torch.zeros(1, dtype=torch.long), torch.zeros(0, 4), torch.ones(1, dtype=torch.bool))
            )
        targets.append(row)
    return ClipBatch(
        torch.from_numpy(images),
        torch.full((lanes, frames), 0.1),
        targets,
        torch.zeros(lanes, dtype=torch.bool),
        torch.zeros(0, 2, dtype=torch.long),
        torch.zeros(0, 3, SIDE, SIDE, dtype=torch.uint8),
    )


def found_in(model, batch):
    """(lanes, T) bool: where the best box, if it is likely, lies on the object."""
    outputs, _ = ForeignMethod(CONFIG).ready(model.eval(), torch.device("cpu")).step(batch.images)
    hit = np.zeros(batch.images.shape[:2], bool)
    for lane, row in enumerate(outputs.detections(DetectOptions(conf=0.3, max_detections=1))):
        for t, found in enumerate(row):
            true = batch.targets[lane][t].boxes.numpy()
            hit[lane, t] = len(found) > 0 and box_iou(found.boxes, true)[0, 0] > 0.5
    return hit


def test_hidden_objects_are_found_by_memory_alone():
    model, method = small_fcos(), ForeignMethod(CONFIG)
    method.start_memory(model, clips(0).images, Ranks())
    model.set_alpha(1.0)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    model.train()
    for step in range(220):
        batch = clips(step)
        losses, _ = method.losses(model, PHASE, batch, model.zero_state(LANES, SIDE, SIDE), Ranks())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    judged = clips(10_000, lanes=24)
    hidden = np.arange(FRAMES) % 3 == 2
    with_memory = found_in(model, judged)
    assert with_memory[:, ~hidden].sum() >= 94, "of 96 where it is seen"
    assert with_memory[:, hidden].sum() >= 46, "of 48 where it is not"
    model.set_alpha(0.0)
    without = found_in(model, judged)
    assert without[:, hidden].sum() <= 4


def test_frames_without_labels_are_left_out_of_the_loss():
    """They are seen by the memory: the loss is that of the labelled frames alone, and depends on the others' pixels."""
    model, method = small_fcos().train(), ForeignMethod(CONFIG)
    method.start_memory(model, clips(0).images, Ranks())
    batch, zeros = clips(1), model.zero_state(LANES, SIDE, SIDE)
    unlabelled = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, 4), torch.zeros(1).bool())
    for lane in batch.targets:
        lane[1] = unlabelled
    losses, after = method.losses(model, PHASE, batch, zeros, Ranks())
    kept = [t for t in range(FRAMES) if t != 1]
    shown = list((batch.images[:, kept].flatten(0, 1).float() / 255).unbind())
    true = [{"boxes": lane[t].boxes, "labels": lane[t].class_ids + 1} for lane in batch.targets for t in kept]
    own = model.network.model(shown, true)
    for name, loss in own.items():
        torch.testing.assert_close(losses[name], loss)

    model.set_alpha(1.0)
    remembered, _ = method.losses(model, PHASE, batch, zeros, Ranks())
    batch.images[:, 1] = 0
    changed, _ = method.losses(model, PHASE, batch, zeros, Ranks())
    assert abs(changed["loss"].item() - remembered["loss"].item()) > 1e-4
    changed["loss"].backward()
    assert model.memory.of("0").cell.hidden_pointwise.weight.grad.abs().max() > 0

    for lane in batch.targets:
        lane[:] = [unlabelled] * FRAMES
    nothing, watched = method.losses(model, PHASE, batch, zeros, Ranks())
    assert nothing["loss"].item() == 0
    assert watched.ages.tolist() == after.ages.tolist() == [FRAMES] * LANES
    assert watched.cell[0].abs().max() > 0
    nothing["loss"].backward()


def test_norms_are_not_trained_on_frames_of_one_scene():
    model = small_fcos().train()
    assert model.training
    before = model.network.model.backbone.layers[0][1].running_mean.clone()
    ForeignMethod(CONFIG).losses(model, PHASE, clips(1), model.zero_state(LANES, SIDE, SIDE), Ranks())
    assert torch.equal(model.network.model.backbone.layers[0][1].running_mean, before)


def test_ignore_regions_are_painted_over_but_for_objects():
    image = torch.zeros(3, 8, 8)
    boxes, area = torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[0.0, 0, 4, 3]])
    paint_over(image, Targets(boxes, torch.zeros(1, dtype=torch.long), area, torch.ones(1).bool()))
    assert (image[0] == 114).sum() == 12 - 4
    assert image[:, :2, :2].max() == 0
