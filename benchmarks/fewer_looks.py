"""What `--every N|auto` costs in accuracy: AP50 over all frames, of which the detector sees only some.

    python benchmarks/fewer_looks.py vehicle=street/labels.json:cam07355 vehicle=street/labels.json:sf_hill:330:500 \
        --data DATA --model street

Against the object memory, which predicts the other frames, stands a detector whose last boxes stay until its next look.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from object_memory import Clip, judged_as, open_clips
from steadiness import Matches

from streamdet.detections import Detections
from streamdet.runtimes.loading import load
from streamdet.stages.looking import Looking
from streamdet.tracking.memory.association import MIN_SCORE
from streamdet.tracking.memory.memory import MIN_PROBABILITY
from streamdet.tracking.memory.tracker import MemoryTracker
from streamdet.tracking.options import TrackOptions

EVERY: Sequence[Any] = (1, 2, 3, 5, 8, "auto")


def looked_at(clip: Clip, every: Any) -> tuple[list[Detections], list[Detections], int]:
    """Detections of all frames by the object memory, and by keeping the last ones; and the number of looks."""
    memory, looking = MemoryTracker(TrackOptions(), MIN_PROBABILITY), Looking(every)
    carried, kept, looks = [], [], 0
    size, starts = (clip.video.width, clip.video.height), {start for start, _ in clip.video.segments}
    for frame, (found, time_s) in enumerate(zip(clip.found, clip.video.times_s.tolist(), strict=True)):
        if frame in starts:
            memory.reset()
            looking.reset()
        if looking.due(time_s):
            looking.looked(found[found.scores >= MIN_SCORE], time_s)
            looks += 1
            last = found
            carried.append(memory.update(found, time_s, size))
        else:
            carried.append(memory.carry(time_s, size))
        kept.append(last)
    return carried, kept, looks


def ap50(clips: Sequence[Clip], outputs: Sequence[Sequence[Detections]]) -> float:
    """Of all clips together."""
    judged = [judged_as(clip, found) for clip, found in zip(clips, outputs, strict=True)]
    return Matches([clip.truth for clip in clips], judged).ap()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("sets", nargs="+", help="vehicle=SET or person=SET, with :VIDEO:START:STOP where wanted")
    parser.add_argument("--data", type=Path, default=Path(), help="folder that the sets are in")
    parser.add_argument("--model", default="street", help="a detector")
    parser.add_argument("--min-px", type=float, default=8.0, help="smaller objects do not count")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of the detections that are kept")
    options = parser.parse_args()
    model = load(options.model)
    for text in options.sets:
        clips = open_clips(text, options.data, model, options.output / "cache", options.min_px)
        print(f"### {options.model}, {text}\n\n| every | frames looked at | object memory | last boxes |")
        print("| --- | --- | --- | --- |")
        for every in EVERY:
            carried, kept, looks = zip(*(looked_at(clip, every) for clip in clips), strict=True)
            share = 100 * np.sum(looks) / sum(len(clip.found) for clip in clips)
            print(f"| {every} | {share:.0f} % | {100 * ap50(clips, carried):.1f} | {100 * ap50(clips, kept):.1f} |")
        print()


if __name__ == "__main__":
    main()
