"""Video files, and streams that are read like one: frames with the exact times that the file gives them."""

from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
from av.video.frame import VideoFrame

from streamdet.errors import DecodeError, SourceOpenError
from streamdet.frames import Frame, Picture, StreamInfo
from streamdet.media.border import errors_of
from streamdet.media.colour import colour_of
from streamdet.media.container import VideoPacket, pixel_aspect, reason
from streamdet.media.locations import SourceSpec
from streamdet.media.planes import picture_of
from streamdet.media.read.aperture import aperture_of, cropped
from streamdet.media.read.decoder import Decoder
from streamdet.media.read.deinterlace import Label, LabelledFrame, deinterlaced
from streamdet.media.read.frame_reader import FrameReader
from streamdet.media.read.orientation import orientation_of
from streamdet.media.read.seeking import FrameCounter, jump, never_shown, skip
from streamdet.media.read.skipping import Undecoded, skipping
from streamdet.media.timeline import Part, Stated, Timeline, beginning_s, end_s


class FileSource(FrameReader):
    """The best video stream of a file, decoded.

    The first frame is decoded at once: it shows the size and the colour, and that there is something to decode.
    A packet that cannot be decoded counts in `Frame.index` as the frame that it was.

    Attributes:
        name: the stream's name.
        info: its `frames` and `duration_s` are those of the part that is read.

    Raises:
        SourceOpenError: it cannot be opened, or nothing in the part that is asked for can be decoded.
        SourceTimeout: a server did not answer in time.
    """

    def __init__(self, spec: SourceSpec, part: Part) -> None:
        self._spec = spec
        self._part = part
        self.name = spec.name
        with errors_of(spec.shown):
            self._decoder = Decoder(spec)
            self._open()

    def _open(self) -> None:
        part = self._part
        try:
            self._in_part = self._decode_part()
            first = next(self._in_part, None)
            if first is None:
                raise SourceOpenError(f"{self._spec.shown}: {self._why_nothing()}")
            self.info = self._describe(*first)
        except BaseException:
            self._decoder.close()
            raise
        stop = None if part.max_frames is None else (part.max_frames - 1) * part.stride + 1
        self._frames = self._deliver(islice(chain([first], self._in_part), part.skip * part.stride, stop, part.stride))

    @property
    def undecodable(self) -> int:
        """Packets so far that gave no frame because they are broken."""
        return self._decoder.undecodable

    def close(self) -> None:
        """Close the file; iteration ends. To be called in the thread that iterates."""
        # FFmpeg crashes when it reads from a closed container: no generator may continue behind this.
        self._frames.close()
        self._in_part.close()
        self._decoder.close()

    def _decode_part(self) -> Generator[LabelledFrame]:
        """Decode, number and deinterlace the frames between start and end; not yet converted."""
        start, end = self._part.pts_range(beginning_s(self._decoder.container), self._decoder.time_base)
        aperture = aperture_of(self._spec, self._decoder.stream)
        for label, frame in cropped(deinterlaced(self._number(start)), aperture):
            if end is not None and label.pts >= end:
                return
            if start is None or label.pts >= start:
                yield label, frame

    def _number(self, start: int | None) -> Iterator[LabelledFrame]:
        """Decode from the keyframe before start on, giving each frame its number and its pts."""
        counter = self._seek(start)
        timeline = Timeline(self._decoder.time_base, self._decoder.rate)
        first_number = 0
        for (frame, number, broken_before), pts in timeline.placed(self._stated(counter, start)):
            if number == 0:
                first_number = broken_before if counter is None else counter.number_of_first(pts)
            if isinstance(frame, Undecoded):
                yield Label(first_number + number, pts, frame.duration, decoded=False), frame.before
            else:
                yield Label(first_number + number, pts, frame.duration), frame

    def _stated(
        self, counter: FrameCounter | None, start: int | None
    ) -> Iterator[Stated[tuple[VideoFrame | Undecoded, int, int]]]:
        """Each frame with its number from the first one on and the broken packets before that, and its stated time."""
        decoder = self._decoder
        broken_before: int | None = None
        packets = decoder.packets() if counter is None else counter.packets
        for position, frame in enumerate(self._decode(packets, start)):
            if broken_before is None:
                broken_before = decoder.undecodable
            number = position + decoder.undecodable - broken_before
            time = frame.pts if isinstance(frame, Undecoded) else decoder.clock.stated(frame.pts, frame.dts)
            yield (frame, number, broken_before), time, frame.duration

    def _decode(self, packets: Iterable[VideoPacket], start: int | None) -> Iterator[VideoFrame | Undecoded]:
        skipped = skipping(self._decoder, self._part.every if self._part.stride == 1 else 1, start)
        if skipped is None:
            return self._decoder.frames(packets)
        return skipped.frames(self._decoder.frames(skipped.packets(packets)))

    def _seek(self, start: int | None) -> FrameCounter | None:
        """Go to a keyframe before start; None where frames can only be counted by decoding them all."""
        # Without pts there is no telling which frames a decoder drops behind a keyframe.
        if start is None or not self._decoder.trust_pts or (unseen := never_shown(self._spec)) is None:
            return None
        for way in (jump, skip):
            try:
                return way(self._decoder, start, unseen)
            except (LookupError, av.FFmpegError):
                self._decoder.close()
                self._decoder = Decoder(self._spec)
        return None

    def _deliver(self, frames: Iterable[LabelledFrame]) -> Generator[Frame]:
        live, time_base = self._decoder.live, self._decoder.time_base
        picture: Picture | None = None
        with errors_of(self._spec.shown):
            for label, frame in frames:
                picture = self._picture(frame) if label.decoded or picture is None else picture
                yield Frame(
                    source=self.name,
                    session=0,
                    index=label.index,
                    pts=label.pts,
                    time_base=time_base,
                    picture=picture,
                    duration=label.duration,
                    wall_time=datetime.now(UTC) if live else None,
                    pixel_aspect=self._pixel_aspect(frame),
                    decoded=label.decoded,
                )

    def _pixel_aspect(self, frame: av.VideoFrame) -> Fraction:
        aspect = pixel_aspect(self._decoder.stream)
        return 1 / aspect if orientation_of(frame)[0] else aspect

    def _picture(self, frame: av.VideoFrame) -> Picture:
        try:
            return picture_of(frame)
        except (av.FFmpegError, ValueError) as error:
            what = f"a picture of {frame.width}x{frame.height} {frame.format.name}"
            raise DecodeError(f"{self._spec.shown}: {what} cannot be converted: {reason(error)}") from error

    def _describe(self, label: Label, frame: av.VideoFrame) -> StreamInfo:
        decoder, stream, part = self._decoder, self._decoder.stream, self._part
        first_s = label.pts * decoder.time_base - beginning_s(decoder.container)
        ends_s = end_s(decoder.container, stream)
        left = stream.frames - label.index if stream.frames else None
        if left is None and ends_s is not None and decoder.rate is not None:
            left = round((ends_s - first_s) * decoder.rate)
        transposed, _, _ = orientation_of(frame)
        return StreamInfo(
            location=self._spec.shown,
            width=frame.height if transposed else frame.width,
            height=frame.width if transposed else frame.height,
            time_base=decoder.time_base,
            average_rate=decoder.rate,
            duration_s=part.duration_s(first_s, ends_s),
            frames=part.count(left, first_s, decoder.rate),
            live=decoder.live,
            # A pipe can be read only once.
            path=self._spec.location if self._spec.kind == "file" and Path(self._spec.location).is_file() else None,
            track_index=stream.index,
            pixel_aspect=self._pixel_aspect(frame),
            colour=colour_of(frame),
        )

    def _why_nothing(self) -> str:
        if self._decoder.encrypted:
            return "nothing in it can be decoded: it is encrypted (CENC), and its key is needed to decrypt it first"
        if self.undecodable:
            return f"nothing in it can be decoded ({self.undecodable} broken packets)"
        if self._part.start_s is not None:
            end = "its end" if self._part.end_s is None else f"{self._part.end_s:g} s"
            length = self._decoder.container.duration
            lasts = f"; it lasts {length / av.time_base:.3f} s" if length else ""
            return f"holds no frame from {self._part.start_s:g} s to {end}{lasts}"
        return "holds no frames"
