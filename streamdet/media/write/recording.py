"""Everything that a video file needs while frames come in: encoder, muxer and audio."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np

from streamdet.errors import SinkError
from streamdet.frames import Image, Picture, RgbPicture, StreamInfo
from streamdet.media.colour import Colour, frame_from_rgb, resolve_colour
from streamdet.media.planes import Planes
from streamdet.media.timeline import DEFAULT_RATE
from streamdet.media.write.copied import CopiedTrack, TrackCopier, video_goes_on
from streamdet.media.write.encoder import EncoderSettings, VideoEncoder, VideoPacket
from streamdet.media.write.extras import Extras, extras_of
from streamdet.media.write.formats import OutputFormat
from streamdet.media.write.grouped_encoder import GroupedEncoder, Moment, open_beside
from streamdet.media.write.groups import GroupReader
from streamdet.media.write.interrupted import packets_again
from streamdet.media.write.output_times import OutputTimes

# A fragmented mp4 cannot start before all of its tracks have; audio that starts later than this joins at the end.
_LATE_S = 10


class ByteSink(Protocol):
    """What bytes are written to, one after the other."""

    def write(self, data: bytes) -> int:
        """Take all of them; gives their number."""
        ...


class Recording:
    """A file from its first frame on.

    Args:
        path: file to write, not the final name; or what takes its bytes in their order.
        container, settings: how.
        info: of the stream; colour tags, rate, and the file that audio comes from.
        tracks: audio and subtitles to copy.
        size: of the video, (width, height).
        pts, time_base: of the first frame, which is still to be added.
        extras_from: file that tags and chapters come from.
        part_s: start and end of the part of the source that is written, seconds from its beginning.
        origin_s: moment of the source that is the file's 0; None: the source's own 0.
        indexed: the file is complete as it is at its end: an mp4 needs no rewriting.
        groups: of the source: those in which nothing changes are copied. None: all frames are encoded.

    Attributes:
        times: where frames were placed.
        frames: number of video packets written so far.
        late: tracks that the file cannot hold while it grows.
        extras: tags and chapters.
        end: time at which the last frame ends, in the output's time base.
        cut_s: time at which audio ends because the source's video continues while the written one does not; None where
            it is copied to its end.
    """

    def __init__(
        self,
        path: Path | ByteSink,
        container: OutputFormat,
        settings: EncoderSettings,
        info: StreamInfo,
        tracks: Sequence[CopiedTrack],
        *,
        size: tuple[int, int],
        pts: int,
        time_base: Fraction,
        extras_from: Path | None = None,
        part_s: tuple[float | None, float | None] = (None, None),
        origin_s: Fraction | None = None,
        indexed: bool = False,
        groups: GroupReader | None = None,
    ) -> None:
        self.times = OutputTimes(container, pts, time_base, origin_s)
        self._info = info
        self._size = size
        self._smallest_side = settings.smallest_side
        self._picture: av.VideoFrame | None = None
        self._begins = pts, time_base
        options = container.growing_options(self.times.time_base, indexed=indexed)
        # A path that starts with / is never taken for a protocol, as "a:b.mp4" would be.
        place: Any = str(path.absolute()) if isinstance(path, Path) else path
        self._output = av.open(place, "w", format=container.muxer, container_options=options)
        rate = info.average_rate or DEFAULT_RATE
        self._encoder = self._open_encoder(container, settings, rate, groups)
        self._frame_duration = max(1, round(1 / (rate * self.times.time_base)))
        late_from_s = pts * time_base + _LATE_S
        # Fragments hold the pauses between subtitles as packets of their own.
        late = [
            track
            for track in tracks
            if container.is_mp4
            and not (indexed and track.kind == "subtitle")
            and (track.kind == "subtitle" or (track.next_s or 0) > late_from_s)
        ]
        self._audio = TrackCopier([track for track in tracks if track not in late], self.times.shift_s)
        self._audio.add_to(self._output)
        self.late = TrackCopier(late, self.times.shift_s)
        self.extras = Extras()
        if extras_from is not None:
            self.extras = extras_of(extras_from, *part_s, self.times.shift_s)
            if origin_s is not None:  # a segment has times of its own
                self.extras = replace(self.extras, chapters=[])
            # Chapters of mp4 are a track, which is not known while the file grows.
            growing = replace(self.extras, chapters=[]) if container.is_mp4 else self.extras
            growing.add_to(self._output)
        self.frames = 0
        self.end = 0
        self.cut_s: Fraction | None = None

    def _open_encoder(
        self, container: OutputFormat, settings: EncoderSettings, rate: Fraction, groups: GroupReader | None
    ) -> VideoEncoder | GroupedEncoder:
        time_base, info = self.times.time_base, self._info
        reordered = container.reordered_frames(time_base)
        if groups is None:
            like = self._convert(RgbPicture(np.zeros((self._size[1], self._size[0], 3), np.uint8)))
            aspect = info.pixel_aspect
            return VideoEncoder(
                self._output, settings, like, rate, time_base, pixel_aspect=aspect, reordered_frames=reordered
            )
        encoder = open_beside(self._output, settings, groups, self._size, info.colour, rate, time_base, reordered)
        return GroupedEncoder(encoder, groups, self._convert)

    @property
    def samples(self) -> int:
        """Number of packets written so far."""
        return self.frames + self._audio.packets

    @property
    def counts(self) -> tuple[int, int]:
        """Frames that were copied, and that were encoded."""
        encoder = self._encoder
        return (encoder.copied, encoder.encoded) if isinstance(encoder, GroupedEncoder) else (0, self.frames)

    @property
    def why_all_encoded(self) -> str | None:
        """Why no group of pictures could be copied, where they might have been; None where one was."""
        encoder = self._encoder
        if not isinstance(encoder, GroupedEncoder) or encoder.copied or not encoder.problems:
            return None
        return max(encoder.problems, key=lambda problem: encoder.problems[problem])

    def add(self, picture: Picture, pts: int, time_base: Fraction, duration: int, *, changed: bool = True) -> None:
        """Encode a frame and write what the encoder has ready, with the audio up to there.

        Args:
            picture, pts, time_base, duration: as in `VideoWriter.write`.
            changed: False: the picture is the source's, whose packets are as good.
        """
        placed, repeated = self.times.place(pts, time_base)
        if isinstance(self._encoder, GroupedEncoder) and not repeated:
            units = self.times.duration(duration, time_base) or self._frame_duration
            self.end = placed + units
            self._picture = None
            changed = changed or (picture.width, picture.height) != self._size
            self._mux(self._encoder.add(picture, Moment(pts, placed, units), changed=changed))
            return
        converted = self._convert(picture)
        for gap in repeated:
            self._mux(self._encoder.encode(self._picture or converted, gap, self._frame_duration))
        self._picture = converted
        units = self.times.duration(duration, time_base) or self._frame_duration
        self.end = placed + units
        self._mux(self._encoder.encode(self._picture, placed, units))

    def checkpoint(self) -> dict[str, Any]:
        """Write all frames so far and start a new group of pictures, which depends on none of them.

        Returns:
            What `resume` continues from, as JSON holds it.
        """
        self._mux(self._encoder.restart())
        pts, time_base = self._begins
        return {
            "size": list(self._size),
            "first_pts": pts,
            "time_base": [time_base.numerator, time_base.denominator],
            "packets": self.frames,
            "end": self.end,
            "times": self.times.state(),
            "encoder": self._encoder.state(),
        }

    def resume(self, written: Path, state: Mapping[str, Any]) -> None:
        """Before the first frame: take over what was written before a checkpoint, bit for bit, and continue behind it.

        Args:
            written: file of the run that was interrupted; it may be torn at its end.
            state: of `checkpoint`.

        Raises:
            SinkError: the file holds less.
            av.FFmpegError, KeyError, TypeError, ValueError: the file cannot be read, or the state is none.
        """
        packets = int(state["packets"])
        with closing(packets_again(written, self.times.time_base, state["encoder"])) as found:
            for packet in islice(found, packets):
                self._mux([self._encoder.adopt(packet)])
        if self.frames < packets:
            raise SinkError(f"{written} holds {self.frames} of the {packets} pictures of the run before")
        self.end = int(state["end"])
        self.times.load_state(state["times"])
        self._encoder.load_state(state["encoder"])

    def finish(self) -> None:
        """Write all that is still inside, and the rest of the audio."""
        self._mux(self._encoder.flush())
        if self._is_cut():
            self.cut_s = self.end * self.times.time_base
        self._audio.copy(self._output, self.cut_s)

    def close(self) -> None:
        """Complete the file; also after a failure, where it writes nothing more."""
        try:
            self._output.close()
        finally:
            self._audio.close()

    def _mux(self, packets: Sequence[VideoPacket]) -> None:
        for packet in packets:
            self._audio.copy(self._output, (packet.dts or 0) * packet.time_base)
            self._output.mux(packet)
            self.frames += 1

    def _is_cut(self) -> bool:
        """Whether the source has more than two further frames: the run was stopped or limited."""
        tracks = [*self._audio.tracks, *self.late.tracks]
        if self._info.path is None or all(track.next is None for track in tracks):
            return False
        reach = self.times.last + 2 * (self.times.interval or self._frame_duration)
        return video_goes_on(Path(self._info.path), reach * self.times.time_base - self.times.shift_s)

    def _convert(self, picture: Picture) -> av.VideoFrame:
        return fitted(picture, self._size, self._smallest_side, self._info.colour)


def fitted(picture: Picture, size: tuple[int, int], smallest_side: int, colour: Colour) -> av.VideoFrame:
    """A picture as a frame of a video: planes as they are if they fit, all else by way of RGB.

    Args:
        picture: of any size.
        size: (width, height) of the video.
        smallest_side: pixels that the encoder wants at least.
        colour: tags of the video; undecided ones are resolved.
    """
    if (
        isinstance(picture, Planes)
        and (picture.width, picture.height) == size
        and min(size) >= smallest_side
        and picture.colour == resolve_colour(colour, *size)
    ):
        return picture.for_encoder()
    return frame_from_rgb(padded(letterboxed(picture.rgb(), *size), smallest_side), colour)


def letterboxed(image: Image, width: int, height: int) -> Image:
    """Scale an image into a size with its aspect kept and black bars in the middle's sides; as it is if it fits."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_width, inner_height = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner_height, left : left + inner_width] = cv2.resize(
        image, (inner_width, inner_height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return canvas


def padded(image: Image, smallest_side: int) -> Image:
    """Repeat the last column and row up to an even size, which yuv420p needs; boxes keep their pixels."""
    height, width = (max(side + side % 2, smallest_side) for side in image.shape[:2])
    if image.shape[:2] == (height, width):
        return image
    below, right = height - image.shape[0], width - image.shape[1]
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
