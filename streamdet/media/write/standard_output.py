"""Standard output: raw bytes for whoever reads the pipe, and a video as a stream."""

import sys
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av

from streamdet.errors import SinkError
from streamdet.frames import Picture, StreamInfo
from streamdet.media.write.copied import CopiedKind, open_tracks
from streamdet.media.write.encoder import encoder_settings, streaming_settings
from streamdet.media.write.formats import OUTPUT_FORMATS, OutputFormat
from streamdet.media.write.options import DEFAULTS, EncodeOptions
from streamdet.media.write.recording import Recording

STDOUT = "-"
_SHOWN = "standard output"


class StandardOutput:
    """Standard output, without Python's buffer: what a closed pipe refuses must not come up again at exit."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._write = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer).write

    def write(self, data: bytes) -> int:
        """Write all of it; gives how many bytes that are.

        Raises:
            OSError: its reader has closed it, or the disk behind it is full.
        """
        write_all(self._write, data)
        return len(data)


def write_all(write: Callable[[memoryview], int | None], data: bytes) -> None:
    """Write all of it: the system may take less at a time, as from a disk that is nearly full."""
    left = memoryview(data)
    while left:
        left = left[write(left) or 0 :]


def stdout_error(error: Exception) -> SinkError:
    """One line that says why nothing can be written."""
    if isinstance(error, BrokenPipeError):
        return SinkError(f"{_SHOWN}: its reader has closed it")
    return SinkError(f"{_SHOWN}: cannot be written: {getattr(error, 'strerror', None) or error}")


class _Piped(OutputFormat):
    """Matroska that is read while it is written."""

    def growing_options(self, time_base: Fraction, *, indexed: bool = False) -> dict[str, str]:
        """A cluster for each picture: the muxer keeps one inside until the next one starts."""
        return OutputFormat.growing_options(self, time_base, indexed=indexed) | {"cluster_time_limit": "0"}


class StandardOutputWriter:
    """Writes one video to standard output, as a Matroska stream that players and FFmpeg read from a pipe.

    Times, audio, subtitles, tags and chapters are as in `VideoWriter`; a picture of a live source is written as soon as
    the next one comes. What a reader has got so far is playable, whatever happens.

    Args:
        info: of the stream.
        options, start_s, end_s: as in `VideoWriter`.

    Raises:
        ConfigError: unknown crf or preset.
    """

    def __init__(
        self,
        info: StreamInfo,
        options: EncodeOptions = DEFAULTS,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        self._info, self._part_s = info, (start_s, end_s)
        at_once = info.live and options.codec == "h264"
        self._settings = streaming_settings(options, live=True) if at_once else encoder_settings(options)
        self._kinds: tuple[CopiedKind, ...] = ("audio", "subtitle") if options.audio == "copy" else ("subtitle",)
        self._recording: Recording | None = None

    def write(self, picture: Picture, pts: int, time_base: Fraction, duration: int = 0) -> None:
        """Add a frame: (H, W, 3) uint8 RGB, or as a source gives it.

        Raises:
            SinkError: it cannot be written: nobody reads any more.
        """
        try:
            self._recording = self._recording or self._start(picture, pts, time_base)
            self._recording.add(picture, pts, time_base, duration)
        except (av.FFmpegError, OSError) as error:
            with suppress(SinkError):  # it fails as well, and says less
                self.close()
            raise stdout_error(error) from error

    def close(self) -> None:
        """Write all that is left.

        Raises:
            SinkError: it cannot be written.
        """
        recording, self._recording = self._recording, None
        failures: list[Exception] = []
        for step in () if recording is None else (recording.finish, recording.close):
            try:
                step()
            except (av.FFmpegError, OSError) as error:
                failures.append(error)
        if failures:
            raise stdout_error(failures[0]) from failures[0]

    def _start(self, picture: Picture, pts: int, time_base: Fraction) -> Recording:
        matroska = OUTPUT_FORMATS[".mkv"]
        container = _Piped(matroska.muxer, matroska.codecs, matroska.text)
        source = None if self._info.path is None else Path(self._info.path)
        return Recording(
            StandardOutput(),
            container,
            self._settings,
            self._info,
            [] if source is None else open_tracks(source, container, *self._part_s, self._kinds),
            size=(picture.width, picture.height),
            pts=pts,
            time_base=time_base,
            extras_from=source,
            part_s=self._part_s,
        )
