"""Which pictures are frames of one video, and which are stills: told by their names, or by the user.

A name that ends in a number is a frame where a video is named in it (`street_mp4-0012_jpg.rf.<hash>`, `gate.mp4_12`),
where the word before the number is `frame`, and where the numbers of a folder follow each other in steady steps
(`0000` to `0049`, or every fifth), without names that cameras give to photographs (`IMG_0001`). Pictures of several
sizes, or several of one number, are stills.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from streamdet.datasets.frames import DEFAULT_RATE

_ROBOFLOW = re.compile(r"(?P<stem>.+)_(?:jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9A-Za-z_-]+", re.IGNORECASE)
# Label Studio puts eight hexadecimal digits before the name of what is uploaded.
_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")
_NUMBERED = re.compile(r"(?P<video>.*?[-_. (]?)(?P<number>\d{1,12})\)?")
_NAMES_A_VIDEO = re.compile(
    r".+[-_.](?:mp4|mov|avi|mkv|webm|m4v|mpe?g|wmv|flv|ts|mts)(?:[-_. ]*frame)?[-_. ]?"
    r"|(?:.*[-_. ])?(?:frame|frm)s?[-_. (]?",
    re.IGNORECASE,
)
_CAMERA = re.compile(
    r"(?:IMG|DSC[NF]?|_DSC|_MG|MVIMG|PXL|SAM|GOPR|GP|DJI|[CK]IMG|PICT|P|HPIM|PHOTO|[Pp]hoto|Screenshot|WhatsApp Image)"
    r"[-_ \d]*(?:WA)?"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a user says of the pictures of a set.

    Attributes:
        stills: True: none follows another; False: numbered ones are frames of a video; None: their names tell.
        fps: numbers a second, where pictures are frames of a video; None: 25.
    """

    stills: bool | None = None
    fps: float | None = None

    @property
    def rate(self) -> float:
        """Numbers a second."""
        return self.fps or DEFAULT_RATE


@dataclass(frozen=True, slots=True)
class Run:
    """Pictures of one video, or one still: the positions of its pictures in the list, by ascending number."""

    name: str
    numbers: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.numbers)


def arrange(names: Sequence[PurePath], sizes: Sequence[tuple[int, int]], order: Order) -> list[Run]:
    """Group pictures by their names (relative, with or without ending) and sizes (width, height)."""
    groups: dict[tuple[PurePath, str], list[tuple[int, int]]] = defaultdict(list)
    stills = []
    for position, name in enumerate(names):
        match = None if order.stills else _NUMBERED.fullmatch(original_stem(name.name))
        if match:
            groups[name.parent, match["video"]].append((int(match["number"]), position))
        else:
            stills.append(position)
    runs = []
    for (folder, start), members in groups.items():
        if _is_video(start, [number for number, _ in members], {sizes[position] for _, position in members}, order):
            runs.append(Run((folder / start.rstrip("-_. (")).as_posix(), dict(sorted(members))))
        else:
            stills += [position for _, position in members]
    return runs + [Run(names[position].as_posix(), {0: position}) for position in sorted(stills)]


def original_stem(file_name: str) -> str:
    """The name that a picture had before it was uploaded and exported, without its ending."""
    stem = re.sub(r"\.(?:jpe?g|png|bmp|webp|tiff?)$", "", file_name, flags=re.IGNORECASE)
    match = _ROBOFLOW.fullmatch(stem)
    return _UPLOAD.sub("", match["stem"] if match else stem, count=1)


def explain(runs: Sequence[Run], names: Sequence[PurePath], order: Order) -> list[str]:
    """A line on what the names were taken to mean, where the user did not say it and another meaning is possible."""
    notes = []
    videos = [run for run in runs if len(run) > 1]
    if videos and (order.stills is None or order.fps is None):
        frames, first = sum(map(len, videos)), list(videos[0].numbers.values())
        some = f"{names[first[0]].name} to {names[first[-1]].name}"
        rate = f"{order.rate:g} frames/s{'' if order.fps else ' (assumed)'}"
        notes.append(
            f"{frames} pictures are read as frames of {_count(len(videos), 'video')} at {rate}, such as {some}; "
            "the options stills and fps say otherwise"
        )
    numbered = [run.name for run in runs if len(run) == 1 and re.search(r"\d$", original_stem(PurePath(run.name).name))]
    if order.stills is None and len(numbered) > 1:
        notes.append(
            f"{len(numbered)} numbered pictures are read as stills, such as {numbered[0]}; if they are frames of a "
            "video, set stills to false"
        )
    return notes


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _is_video(start: str, numbers: list[int], sizes: set[tuple[int, int]], order: Order) -> bool:
    if len(sizes) > 1 or len(set(numbers)) < len(numbers):
        return False
    if order.stills is False or _NAMES_A_VIDEO.fullmatch(start):
        return True
    if _CAMERA.fullmatch(start):
        return False
    steps = Counter(b - a for a, b in pairwise(sorted(numbers)))
    return not steps or max(steps.values()) > steps.total() / 2
