"""What a classifier of clips gains by its LSTM, on the synthetic street: prints a table.

    python benchmarks/clip_classes.py --cache /tmp/clips

Four events happen on streets that training has seen, by cars and people that it has not: a car turns in or backs out, a
person runs across before or after a car passes. The two clips of a pair consist of the same pictures in another order,
so that a classifier without memory can only guess between two.

The backbone stays as it is. That of the detector, which is in the package, says in which part of the picture something
is; the features of random weights do not tell cars and people from the street.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streamdet.models.classify.network import ClipClassifier
from streamdet.scenes.events import EVENTS, Event, render_event
from streamdet.scenes.scene import SceneSpec
from streamdet.training.classify.clips import ClipSet, LabelledClip
from streamdet.training.classify.config import AugmentConfig, ClassifyConfig
from streamdet.training.classify.fit import ClipFit
from streamdet.training.classify.judge import Validation

FRAMES, FPS = 12, 4
HEIGHT, WIDTH = 96, 160
CLASSES = ("car_turns_in", "car_backs_out", "person_then_car", "car_then_person")


def clips_of(streets: int, takes: int, cache: Path) -> list[list[LabelledClip]]:
    """Of each of some streets every take of every event; the two clips of a pair consist of the same pictures."""
    cache.mkdir(parents=True, exist_ok=True)
    clips: list[list[LabelledClip]] = []
    for seed in range(streets):
        turns, runs = (_rendered(event, seed, takes, cache) for event in (EVENTS[0], EVENTS[2]))
        clips.append([])
        for turn, run in zip(turns, runs, strict=True):
            swapped = np.concatenate([run[FRAMES // 2 :], run[: FRAMES // 2]])
            four = enumerate((turn, turn[::-1], run, swapped))
            clips[-1] += [LabelledClip(cache, number, frames) for number, frames in four]
    return clips


def _rendered(event: Event, seed: int, takes: int, cache: Path) -> NDArray[np.uint8]:
    """(takes, T, H, W, 3)."""
    path = cache / f"{event}-{seed}-{takes}.npy"
    if not path.is_file():
        spec = SceneSpec(seed=seed, width=WIDTH, height=HEIGHT, fps=Fraction(FPS), frames=FRAMES, hour=0.2)
        pictures = [frame.image for frame in render_event(event, spec, takes)]
        np.save(path, np.stack(pictures).reshape(takes, FRAMES, HEIGHT, WIDTH, 3))
    frames: NDArray[np.uint8] = np.load(path)
    return frames


def main() -> None:
    """Render, train twice, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of rendered clips and of the runs")
    parser.add_argument("--streets", type=int, default=4)
    parser.add_argument("--takes", type=int, default=24, help="on each street; a quarter of them to validate on")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--backbone", default="street", help="street, or one of torchvision")
    parser.add_argument("--weights", default="DEFAULT", help="see configs/classify.yaml")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    streets = clips_of(arguments.streets, arguments.takes, arguments.cache)
    held = len(CLASSES) * max(1, arguments.takes // 4)
    train = [clip for clips in streets for clip in clips[held:]]
    val = [clip for clips in streets for clip in clips[:held]]
    clips = ClipSet(CLASSES, train, val)
    config = ClassifyConfig(
        backbone=arguments.backbone,
        freeze=True,
        copies=4,
        size=(HEIGHT, WIDTH),
        fps=float(FPS),
        frames=FRAMES,
        hidden=128,
        epochs=arguments.epochs,
        batch=16,
        rate=3e-3,
        dropout=0.3,
        carry=0.0,
        augment=AugmentConfig(rotation_deg=5.0, shift=0.05),
    )
    rows = []
    held_out = Validation(val, 16)
    for name, forgetful in (("with memory", False), ("without", True)):
        own = config.model_copy(update={"forgetful": forgetful})
        torch.manual_seed(0)
        fit = ClipFit(ClipClassifier(own.spec(CLASSES), arguments.weights), clips, own)
        folder = arguments.cache / name.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        fit.run(folder, lambda row: print({key: round(value, 3) for key, value in row.items()}, flush=True))
        rows.append((name, held_out.judge(fit.model).accuracy))
        if not forgetful:
            shuffled = [held_out.judge(fit.model, shuffle=seed).accuracy for seed in range(5)]
            rows.append(("with memory, frames shuffled", float(np.mean(shuffled))))
    print(f"\n{len(train)} clips to train on, {len(val)} to validate on, {config.epochs} epochs\n")
    print("| classifier | right |\n| --- | --- |")
    for name, accuracy in rows:
        print(f"| {name} | {accuracy:.2f} |")


if __name__ == "__main__":
    main()
