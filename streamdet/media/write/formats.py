"""The containers that can be written: by a file's ending, what each can hold and how FFmpeg is told to write it."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

from streamdet.errors import ConfigError

INT32_MAX = 2**31 - 1

# How many frames may lie between a packet's pts and its dts: 16 B-frames and their delay.
_REORDERED_FRAMES = 18
# In finer timescales mp4's 32 bits hold only seconds between a packet's pts and its dts: no B-frames there.
_FINEST_REORDERED = 10_000_000
# Least unit of an mp4's edit list. FFmpeg's default of 1/1000 s would round the time at which audio and video start.
_MOVIE_TIMESCALE = 400_000
# A moov takes 44 bytes a sample at most: stts 8, ctts 8, stsz 4, stss 4, stsc 12, co64 8.
_MOOV_BYTES_A_SAMPLE, _MOOV_BYTES = 44, 8_192


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One container.

    Attributes:
        muxer: FFmpeg's name of it.
        codecs: the video codecs that it can hold.
        text: the codec of its subtitles; None: it holds none.
    """

    muxer: str
    codecs: tuple[str, ...]
    text: str | None = None

    @property
    def is_mp4(self) -> bool:
        """True for mp4 and mov: any time base, fragments while it grows, edit lists."""
        return self.muxer in ("mp4", "mov")

    def time_base(self, wanted: Fraction) -> Fraction:
        """The time base of the written stream: the one wanted in mp4; Matroska counts milliseconds by nature."""
        if not self.is_mp4:
            return Fraction(1, 1000)
        return wanted if wanted.denominator <= INT32_MAX else Fraction(1, 1_000_000)

    def reordered_frames(self, time_base: Fraction) -> int:
        """How many frames an encoder may go back in decoding order; 0 rules B-frames out."""
        return 0 if self.is_mp4 and _track_timescale(time_base) > _FINEST_REORDERED else _REORDERED_FRAMES

    def longest_span(self, time_base: Fraction) -> int | None:
        """Units from a frame to the one `reordered_frames` later that can be held: differences have 32 bits in mp4."""
        if not self.is_mp4:
            return None
        ticks = INT32_MAX if self.reordered_frames(time_base) == 0 else 2**30
        return max(1, int(ticks / (time_base * _track_timescale(time_base))))

    def latest(self, time_base: Fraction) -> int:
        """The greatest pts that surely survives all of the muxer's 64-bit products; thousands of years."""
        return int(2**56 / (time_base * _track_timescale(time_base))) if self.is_mp4 else 2**50

    def growing_options(self, time_base: Fraction, *, indexed: bool = False) -> dict[str, str]:
        """Options for a file that is playable at any moment while it grows.

        mp4: fragments of half a second. The moov waits for the first one (delay_moov), since only then are edit lists
        (a first pts other than 0, B-frames, audio priming) and the headers of AC-3 known. When it is closed, an indexed
        one becomes a plain mp4 whose moov comes last, without any copying.
        Matroska: clusters of a second. Audio priming before 0 stays there, where FFmpeg would delay all streams.
        """
        common = {"flush_packets": "1", "max_interleave_delta": "1000000"}
        if self.is_mp4:
            flags = "delay_moov+default_base_moof" + ("+hybrid_fragmented" if indexed else "")
            fragments = {"movflags": flags, "frag_duration": "500000"}
            return common | fragments | _timescales(time_base)
        return common | {"cluster_time_limit": "1000", "avoid_negative_ts": "disabled"}

    def final_options(self, time_base: Fraction, samples: int | None) -> dict[str, str]:
        """Options for a finished mp4 whose moov comes first, so that a browser plays it while it loads.

        Room for the moov is set aside where the number of samples is known: the flag faststart moves all of the file
        at the end instead, and PyAV holds the GIL for as long.
        """
        if samples is None:
            return {"movflags": "faststart"} | _timescales(time_base)
        return {"moov_size": str(_MOOV_BYTES + _MOOV_BYTES_A_SAMPLE * samples)} | _timescales(time_base)


_MP4 = OutputFormat("mp4", ("h264", "hevc", "av1"), "mov_text")
OUTPUT_FORMATS = {
    ".m4v": _MP4,
    ".mkv": OutputFormat("matroska", ("h264", "hevc", "av1"), "subrip"),
    ".mov": OutputFormat("mov", ("h264", "hevc"), "mov_text"),
    ".mp4": _MP4,
    ".webm": OutputFormat("webm", ("av1",), "webvtt"),
}


def output_format(path: Path, codec: str) -> OutputFormat:
    """Choose the container by the file's ending.

    Raises:
        ConfigError: the ending is none that can be written, or that container cannot hold the codec.
    """
    ending = path.suffix.lower()
    chosen = OUTPUT_FORMATS.get(ending)
    if chosen is None:
        raise ConfigError(
            f"{path}: cannot write {f'{ending} files' if ending else 'a file without ending'}; "
            f"expected one of {' '.join(OUTPUT_FORMATS)}"
        )
    if codec not in chosen.codecs:
        raise ConfigError(f"{path}: {ending} cannot hold {codec}; use {' or '.join(chosen.codecs)}, or write an .mkv")
    return chosen


def _track_timescale(time_base: Fraction) -> int:
    """Ticks a second of an mp4 track; every pts is a whole number of them."""
    timescale = time_base.denominator
    while timescale < 10_000:  # as FFmpeg does: some players want timescales no smaller
        timescale *= 2
    return timescale


def _timescales(time_base: Fraction) -> dict[str, str]:
    """Timescales that make every pts and the first one's delay exact.

    The movie's is a multiple of the track's, and fine enough for audio at 192 kHz.
    """
    track = _track_timescale(time_base)
    movie = track * max(1, min(INT32_MAX // track, ceil(_MOVIE_TIMESCALE / track)))
    return {"video_track_timescale": str(track), "movie_timescale": str(movie)}
