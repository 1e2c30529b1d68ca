"""The streams of a run: which are read and how, and how others join and leave while it goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock

from streamdet.errors import ConfigError
from streamdet.flow import Run, Stage
from streamdet.jobs.config import DecodeConfig
from streamdet.media.live.kind import is_live
from streamdet.media.live.options import LiveOptions
from streamdet.media.locations import SourceSpec
from streamdet.media.read.hwaccel import choose_device
from streamdet.media.timeline import Part
from streamdet.stages.decode import Continuation, LiveStreams, OnError, decode, decode_live


class Streams:
    """What a run reads. Each live source has a decode stage of its own; files share some, one after another.

    Args:
        specs: the sources at the start.
        config: the part of each that is read, and how live ones are.
        side_by_side: files that are read at the same time.
        on_error: what happens when a file fails, as in `decode`. A live source is connected to anew; it fails where its
            part ends without a frame.
        watch: wraps every source's stage, to look at what it gives.
        continuation: of the files: where checkpoints come, and what is gone on from.

    Attributes:
        live: True where one of the sources at the start is live: then frames are taken one each and must be new.

    Raises:
        ConfigError: mode freshest, where none of the sources is live; a kind of hwaccel that there is not.
    """

    def __init__(
        self,
        specs: Sequence[SourceSpec],
        config: DecodeConfig,
        *,
        side_by_side: int = 1,
        on_error: OnError = "end",
        watch: Callable[[Stage], Stage] | None = None,
        continuation: Continuation | None = None,
    ) -> None:
        self._part = Part(config.start_s or None, config.end_s, config.max_frames, config.stride)
        self._options = LiveOptions(
            freshest=config.mode != "every-frame",
            max_staleness_s=config.max_staleness_s,
            transport=config.transport,
            wait_for_keyframe=config.wait_for_keyframe,
            timeout_s=config.timeout_s,
            stale_after_s=config.stale_after_s,
        )
        self._hwaccel = choose_device(config.hwaccel)
        self._track_index = config.track_index
        self._on_error = on_error
        self._watch = watch
        self._continuation = continuation
        self._shared = LiveStreams()
        self._changing = Lock()
        self._run: Run | None = None
        self._names = {spec.name for spec in specs}
        live = [spec for spec in specs if is_live(spec)]
        files = [spec for spec in specs if spec not in live]
        self.live = bool(live)
        if config.mode == "freshest" and not live:
            raise ConfigError("mode freshest is for cameras and live streams; files are read frame by frame")
        together = min(side_by_side, len(files))
        self.stages = [self._decode_live(spec) for spec in live]
        self.stages += [self._decode(files[first::together]) for first in range(together)]

    def join(self, run: Run) -> None:
        """Say which run reads `stages`, so that others can join it."""
        self._run = run

    @property
    def names(self) -> frozenset[str]:
        """Of the streams that were asked for and not removed; those that ended by themselves are among them."""
        return frozenset(self._names - self._shared.leaving)

    @property
    def all_names(self) -> frozenset[str]:
        """Those, and the removed ones."""
        return frozenset(self._names)

    def add(self, spec: SourceSpec) -> None:
        """Let one more stream join the run, from any thread.

        Args:
            spec: its name must be new; that of a removed stream is not.

        Raises:
            ValueError: the name is taken, or the source is live and the run is not.
            RuntimeError: the run has not begun, or is over.
        """
        if self._run is None:
            raise RuntimeError("a stream joins a run that goes on")
        if is_live(spec) and not self.live:
            raise ValueError(f"{spec.shown}: is live, and this run was made for files")
        stage = self._decode_live(spec) if is_live(spec) else self._decode([spec])
        with self._changing:
            if spec.name in self._names:
                raise ValueError(f"a stream is called {spec.name} already; expected another name")
            self._run.add(stage)
            self._names.add(spec.name)

    def remove(self, name: str) -> None:
        """Let a stream end: what it gave is worked off, then its outputs are closed. From any thread.

        Raises:
            KeyError: there is no such stream, or it was removed before.
        """
        if name not in self.names:
            raise KeyError(name)
        self._shared.leaving.add(name)

    def dropped(self, name: str) -> Mapping[str, int]:
        """Frames of a live stream that were dropped so far, by cause; empty of any other."""
        return self._shared.dropped_of(name)

    def _decode_live(self, spec: SourceSpec) -> Stage:
        spec = self._as_set(spec)
        stage = decode_live(spec, self._options, self._part, on_error=self._on_error, streams=self._shared)
        return self._watched(stage)

    def _decode(self, specs: Sequence[SourceSpec]) -> Stage:
        stage = decode(
            [self._as_set(spec) for spec in specs],
            self._part,
            on_error=self._on_error,
            leaving=self._shared.leaving,
            continuation=self._continuation,
        )
        # A file that is read beside live sources waits for its turn like those.
        return self._watched(replace(stage, capacity=0) if self.live else stage)

    def _as_set(self, spec: SourceSpec) -> SourceSpec:
        return replace(spec, hwaccel=self._hwaccel, track_index=self._track_index)

    def _watched(self, stage: Stage) -> Stage:
        return self._watch(stage) if self._watch is not None else stage
