"""Writes video as a row of files of equal length, each playable whatever happens to the run."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av

from streamdet.errors import SinkError
from streamdet.frames import Picture, StreamInfo
from streamdet.media.container import open_file
from streamdet.media.timeline import beginning_s
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.options import DEFAULTS, EncodeOptions
from streamdet.media.write.writer import VideoWriter


class SegmentedWriter:
    """Writes a new file in each interval, named after its start: what the name says is second 0 of the file.

    - A live stream is cut at multiples of segment_s of the clock (10 minutes: at 10:00, 10:10, ...), and a file is
      `cam.20261124T101000Z.mp4`, UTC. It never replaces one that is there.
    - A file is cut at multiples of its own time: `street.00h10m00s.mp4`. Those of a run before are removed.
    - Every file has its name from its first frame on and is playable while it grows, so also after a kill.
    - One that fails costs a live stream the rest of it: the next one is tried again.

    Args:
        path: folder, start of the names and ending of the files: `.mp4`, `.mkv` and the like.
        info: of the stream, as in `VideoWriter`.
        segment_s: length of a file, whole seconds.
        delivery: counts files and what was lost.
        options, end_s: as in `VideoWriter`.
        clock: seconds since 1970.

    Raises:
        SinkError: the source, whose times decide where it is cut, cannot be read.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        segment_s: int,
        delivery: Delivery,
        options: EncodeOptions = DEFAULTS,
        *,
        end_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if segment_s < 1:
            raise ValueError(f"segment_s must be at least 1, got {segment_s}")
        self._path = path
        self._info = info
        self._segment_s = segment_s
        self._delivery = delivery
        self._options = options
        self._end_s = end_s
        self._clock = clock
        self._beginning_s = _beginning_s(info)
        self._number: int | None = None  # which segment of the source or of the clock is being written
        self._writer: VideoWriter | None = None

    def write(self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0) -> None:
        """Add a frame.

        Raises:
            SinkError: it cannot be written, and the stream is not live.
        """
        at_s = pts * time_base - self._beginning_s
        now_s = Fraction(round(1000 * self._clock()), 1000) if self._info.live else at_s
        number = now_s // self._segment_s
        try:
            if number != self._number:
                if self._number is None and not self._info.live:
                    self._remove_old()
                self._number = number
                self.close()
                self._writer = self._begin(now_s, pts * time_base - now_s)
            if self._writer is None:
                self._delivery.drop("failed")
                return
            self._writer.write(picture, pts, time_base, duration)
            self._delivery.recover()
        except SinkError as error:
            self._delivery.fail(str(error))
            self._delivery.drop("failed")
            self._give_up()
            if not self._info.live:
                raise

    def close(self) -> None:
        """Finish the current file.

        Raises:
            SinkError: it could not be completed.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            self._delivery.sent += 1

    def _begin(self, now_s: Fraction, clock_to_pts_s: Fraction) -> VideoWriter:
        """Start the file whose name says the second that now_s is in; that second is its 0."""
        start_s = now_s // 1
        path = self._live_path(start_s) if self._info.live else self._path_at(start_s)
        next_cut_s = float((now_s // self._segment_s + 1) * self._segment_s)
        return VideoWriter(
            path,
            self._info,
            self._options,
            start_s=float(max(start_s, 0)),
            end_s=next_cut_s if self._end_s is None else min(next_cut_s, self._end_s),
            origin_s=start_s + clock_to_pts_s,
            in_place=True,
        )

    def _path_at(self, start_s: int) -> Path:
        minutes, seconds = divmod(max(start_s, 0), 60)
        return self._named(f"{minutes // 60:02}h{minutes % 60:02}m{seconds:02}s")

    def _live_path(self, start_s: int) -> Path:
        start = datetime.fromtimestamp(start_s, UTC).strftime("%Y%m%dT%H%M%SZ")
        path, number = self._named(start), 1
        while path.exists():  # the clock was set back, or a run before this one ended in the same second
            number += 1
            path = self._named(f"{start}-{number}")
        return path

    def _named(self, start: str) -> Path:
        return self._path.with_name(f"{self._path.stem}.{start}{self._path.suffix}")

    def _remove_old(self) -> None:
        if self._path.parent.is_dir():
            for segment in file_segments(self._path):
                segment.unlink(missing_ok=True)

    def _give_up(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(SinkError):  # what is wrong with it is already reported
                writer.close()


def file_segments(path: Path) -> list[Path]:
    """Segments of a file (not of a live stream) that are there, in their order."""
    name = re.compile(rf"{re.escape(path.stem)}\.\d{{2,}}h\d\dm\d\ds{re.escape(path.suffix)}")
    return sorted(file for file in path.parent.iterdir() if name.fullmatch(file.name))


def _beginning_s(info: StreamInfo) -> Fraction:
    """When the source starts in its own time; its name's 0."""
    if info.path is None:
        return Fraction(0)
    try:
        with open_file(Path(info.path)) as source:
            return beginning_s(source)
    except (av.FFmpegError, OSError):  # whoever reads it says so
        return Fraction(0)
