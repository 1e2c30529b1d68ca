"""Writes frames as a video file, at exactly their times, with the source's audio beside them."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

from streamdet.errors import SinkError
from streamdet.frames import Picture, StreamInfo
from streamdet.media.container import reason
from streamdet.media.write.copied import CopiedKind, open_tracks
from streamdet.media.write.encoder import encoder_settings
from streamdet.media.write.faststart import rewrite_faststart
from streamdet.media.write.formats import output_format
from streamdet.media.write.groups import GroupReader
from streamdet.media.write.interrupted import forget_interrupted, keep_interrupted
from streamdet.media.write.options import DEFAULTS, EncodeOptions
from streamdet.media.write.part_file import PartFile, write_error
from streamdet.media.write.recording import Recording

_log = logging.getLogger(__name__)


class VideoWriter:
    """Writes one video file.

    - Every frame is shown when it was in the source: the pts are kept as they are, first one, uneven steps and odd
      time bases included. Matroska and WebM count in milliseconds, so there they are rounded.
    - While it is written, the file is `.<name>.part` beside its place and playable at any moment. `close` gives it its
      name in one step; an mp4 is rewritten for that so that browsers can play it while it loads, if there is room.
    - Whatever goes wrong, `close` leaves a playable file under the final name with what could be written. Without a
      single frame it leaves none.
    - An odd width or height grows by one repeated column or row. A frame of another size than the first one is
      letterboxed into that. A pts that is not greater than the one before is moved to the next unit of time.

    Args:
        path: `.mp4`, `.m4v`, `.mov`, `.mkv` or `.webm` (AV1 only); a file that is there is replaced at the end.
        info: of the stream: colour tags are kept, audio and subtitles are copied from its path bit for bit. Tags
            (title, creation time) and chapters are kept as far as the container can; a warning names what is not.
        options: how the video is encoded, and whether audio is copied.
        start_s, end_s: part of the source that is written, seconds from its start; audio is cut likewise.
        origin_s: moment of the source that is the file's 0; None: the source's own 0.
        only_changed: groups of frames that `write` says did not change are copied from the source, bit for bit; the
            codec is that of the source then. H.264 and H.265 of 8 bits alone.
        in_place: the file has its name while it grows, and nothing is rewritten at its end; an mp4 has its index last.
        resume: of `checkpoint`, and `written`, the file that holds what an interrupted run has written: that is taken
            over up to there.

    Attributes:
        frames: number of frames written so far.
        nudged: how many of them had a pts that was not greater than the one before.
        counts: once it is closed, how many were copied and how many encoded.

    Raises:
        ConfigError: no container has this ending, or it cannot hold the codec; unknown crf or preset.
        SinkError: nothing can be written there.
    """

    def __init__(
        self,
        path: str | Path,
        info: StreamInfo,
        options: EncodeOptions = DEFAULTS,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        origin_s: Fraction | None = None,
        only_changed: bool = False,
        in_place: bool = False,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames = self.nudged = 0
        self.counts = 0, 0
        self._info = info
        self._groups = self._open_groups() if only_changed else None
        if self._groups is not None:
            options = options.model_copy(update={"codec": self._groups.codec})
        self._settings = encoder_settings(options)
        self._container = output_format(self.path, options.codec)
        self._copies: tuple[CopiedKind, ...] = ("audio", "subtitle") if options.audio == "copy" else ("subtitle",)
        self._part_s = start_s, end_s
        self._origin_s = origin_s
        self._in_place = in_place
        self._recording: Recording | None = None
        self._failure: SinkError | None = None
        self._closed = False
        if resume is None:
            self._part = PartFile(self.path, in_place=in_place)
        else:
            self._resume(resume)

    def write(
        self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0, *, changed: bool = True
    ) -> None:
        """Add a frame.

        Args:
            picture: of any size; nobody may change it afterwards.
            pts: presentation time in units of time_base.
            time_base: seconds a unit.
            duration: units of time_base, 0 where unknown.
            changed: False: the picture is the source's; see only_changed.

        Raises:
            SinkError: it cannot be written; names the file and the reason. All later calls raise it again.
        """
        if self._closed:
            raise ValueError(f"{self.path}: is closed")
        if self._failure is not None:
            raise SinkError(str(self._failure))
        try:
            recording = self._recording or self._begin((picture.width, picture.height), pts, time_base)
            recording.add(picture, pts, time_base, duration, changed=changed)
        except (av.FFmpegError, OSError, SinkError) as error:
            self._failure = write_error(self.path, error)
            raise self._failure from error
        self._recording = recording
        self.frames += 1
        self.nudged = recording.times.nudged

    def checkpoint(self) -> dict[str, Any] | None:
        """Write all frames so far, and start again behind them; an interrupted run can continue from there.

        Returns:
            What `resume` takes, as JSON holds it; None before the first frame.

        Raises:
            SinkError: as `write`.
        """
        if self._recording is None:
            return None
        if self._failure is not None:
            raise SinkError(str(self._failure))
        try:
            state = self._recording.checkpoint()
            mark = self._part.sync()
        except (av.FFmpegError, OSError, SinkError) as error:
            self._failure = write_error(self.path, error)
            raise self._failure from error
        return {**state, "frames": self.frames, "mark": asdict(mark)}

    def close(self) -> None:
        """Complete the file and give it its name; a second call does nothing.

        Raises:
            SinkError: it could not be completed, unless `write` has said so already.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._close()
        finally:
            if self._groups is not None:
                self._groups.close()

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            self._part.discard()
            return
        known_failure = self._failure
        try:
            self._publish(recording, self._complete(recording))
            self.counts = recording.counts
            if (problem := recording.why_all_encoded) is not None:
                _log.warning("%s: all frames were encoded: a group of pictures %s", self.path, problem)
        finally:
            recording.late.close()
        if self._failure is not None and known_failure is None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except SinkError as failure:
            if error is None:
                raise
            _log.error("%s", failure)

    def _resume(self, state: Mapping[str, Any]) -> None:
        written = keep_interrupted(Path(state["written"]), self.path)
        self._part = PartFile(self.path)
        try:
            numerator, denominator = state["time_base"]
            width, height = state["size"]
            self.frames = int(state["frames"])
            recording = self._begin((width, height), int(state["first_pts"]), Fraction(numerator, denominator))
        except (av.FFmpegError, OSError, LookupError, TypeError, ValueError) as error:
            self._part.discard()
            raise write_error(self.path, error) from error
        try:
            recording.resume(written, state)
        except (av.FFmpegError, OSError, LookupError, TypeError, ValueError, SinkError) as error:
            with suppress(av.FFmpegError, OSError):
                recording.close()
            self._part.discard()
            raise write_error(self.path, error) from error
        self._recording = recording
        self._part.sync()
        forget_interrupted(self.path)

    def _begin(self, size: tuple[int, int], pts: int, time_base: Fraction) -> Recording:
        source = None if self._info.path is None else Path(self._info.path)
        tracks = [] if source is None else open_tracks(source, self._container, *self._part_s, self._copies)
        return Recording(
            self._part.path,
            self._container,
            self._settings,
            self._info,
            tracks,
            size=size,
            pts=pts,
            time_base=time_base,
            extras_from=source,
            part_s=self._part_s,
            origin_s=self._origin_s,
            indexed=self._in_place,
            groups=self._groups,
        )

    def _open_groups(self) -> GroupReader:
        try:
            return GroupReader(self._info)
        except SinkError as error:
            raise SinkError(f"{self.path}: {error}") from error

    def _complete(self, recording: Recording) -> bool:
        """Write all that is left; also after a failure, which need not be the file's. True where the file is whole."""
        try:
            try:
                recording.finish()
            finally:
                recording.close()
        except (av.FFmpegError, OSError, SinkError) as error:
            # FFmpeg remembers a failed write: after one, these fail as well and say nothing new.
            self._failure = self._failure or write_error(self.path, error)
            return False
        return True

    def _publish(self, recording: Recording, complete: bool) -> None:
        """Give the best playable file there is the final name."""
        ready = self._part.path
        if not complete:
            if self._container.is_mp4:
                self._part.cut_to_whole_fragments()
            if not self._part.holds_video():
                self._part.discard()
                return
        elif self._in_place:
            for track in recording.late.tracks:
                _log.warning("%s: starts too late for %s, left out", track.description, self.path)
        elif self._container.is_mp4:
            ready = self._faststart(recording)
        self._part.publish(ready)
        if self.nudged:
            _log.warning(
                "%s: %d frame(s) are not later than the one before; each is placed one time unit after it",
                self.path,
                self.nudged,
            )

    def _faststart(self, recording: Recording) -> Path:
        """Rewrite the growing file with its index first; where that fails, the growing file is as complete."""
        target = self._part.faststart_path
        try:
            rewrite_faststart(
                self._part.path,
                target,
                self._container,
                video_time_base=recording.times.time_base,
                frames=recording.frames,
                last_frame=(recording.times.last, recording.end),
                samples=recording.samples,
                late=recording.late,
                until_s=recording.cut_s,
                extras=recording.extras,
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            _log.warning(
                "%s: stays fragmented, because its index could not be moved to the front: %s", self.path, reason(error)
            )
            for track in recording.late.tracks:
                _log.warning("%s: left out with it", track.description)
            return self._part.path
        return target
