"""An overlay as files: .ass, .vtt, or a video that is copied, with a subtitle track or with both beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from streamdet.errors import ConfigError
from streamdet.frames import StreamInfo
from streamdet.media.locations import SourceSpec
from streamdet.media.write.formats import OUTPUT_FORMATS, OutputFormat
from streamdet.media.write.part_file import PartFile, write_error
from streamdet.media.write.remux import Span, SubtitleEvent, check_copyable, remux
from streamdet.sinks.lines import GrowingFile
from streamdet.sinks.overlay import (
    Events,
    Shown,
    cue_lines,
    line_of,
    read_lines,
    script_lines,
    script_packet,
    shifted,
)

SCRIPT, CUES = ".ass", ".vtt"
_VIDEOS = (".mkv", ".mp4", ".m4v", ".mov")


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame is shown.

    Attributes:
        pts, duration: in units of time_base.
        time_base: seconds a unit.
    """

    pts: int
    duration: int
    time_base: Fraction

    @property
    def start_ms(self) -> int:
        """Its start, rounded as Matroska does."""
        return round(1000 * self.pts * self.time_base)

    @property
    def end_s(self) -> Fraction:
        """Its end, in seconds."""
        return (self.pts + self.duration) * self.time_base


def check_overlay(path: Path, source: SourceSpec) -> None:
    """Make sure that the overlay of a source can be a file of this name.

    Raises:
        ConfigError: by its ending it cannot, or the source is no file whose video could be copied.
    """
    if path.suffix.lower() not in (*_VIDEOS, SCRIPT, CUES):
        expected = f"{' '.join(_VIDEOS)} for the copied video, {SCRIPT} for subtitles, or {CUES} for metadata"
        raise ConfigError(f"overlay {path}: cannot be a {path.suffix or 'file without ending'}; expected {expected}")
    if path.suffix.lower() in _VIDEOS and source.kind != "file":
        raise ConfigError(
            f"overlay {path}: {source.shown} is no video file that could be copied; "
            f"name an {SCRIPT} file for the boxes alone, or use --annotate draw"
        )


def sidecars_of(path: Path) -> list[Path]:
    """Files that are written beside a video whose container cannot hold them."""
    container = OUTPUT_FORMATS.get(path.suffix.lower())
    return [path.with_suffix(ending) for ending in (SCRIPT, CUES)] if container and container.is_mp4 else []


def text_of(path: Path) -> Path:
    """Where the lines of an overlay grow until it is complete."""
    return path.with_name(f".{path.name}.overlay")


