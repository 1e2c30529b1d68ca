"""How far a command is: a bar on a terminal, elsewhere a line now and then."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from streamdet.cli.messages import log, says_json
from streamdet.frames import StreamInfo

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

_LINE_EVERY_S = 5.0  # where lines are asked for
_UNASKED_EVERY_S = 60.0  # elsewhere: a log of hours shows that the command is alive, a short one stays empty


class ShownProgress(Protocol):
    """Told how videos continue, each by its name. A context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def begin(self, name: str, frames: int | None, done: int = 0) -> None:
        """A video starts; frames: how many it will be, None where nothing is known; done: of these, before now."""

    def advance(self, name: str) -> None:
        """One more frame of it is done."""

    def end(self, name: str) -> None:
        """It is over."""


def make_progress(wanted: bool | None, videos: int, unit: str = "frames") -> ShownProgress:
    """Choose what suits standard error.

    Args:
        wanted: None: a bar on a terminal, a line a minute elsewhere; True: a line every 5 seconds where there is no
            terminal; False: silence.
        videos: how many there will be.
        unit: what is counted.
    """
    terminal = sys.stderr.isatty() and not says_json()
    if wanted is False:
        return _Silence()
    return _Bars(videos, unit) if terminal else _Lines(unit, _LINE_EVERY_S if wanted else _UNASKED_EVERY_S)


def expected_frames(info: StreamInfo) -> int | None:
    """How many frames a source will give, an estimate; None where nothing is known."""
    if info.frames is not None or info.duration_s is None or info.average_rate is None:
        return info.frames
    return round(info.duration_s * float(info.average_rate))


class _Silence:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begin(self, name: str, frames: int | None, done: int = 0) -> None:
        pass

    def advance(self, name: str) -> None:
        pass

    def end(self, name: str) -> None:
        pass


class _Lines(_Silence):
    """A log line every few seconds."""

    def __init__(self, unit: str, every_s: float) -> None:
        self._unit, self._pace, self._every_s = unit, _pace(unit), every_s
        self._expected: dict[str, int | None] = {}
        self._done: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._began_s: dict[str, float] = {}
        self._said_s = time.monotonic()

    def begin(self, name: str, frames: int | None, done: int = 0) -> None:
        self._expected[name], self._began_s[name] = frames, time.monotonic()
        self._done[name] = self._before[name] = done

    def advance(self, name: str) -> None:
        self._done[name] += 1
        if time.monotonic() - self._said_s >= self._every_s:
            self._said_s = time.monotonic()
            self._say(name)

    def _say(self, name: str) -> None:
        done, expected = self._done[name], self._expected[name]
        fps = (done - self._before[name]) / (self._said_s - self._began_s[name])
        fields: dict[str, Any] = {"name": name, self._unit: done, self._pace: round(fps, 1)}
        left = ""
        if expected is not None:
            left_s = max(0, expected - done) / fps
            fields |= {f"expected_{self._unit}": expected, "left_s": round(left_s, 1)}
            left = f" of {expected}, {left_s:.0f} s left"
        values = (name, done, self._unit, left, fps, self._pace)
        log.info("%s: %d %s%s, %.1f %s", *values, extra={"fields": fields})


class _Bars(_Silence):
    """A bar for every video at work."""

    def __init__(self, videos: int, unit: str) -> None:
        self._videos = videos
        self._started = 0
        self._tasks: dict[str, TaskID] = {}
        self._progress = _rich_progress(unit)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def begin(self, name: str, frames: int | None, done: int = 0) -> None:
        self._started += 1
        place = f" ({self._started}/{self._videos})" if self._videos > 1 else ""
        self._tasks[name] = self._progress.add_task(f"{name}{place}", total=frames, completed=done)

    def advance(self, name: str) -> None:
        self._progress.advance(self._tasks[name])

    def end(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is None:  # it could not be opened
            self._started += 1
        elif self._videos > 1:  # thousands of finished bars would push out the one at work
            self._progress.remove_task(task)


def _pace(unit: str) -> str:
    return "fps" if unit == "frames" else f"{unit}/s"


def _rich_progress(unit: str) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    class Name(ProgressColumn):
        def render(self, task: "Task") -> Text:
            return Text(task.description, no_wrap=True, overflow="ellipsis")

    class Count(ProgressColumn):
        def render(self, task: "Task") -> Text:
            total = "" if task.total is None else f"/{int(task.total)}"
            fps = task.finished_speed or task.speed
            return Text(f"{int(task.completed)}{total} {unit}  {'-' if fps is None else f'{fps:.1f}'} {_pace(unit)}")

    return Progress(
        # On a narrow terminal the bar gives way first, then the name: its column alone may shrink.
        Name(),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        Count(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=Console(stderr=True),
        refresh_per_second=8,
    )
