"""Boxes beside a video instead of in it: events of a subtitle track, and cues of WebVTT with the detections as JSON.

While a run lasts, both are lines of a text file, in the order of their start: `event` or `cue`, start and end in
milliseconds of the source's time, and what they hold. At its end that becomes an .ass or a .vtt file, or a track.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_LONGEST_MS = 2000
_EARLY_MS = 1


class Shown(NamedTuple):
    """Something that is shown from a start to an end.

    Attributes:
        kind: event or cue.
        start_ms, end_ms: of the source's time.
        content: of an event `layer,style,text`, of a cue its text.
    """

    kind: str
    start_ms: int
    end_ms: int
    content: str


class Events:
    """Joins what frames show: one event from the frame where something appears to the one where it has changed.

    At every other second, what is shown ends and starts again: players that jump into a video find only what starts
    soon after.

    Args:
        kind: of what is made.
        opened: start and content of what is shown, from `opened` of another one.
        last_ms: time of the last frame that was given to that.
    """

    def __init__(self, kind: str, opened: Sequence[tuple[int, str]] = (), last_ms: int | None = None) -> None:
        self._kind = kind
        self._open = {content: start_ms for start_ms, content in opened}
        self._ended: list[Shown] = []
        self._last_ms = last_ms

    @property
    def opened(self) -> list[tuple[int, str]]:
        """What is shown now, and since when."""
        return [(start_ms, content) for content, start_ms in self._open.items()]

    def frame(self, at_ms: int, contents: Sequence[str]) -> list[Shown]:
        """The next frame: what is in it.

        Returns:
            What has ended, in the order of its start; that may take two seconds.
        """
        last_ms, self._last_ms = self._last_ms, at_ms
        self._end(at_ms, set(self._open).difference(contents))
        for content in contents:
            self._open.setdefault(content, at_ms)
        is_due = last_ms is not None and at_ms // _LONGEST_MS != last_ms // _LONGEST_MS
        return self.cut(at_ms) if is_due else []

    def cut(self, at_ms: int) -> list[Shown]:
        """End what is shown since before then, and show it again from then on; gives all that has ended."""
        earlier = {content for content, start_ms in self._open.items() if start_ms < at_ms}
        self._end(at_ms, earlier, again=True)
        ended, self._ended = sorted(self._ended, key=lambda shown: shown.start_ms), []
        return ended

    def close(self, at_ms: int) -> list[Shown]:
        """End everything."""
        self._end(at_ms, set(self._open))
        return self.cut(at_ms)

    def _end(self, at_ms: int, contents: set[str], *, again: bool = False) -> None:
        for content in [content for content in self._open if content in contents]:
            start_ms = self._open[content]
            if again:
                self._open[content] = at_ms
            else:
                del self._open[content]
            if at_ms > start_ms:
                self._ended.append(Shown(self._kind, start_ms, at_ms, content))


def line_of(shown: Shown) -> bytes:
    """As it stands in the text file."""
    return ("\t".join([shown.kind, str(shown.start_ms), str(shown.end_ms), shown.content]) + "\n").encode()


def read_lines(path: Path, kind: str) -> Iterator[Shown]:
    """Those of one kind, in the order of their start.

    Raises:
        OSError: it cannot be read.
    """
    with path.open(encoding="utf-8") as file:
        for line in file:
            found, start_ms, end_ms, content = line.rstrip("\n").split("\t", 3)
            if found == kind:
                yield Shown(kind, int(start_ms), int(end_ms), content)


def shifted(shown: Iterable[Shown], by_ms: int = 0) -> Iterator[Shown]:
    """Later by so much; and a millisecond early, so that rounded times never show a frame with the boxes before it."""
    for each in shown:
        yield each._replace(start_ms=each.start_ms + by_ms - _EARLY_MS, end_ms=each.end_ms + by_ms - _EARLY_MS)


def script_lines(header: str, events: Iterable[Shown]) -> Iterator[str]:
    """The lines of an .ass file. Its times are hundredths of a second."""
    yield header
    for shown in events:
        start, end = max(0, shown.start_ms // 10), shown.end_ms // 10
        if end > start:
            layer, style, text = shown.content.split(",", 2)
            yield f"Dialogue: {layer},{_script_time(start)},{_script_time(end)},{style},,0,0,0,,{text}\n"


def script_packet(number: int, shown: Shown) -> bytes:
    """An event as Matroska holds it. Source: matroska.org/technical/subtitles.html, S_TEXT/ASS."""
    layer, style, text = shown.content.split(",", 2)
    return f"{number},{layer},{style},,0,0,0,,{text}".encode()


def cue_lines(cues: Iterable[Shown]) -> Iterator[str]:
    """The lines of a .vtt file. Source: W3C WebVTT."""
    yield "WEBVTT\n"
    for shown in cues:
        if shown.end_ms <= 0:
            continue
        yield f"\n{_cue_time(max(0, shown.start_ms))} --> {_cue_time(shown.end_ms)}\n{shown.content}\n"


def _script_time(hundredths: int) -> str:
    seconds, hundredths = divmod(hundredths, 100)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{hundredths:02}"


def _cue_time(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
