"""Writes video as HLS, which browsers play while it is written: a playlist and its short segments."""

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import av

from streamdet.errors import SinkError
from streamdet.frames import Picture, StreamInfo
from streamdet.media.write.copied import CopiedTrack, open_tracks
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.encoder import streaming_settings
from streamdet.media.write.extras import tell_left_out
from streamdet.media.write.formats import OutputFormat, output_format
from streamdet.media.write.options import DEFAULTS, EncodeOptions
from streamdet.media.write.part_file import write_error
from streamdet.media.write.recording import Recording

_log = logging.getLogger(__name__)
_LIVE_WINDOW_S = 60  # of a camera that runs for weeks nobody wants a playlist of weeks
_KEPT_FOR_LATE_VIEWERS = 5  # segments that are no longer in the playlist
_RETRY_AFTER_S = 5.0
_CODECS_OF_BROWSERS = ("aac", "mp3")


@dataclass(frozen=True, slots=True)
class _Hls(OutputFormat):
    """The container of one playlist.

    Attributes:
        playlist: its path.
        segment_s: least length of a segment; players are three of them behind.
        window_s: seconds that it reaches back; None: to the start.
        live: it continues where the one of a run before this ended.
    """

    playlist: Path = Path()
    segment_s: int = 2
    window_s: int | None = None
    live: bool = False

    def time_base(self, wanted: Fraction) -> Fraction:
        """MPEG-TS counts so by nature."""
        return Fraction(1, 90_000)

    def growing_options(self, time_base: Fraction, *, indexed: bool = False) -> dict[str, str]:
        """Segments appear when they are complete, and then the playlist is replaced in one step."""
        flags = ["temp_file", "independent_segments", "program_date_time"]
        options = {"hls_time": str(self.segment_s), "hls_list_size": "0", "max_interleave_delta": "1000000"}
        if self.window_s is None:
            options["hls_playlist_type"] = "event"
        else:
            flags.append("delete_segments")
            options["hls_list_size"] = str(max(3, ceil(self.window_s / self.segment_s)))
            options["hls_delete_threshold"] = str(_KEPT_FOR_LATE_VIEWERS)
        if self.live:
            # Numbers that grow from run to run: a player that stays continues with the new run's segments.
            flags.append("discont_start")
            options["hls_start_number_source"] = "epoch"
        segments = str(self.playlist.absolute().with_suffix("")) + "-%d.ts"
        return options | {"hls_flags": "+".join(flags), "hls_segment_filename": segments}


class HlsWriter:
    """Writes one playlist and its segments, H.264 with the source's AAC or MP3 audio.

    Segments last two seconds, of a live stream one, so that its viewers are less far behind.

    Whatever a viewer fetches at whatever moment is whole, also after a kill. A live stream's failure (a full disk) is
    counted and tried again after some seconds; a file's is final.

    Args:
        path: of the playlist, `.m3u8`; a segment is `<stem>-<number>.ts` beside it. What is there is removed.
        info: of the stream.
        delivery: counts what arrived and what did not.
        options: how the video is encoded, and whether audio is copied.
        start_s, end_s: part of the source that is written, seconds from its start.
        window_s: seconds that the playlist reaches back; older segments are removed. None: a minute for a live
            stream, everything otherwise.
        clock: seconds, for the next try.

    Raises:
        ConfigError: unknown crf or preset.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        delivery: Delivery,
        options: EncodeOptions = DEFAULTS,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        window_s: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._info = info
        self._delivery = delivery
        self._settings = streaming_settings(options, live=info.live)
        window_s = _LIVE_WINDOW_S if window_s is None and info.live else window_s
        self._container = _Hls(
            "hls",
            ("h264",),
            playlist=path,
            segment_s=1 if info.live else 2,
            window_s=window_s,
            live=info.live,
        )
        self._audio_from = Path(info.path) if options.audio == "copy" and info.path is not None else None
        self._part_s = start_s, end_s
        self._clock = clock
        self._retry_s: float | None = None
        self._recording: Recording | None = None

    def write(self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0) -> None:
        """Add a frame: (H, W, 3) uint8 RGB, or as a source gives it.

        Raises:
            SinkError: it cannot be written, and the stream is not live.
        """
        if self._retry_s is not None and self._clock() < self._retry_s:
            self._delivery.drop("failed")
            return
        try:
            self._recording = self._recording or self._begin(picture, pts, time_base)
            self._recording.add(picture, pts, time_base, duration)
        except (av.FFmpegError, OSError, SinkError) as error:
            failure = write_error(self._path, error)
            self._delivery.fail(str(failure))
            self._delivery.drop("failed")
            self._give_up()
            if not self._info.live:
                raise failure from error
            self._retry_s = self._clock() + _RETRY_AFTER_S
            return
        self._retry_s = None
        self._delivery.sent += 1
        self._delivery.recover()

    def close(self) -> None:
        """Finish the playlist: players then know that nothing more comes.

        Raises:
            SinkError: it could not be completed.
        """
        recording, self._recording = self._recording, None
        if recording is None:
            return
        try:
            try:
                recording.finish()
            finally:
                recording.close()
        except (av.FFmpegError, OSError) as error:
            raise write_error(self._path, error) from error

    def _begin(self, picture: Picture, pts: int, time_base: Fraction) -> Recording:
        if not self._path.parent.is_dir():
            raise SinkError(f"{self._path}: there is no folder {self._path.parent}; create it first")
        self._path.unlink(missing_ok=True)  # first: it must never name what is not there
        for segment in old_segments(self._path):
            segment.unlink(missing_ok=True)
        if self._info.path is not None:
            tell_left_out(Path(self._info.path), str(self._path))
        return Recording(
            self._path,
            self._container,
            self._settings,
            self._info,
            self._tracks(),
            size=(picture.width, picture.height),
            pts=pts,
            time_base=time_base,
        )

    def _tracks(self) -> list[CopiedTrack]:
        if self._audio_from is None:
            return []
        # mp4 tells whether a track can be read at all; MPEG-TS cannot, since it repacks AAC.
        tracks = open_tracks(self._audio_from, output_format(Path("any.mp4"), "h264"), *self._part_s)
        for track in tracks:
            if track.codec not in _CODECS_OF_BROWSERS:
                _log.warning("%s: browsers do not play it, left out", track.description)
                track.close()
        return [track for track in tracks if track.codec in _CODECS_OF_BROWSERS]

    def _give_up(self) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            with suppress(av.FFmpegError, OSError):  # what is wrong with it is already reported
                recording.close()


def old_segments(path: Path) -> list[Path]:
    """Segments of a playlist that are there, those that were not finished included."""
    name = re.compile(rf"{re.escape(path.stem)}-\d+\.ts(\.tmp)?")
    return [file for file in path.parent.iterdir() if name.fullmatch(file.name)]
