"""The streams of a run: which are read and how, and how others join and leave while it runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from streamdet.errors import ConfigError
from streamdet.flow import Run, Stage
from streamdet.media.live.kind import is_live
from streamdet.media.packets import PacketLimits, PacketRing
from streamdet.media.read.hwaccel import choose_device
from streamdet.stages.decode import DecodeSettings, Input, OnError, decode, decode_live, keep_open


class Streams:
    """What a run reads. Each live source has a decode stage of its own; files share some, in turn.

    Args:
        inputs: the sources at the start.
        settings: the part of each that is read, and how live ones are.
        side_by_side: files that are read at the same time.
        on_error: what happens when a file fails, as in `decode`. A live source is connected to again; it fails where
            its part ends without a frame.
        packets: how much of the packets of each live source is kept; None: nothing.
        every: of files, only the picture of every N-th frame is looked at.
        watch: wraps every source's stage, to look at what it gives.
        lasting: the run is for live sources, which join and leave until it is stopped; there may be none.

    Attributes:
        lasting: as it was given.
        live: True where the run is lasting, or one of the sources at the start is live: then frames are taken one each
            and must be new.

    Raises:
        ConfigError: mode freshest, where none of the sources is live; a kind of hwaccel that there is not.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        settings: DecodeSettings,
        *,
        side_by_side: int = 1,
        on_error: OnError = "end",
        packets: PacketLimits | None = None,
        every: int = 1,
        watch: Callable[[Stage], Stage] | None = None,
        lasting: bool = False,
    ) -> None:
        self._settings = settings
        self._hwaccel = choose_device(settings.hwaccel)
        self._on_error, self._packets = on_error, packets
        self._watch = watch
        self._part = replace(settings.part, every=every)
        self._changing = Lock()
        self._run: Run | None = None
        self._inputs = {source.spec.name: source for source in inputs}
        live = [source for source in inputs if is_live(source.spec)]
        files = [source for source in inputs if source not in live]
        self.live, self.lasting = lasting or bool(live), lasting
        if settings.mode == "freshest" and files and not live:
            raise ConfigError("mode freshest is for cameras and live streams; files are read frame by frame")
        together = max(min(side_by_side, len(files)), not self.live)
        self.stages = [keep_open()] if lasting else []
        self.stages += [self._decode_live(source) for source in live]
        self.stages += [self._decode(files[first::together]) for first in range(together)]

    def join(self, run: Run) -> None:
        """Say which run reads `stages`, so that others can join it."""
        self._run = run

    @property
    def names(self) -> frozenset[str]:
        """Of the streams that were asked for and not removed; those that ended by themselves are among them."""
        with self._changing:
            return frozenset(name for name, source in self._inputs.items() if not source.leaving.is_set())

    @property
    def all_names(self) -> list[str]:
        """Those, and the removed ones, in the order in which they came."""
        with self._changing:
            return list(self._inputs)

    def add(self, source: Input) -> None:
        """Let one more stream join the run, from any thread.

        Args:
            source: its name must be new; that of a removed stream is not.

        Raises:
            ValueError: the name is taken, or the source is live and the run is not.
            RuntimeError: the run has not started, or is over.
        """
        if self._run is None:
            raise RuntimeError("a stream can only join a run that is running")
        live = is_live(source.spec)
        if live and not self.live:
            raise ValueError(f"{source.spec.shown}: is a live source; this run is for files")
        stage = self._decode_live(source) if live else self._decode([source])
        with self._changing:
            if source.spec.name in self._inputs:
                raise ValueError(f"a stream is called {source.spec.name} already; expected another name")
            self._run.add(stage)
            self._inputs[source.spec.name] = source

    def remove(self, name: str) -> None:
        """Let a stream end: what it gave is worked off, then its outputs are closed. From any thread.

        Raises:
            KeyError: there is no such stream, or it was removed before.
        """
        with self._changing:
            if self._inputs[name].leaving.is_set():
                raise KeyError(name)
            self._inputs[name].leaving.set()

    def hand_over(self, name: str) -> None:
        """The same for a live stream that another process continues: a `Checkpoint` comes before its end."""
        self._there(name).handing_over.set()
        self.remove(name)

    def forget(self, name: str) -> None:
        """Let the name of a stream that has ended be taken again."""
        with self._changing:
            del self._inputs[name]

    def pause(self, name: str) -> None:
        """Read nothing of a stream until `resume`; a camera is not connected to meanwhile. From any thread.

        Raises:
            KeyError: there is no such stream, or it was removed.
        """
        self._there(name).paused.set()

    def resume(self, name: str) -> None:
        """Continue after `pause`; raises as that."""
        self._there(name).paused.clear()

    def is_paused(self, name: str) -> bool:
        """Whether a stream is paused."""
        return self._inputs[name].paused.is_set()

    def problem(self, name: str) -> str | None:
        """Of a live stream: why there is no connection right now, one line without credentials."""
        return next(iter(self._inputs[name].problem), None)

    def _there(self, name: str) -> Input:
        with self._changing:
            if self._inputs[name].leaving.is_set():
                raise KeyError(name)
            return self._inputs[name]

    def _decode_live(self, source: Input) -> Stage:
        settings = self._settings
        source = replace(source, packets=PacketRing(self._packets) if self._packets is not None else None)
        return self._watched(decode_live(self._as_set(source), settings.live, settings.part, on_error=self._on_error))

    def _decode(self, sources: Sequence[Input]) -> Stage:
        stage = decode([self._as_set(source) for source in sources], self._part, on_error=self._on_error)
        # A file that is read beside live sources waits for its turn like those.
        return self._watched(replace(stage, capacity=0) if self.live else stage)

    def _as_set(self, source: Input) -> Input:
        track_index = self._settings.track_index
        return replace(source, spec=replace(source.spec, hwaccel=self._hwaccel, track_index=track_index))

    def _watched(self, stage: Stage) -> Stage:
        return self._watch(stage) if self._watch is not None else stage
