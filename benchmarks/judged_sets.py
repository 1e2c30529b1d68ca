"""What a recipe keeps for judging, and synthetic streets, as memory.py judges on them."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from memory_gain import shorten

from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.mix import map_classes
from streamdet.errors import ConfigError, StreamdetError
from streamdet.training.config import TrainingConfig
from streamdet.training.prepare import open_validation
from streamdet.training.synthetic import RATES, synthetic_set
from streamdet.yaml_file import load_yaml

SCENES = "scenes"
_CLIPS = 4
_SEED = 90_000
"""Streets that no recipe trains on: those begin at their own, small seeds."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which sets, and how much of them."""
    parser.add_argument("recipe", type=Path, help="a training recipe: its hold-outs and validation sets are judged")
    parser.add_argument("--data", type=Path, help="folder of the recipe's sets, instead of its own")
    parser.add_argument("--sets", help="only these, separated by commas; scenes is the synthetic street")
    parser.add_argument("--max-frames", type=int, help="of every video, and stills of every set, to try it out")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of what is written")


def open_sets(
    options: argparse.Namespace, *, width: int, height: int, frames: int, rates: Sequence[Fraction] = RATES
) -> dict[str, LabelledSet]:
    """Open what the options ask for.

    Args:
        options: see add_options.
        width, height: of the synthetic streets, pixels.
        frames: of each.
        rates: frames a second, in turn.

    Raises:
        ConfigError: if there is no such set.
    """
    overrides = [] if options.data is None else [f"data={json.dumps(str(options.data))}"]
    config = load_yaml(options.recipe, TrainingConfig, overrides)
    sets = dict(open_validation(config))
    wanted = [*sets, SCENES] if config.scenes is not None else [*sets]
    if options.sets is not None:
        wanted = options.sets.split(",")
    for name in wanted:
        if name not in (*sets, SCENES):
            raise ConfigError(f"--sets: {name} is none of {', '.join((*sets, SCENES))}")
    if SCENES in wanted:
        frames, folder = min(frames, options.max_frames or frames), options.output / "cache"
        streets = synthetic_set(
            folder, clips=_CLIPS, frames=frames, width=width, height=height, seed=_SEED, rates=rates
        )
        sets[SCENES] = map_classes(streets, config.model.classes)
    chosen = {name: sets[name] for name in wanted}
    return {name: shorten(one, options.max_frames) if options.max_frames else one for name, one in chosen.items()}


def run(
    name: str,
    options: argparse.Namespace,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    markdown: Callable[[dict[str, Any]], str],
) -> dict[str, Any] | None:
    """Measure, write name.json and name.md, and print the latter; None, and why, where the command is wrong."""
    try:
        result = measure(options)
    except StreamdetError as error:
        print(f"error: {error}", file=sys.stderr)
        return None
    text = markdown(result)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (options.output / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
    return result


def is_video(labelled: LabelledSet) -> bool:
    """Whether a set has more than stills."""
    return max(len(video) for video in labelled.videos) > 1