class OverlayFile:
    """Grows as lines of text in `.<name>.overlay`, and becomes what its name says when it is closed.

    Args:
        target: the file; what is there is replaced at the end.
        info: of the stream; its video is copied where the target is one.
        header: of the script, up to its first event.
        audio: copy audio, too.
        saved: of `checkpoint`, of a run that was interrupted.

    Raises:
        SinkError: it cannot be written, or the source's video cannot be copied.
    """

    def __init__(
        self, target: Path, info: StreamInfo, header: str, *, audio: bool = True, saved: Mapping[str, Any] | None = None
    ) -> None:
        self.target, self._info, self._header, self._audio = target, info, header, audio
        self._container: OutputFormat | None = OUTPUT_FORMATS.get(target.suffix.lower())
        self._sidecars = [PartFile(path) for path in sidecars_of(target)]
        if self._container is not None:
            check_copyable(info, target, self._container)
        self._part, self._lines = PartFile(target), text_of(target)
        self._text = GrowingFile(self._lines, target, resume_at=None if saved is None else saved["length"])
        self._first, self._last = _moments(saved)
        last_ms = None if self._last is None else self._last.start_ms
        self._script = Events("event", [] if saved is None else saved["events"], last_ms)
        self._cues = Events("cue", [] if saved is None else saved["cues"], last_ms)

    def frame(self, moment: Moment, events: Sequence[str], cue: str | None) -> None:
        """Add a frame.

        Args:
            moment: when it is shown.
            events: what is drawn on it, each as `layer,style,text`.
            cue: its metadata; None where there is none.

        Raises:
            SinkError: it cannot be written.
        """
        at_ms = moment.start_ms
        self._append(self._script.frame(at_ms, events))
        self._append(self._cues.frame(at_ms, [] if cue is None else [cue]))
        self._first, self._last = self._first or moment, moment

    def gap(self) -> None:
        """Time was lost: what is shown ends with the last frame."""
        if self._last is not None:
            end_ms = round(1000 * self._last.end_s)
            self._append(self._script.close(end_ms))
            self._append(self._cues.close(end_ms))

    def checkpoint(self) -> dict[str, Any] | None:
        """Write what has ended; what continues it, as JSON holds it; None before the first frame.

        Raises:
            SinkError: it cannot be written.
        """
        if self._first is None or self._last is None:
            return None
        at_ms = self._last.start_ms
        self._append(self._script.cut(at_ms))
        self._append(self._cues.cut(at_ms))
        mark = self._text.checkpoint()["mark"]
        moments = {"first": _facts(self._first), "last": _facts(self._last)}
        return {**mark, "events": self._script.opened, "cues": self._cues.opened, **moments}

    def close(self, *, complete: bool) -> None:
        """Write the files.

        Args:
            complete: nothing will be added by a run that continues this one.

        Raises:
            SinkError: they cannot be written; the text stays, for a run that continues this one.
        """
        self.gap()
        self._text.close()
        if self._first is None or self._last is None:
            self._discard()
            return
        shift_ms = self._put_together(self._first, self._last)
        for part in self._sidecars:
            self._write_text(part.target.suffix, part.path, shift_ms)
            part.publish(part.path)
        if self._container is None:
            self._write_text(self.target.suffix.lower(), self._part.path, 0)
        self._part.publish(self._part.path)
        if complete:
            self._lines.unlink(missing_ok=True)

    def _put_together(self, first: Moment, last: Moment) -> int:
        """Copy the video, where there is one; gives by how many ms it is later than its source."""
        if self._container is None:
            return 0
        span = Span(first.pts, last.pts, first.time_base, last.end_s)
        events = None
        if not self._sidecars:
            found = zip(count(), shifted(read_lines(self._lines, "event")), strict=False)
            events = (SubtitleEvent(each.start_ms, each.end_ms, script_packet(n, each)) for n, each in found)
        header = self._header.encode()
        path = self._part.path
        shift_s = remux(self._info, self.target, path, self._container, span, events, header=header, audio=self._audio)
        return round(1000 * shift_s)

    def _write_text(self, ending: str, path: Path, shift_ms: int) -> None:
        if ending == SCRIPT:
            lines = script_lines(self._header, shifted(read_lines(self._lines, "event"), shift_ms))
        else:
            lines = cue_lines(shifted(read_lines(self._lines, "cue"), shift_ms))
        try:
            with path.open("w", encoding="utf-8") as file:
                file.writelines(lines)
        except OSError as error:
            raise write_error(self.target, error) from error

    def _append(self, ended: Iterable[Shown]) -> None:
        if data := b"".join(map(line_of, ended)):
            self._text.append(data)

    def _discard(self) -> None:
        for part in (self._part, *self._sidecars):
            part.discard()
        self._lines.unlink(missing_ok=True)


def _moments(saved: Mapping[str, Any] | None) -> tuple[Moment | None, Moment | None]:
    if saved is None:
        return None, None
    first, last = (
        Moment(pts, duration, Fraction(numerator, denominator))
        for pts, duration, numerator, denominator in (saved["first"], saved["last"])
    )
    return first, last


def _facts(moment: Moment) -> list[int]:
    return [moment.pts, moment.duration, moment.time_base.numerator, moment.time_base.denominator]
