"""What a file holds beside pictures and sound: its title, when it was made, chapters; and what of it is left out."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from av.container import InputContainer, OutputContainer
from av.stream import Discard

from streamdet.errors import DecodeError
from streamdet.media.border import errors_of
from streamdet.media.container import open_file
from streamdet.media.timeline import beginning_s

_log = logging.getLogger(__name__)

# Of the file itself, and not of what it shows.
_OWN = frozenset({"compatible_brands", "duration", "encoder", "major_brand", "minor_version"})


@dataclass(frozen=True, slots=True)
class Extras:
    """Tags and chapters, for an output whose times are those of the source.

    Attributes:
        tags: such as title and creation_time.
        chapters: as PyAV has them.
    """

    tags: dict[str, str] = field(default_factory=dict)
    chapters: list[Any] = field(default_factory=list)

    def add_to(self, output: OutputContainer) -> None:
        """Add them to a container that is about to be written."""
        output.metadata.update(self.tags)
        if self.chapters:
            output.set_chapters(self.chapters)


def extras_of(path: Path, start_s: float | None, end_s: float | None, shift_s: Fraction) -> Extras:
    """Read a file's tags and chapters; a warning names its tracks that are not copied.

    Args:
        path: the file.
        start_s, end_s: seconds from its beginning: chapters that lie outside are left out.
        shift_s: seconds by which the output is later than the source.
    """
    try:
        with errors_of(str(path)), open_file(path) as source:
            tags = {key: value for key, value in source.metadata.items() if key.lower() not in _OWN}
            zero_s = beginning_s(source)
            bounds = (None if at is None else float(zero_s) + at for at in (start_s, end_s))
            chapters = [_shifted(each, shift_s) for each in _inside(source, *bounds)]
            _tell_left_out(path, source, ("data", "attachment"))
            return Extras(tags, chapters)
    except DecodeError as error:
        _log.warning("%s; its title and chapters are left out", error)
        return Extras()


def _inside(source: InputContainer, start_s: float | None, end_s: float | None) -> list[Any]:
    return [
        chapter
        for chapter in source.chapters()
        if (start_s is None or chapter["end"] * _unit_s(chapter) > start_s)
        and (end_s is None or chapter["start"] * _unit_s(chapter) < end_s)
    ]


def _unit_s(chapter: Any) -> Fraction:
    return chapter["time_base"] or Fraction(1, 1000)


def _shifted(chapter: Any, shift_s: Fraction) -> Any:
    shift = round(shift_s / _unit_s(chapter))
    return {**chapter, "start": chapter["start"] + shift, "end": chapter["end"] + shift}


def tell_left_out(path: Path, target: str) -> None:
    """Say what else than pictures and sound a file holds, for an output that takes nothing of it.

    Args:
        path: the file.
        target: the output, as messages may show it.
    """
    with suppress(DecodeError), errors_of(str(path)), open_file(path) as source:
        names = [name for name in ("title", "creation_time") if name in source.metadata]
        chapters = len(source.chapters())
        more = [*names, *([_counted(chapters, "chapter")] if chapters else [])]
        _tell_left_out(path, source, ("subtitle", "data", "attachment"), more, target)


def _tell_left_out(
    path: Path, source: InputContainer, kinds: Sequence[str], more: Sequence[str] = (), target: str = "the output"
) -> None:
    # Chapters of mp4 are a track as well, which FFmpeg leaves out by itself.
    tracks = [stream for stream in source.streams if stream.type in kinds and stream.discard != Discard.all]
    left_out = Counter("timecode" if "timecode" in stream.metadata else stream.type for stream in tracks)
    what = [*more, *(_counted(count, f"{kind} track") for kind, count in left_out.items())]
    if what:
        _warn(f"{path}: not copied to {target}: {' and '.join(what)}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count > 1)}"


@lru_cache(maxsize=1000)  # each segment of an output reads them
def _warn(text: str) -> None:
    _log.warning("%s", text)
