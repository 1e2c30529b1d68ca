"""batch: gathers frames into clips, as many as a detector takes at once."""

from collections.abc import Iterator
from time import monotonic

from streamdet.flow import Inbox, Stage
from streamdet.frames import Clip, Frame, Marker


def batch(frames_per_clip: int, max_streams: int = 1, deadline_s: float | None = None) -> Stage:
    """Frame to Clip; markers pass, in order.

    Args:
        frames_per_clip: T, consecutive frames of a stream.
        max_streams: B, streams side by side. A clip goes out when B streams of one size have T frames each.
        deadline_s: how long a frame waits for the others of its clip; None: as long as it takes. With it clips may
            have fewer frames and streams.
    """
    if frames_per_clip < 1 or max_streams < 1:
        raise ValueError(f"a clip needs at least one frame and stream, got {frames_per_clip} and {max_streams}")

    def process(inbox: Inbox[Frame | Marker]) -> Iterator[Clip | Marker]:
        waiting = _Waiting(frames_per_clip, max_streams)
        while True:
            try:
                item = next(inbox) if deadline_s is None else inbox.poll(waiting.left_s(deadline_s))
            except StopIteration:
                break
            if isinstance(item, Frame):
                yield from waiting.add(item)
            elif item is not None:
                yield from waiting.flush(item.source)
                yield item
            if deadline_s is not None and waiting.left_s(deadline_s) <= 0:
                yield from waiting.flush_all()
        yield from waiting.flush_all()

    return Stage("batch", process)


class _Waiting:
    """Frames that wait for the rest of their clip, at most frames_per_clip of each stream."""

    def __init__(self, frames_per_clip: int, max_streams: int) -> None:
        self._frames_per_clip = frames_per_clip
        self._max_streams = max_streams
        self._frames: dict[str, list[Frame]] = {}
        self._since_s: dict[str, float] = {}

    def left_s(self, deadline_s: float) -> float:
        """Seconds until the frame that has waited longest must go."""
        oldest_s = min(self._since_s.values(), default=None)
        return deadline_s if oldest_s is None else max(oldest_s + deadline_s - monotonic(), 0.0)

    def add(self, frame: Frame) -> Iterator[Clip]:
        """Take a frame; gives the clips that go out because of it."""
        frames = self._frames.get(frame.source)
        if frames and (_kind(frames[-1]) != _kind(frame)):
            yield from self.flush(frame.source)
        elif frames and len(frames) == self._frames_per_clip:
            # This stream is a clip ahead: it waits for nobody any longer, and neither do the others that are full.
            yield self._take(self._full(frame))
        self._frames.setdefault(frame.source, []).append(frame)
        self._since_s.setdefault(frame.source, monotonic())
        full = self._full(frame)
        if len(full) == self._max_streams:
            yield self._take(full)

    def flush(self, source: str) -> Iterator[Clip]:
        """Let go what waits of one stream."""
        if source in self._frames:
            yield self._take([source])

    def flush_all(self) -> Iterator[Clip]:
        """Let go all that waits, streams of equal size and length side by side."""
        groups: dict[tuple[object, int], list[str]] = {}
        for source, frames in self._frames.items():
            groups.setdefault((frames[0].image.shape, len(frames)), []).append(source)
        for sources in groups.values():
            for start in range(0, len(sources), self._max_streams):
                yield self._take(sources[start : start + self._max_streams])

    def _full(self, like: Frame) -> list[str]:
        return [
            source
            for source, frames in self._frames.items()
            if len(frames) == self._frames_per_clip and frames[0].image.shape == like.image.shape
        ]

    def _take(self, sources: list[str]) -> Clip:
        for source in sources:
            del self._since_s[source]
        return Clip(tuple(tuple(self._frames.pop(source)) for source in sources))


def _kind(frame: Frame) -> tuple[object, int]:
    return frame.image.shape, frame.session
