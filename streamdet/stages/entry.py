"""What is known of a stage without running it: its settings, its place among the others, its state and its outputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from streamdet.flow import Stage
from streamdet.frames import StateSection
from streamdet.media.locations import SourceSpec
from streamdet.media.packets import PacketLimits
from streamdet.models.contract import Detector
from streamdet.models.options import KEEP, DetectOptions
from streamdet.stages.outputs import OutputLog, Target
from streamdet.yaml_file import Section

Settings = TypeVar("Settings")
Flow = Literal["frames", "clips", "results"]


class Changes:
    """Settings that were changed while a job runs: set from any thread, read by a stage before each frame."""

    def __init__(self) -> None:
        self._latest: dict[str, Any] = {}

    def set(self, stage: str, settings: Any) -> None:
        """From now on a stage has these."""
        self._latest[stage] = settings

    def latest(self, stage: str, settings: Settings) -> Settings:
        """What a stage has now; `settings` is what it was built with."""
        latest: Settings = self._latest.get(stage, settings)
        return latest


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage may need to know of the job that it is built for.

    Attributes:
        detector: what detect runs.
        min_score: lowest score of what is shown, 0 to 1.
        sources: names of the sources at the start.
        tracked: whether boxes get track ids.
        live: whether frames are of now: cameras and live streams are among the sources.
        side_by_side: how many sources are read at the same time.
        log: where outputs report what becomes of them.
        lowest_score: lowest score of the boxes that detect gives: some stage may make use of weaker ones.
        show: which boxes are shown.
        changes: of settings while the job runs.
    """

    detector: Detector
    min_score: float
    sources: Sequence[str] = ()
    tracked: bool = False
    live: bool = False
    side_by_side: int = 1
    log: OutputLog = field(default_factory=OutputLog)
    lowest_score: float = 1.0
    show: DetectOptions = KEEP
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """What a stage is going to write.

    Attributes:
        targets: by name of the source: a file, or an address to send to, credentials included.
        shared: all sources have one target, which is no file.
        folder: the files' folder where the settings name one; it is made where it is missing.
        named: there will be files of exactly these names.
        earlier: files of an earlier run that would be mixed with new ones.
        not_resumable: why an interrupted run cannot be continued with --resume; None where it can.
    """

    targets: Mapping[str, Target]
    shared: bool = False
    folder: str | None = None
    named: bool = True
    earlier: Sequence[Path] = ()
    not_resumable: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """What is known of a file that an interrupted run was writing.

    Attributes:
        published: the run has given it its final name.
        whole: all that was written is there; False after a power cut, where only what was synced to the disk is.
    """

    published: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class OutputEntry:
    """The outputs of a stage.

    Attributes:
        kind: what reports call them.
        plan: gives where each of the sources is written to by the stage's settings; raises ConfigError.
        surviving: gives, for each section that was saved while a file was written, the section to continue from, or
            None where the file has lost what was written before it. None: its outputs cannot be continued.
    """

    kind: str
    plan: Callable[[Any, Sequence[SourceSpec]], OutputPlan]
    surviving: Callable[[Sequence[Any], Path, Left], Sequence[StateSection | None]] | None = None


@dataclass(frozen=True, slots=True)
class StageEntry:
    """A stage as the registry knows it.

    Attributes:
        name: of the stage, of its section in a job, and of its saved sections.
        build: gives the stage, from its settings and the job; None for decode, which opens sources.
        settings: its section in a job: a strict model with every default; None where nothing can be set.
        check: raises ConfigError where settings do not fit the job, such as a class that the detector does not know.
        adjustable: keys of its settings that may change while the job runs, see `StageContext.changes`.
        takes, makes: what flows into it and out of it.
        needs: what a stage before it must give.
        uses: what it takes into account where a stage of the job gives it, which must come before it then.
        gives: what the stages after it may need or use.
        state: what it saves of a stream; None where it remembers nothing. Where it declares one, its `snapshot` gives
            one after the first frame.
        lowest_score: gives, from its settings and detect.conf, the lowest score of the boxes that it makes use of.
        why_not_saved: gives why its state cannot be saved with these settings; None where it can.
        output: what it writes; None where it writes nothing.
        copies_video: whether it writes, with these settings, pictures of a source as they are stored, whatever the
            stages before it did to them.
        shows_pictures: whether it needs the pictures of frames that the detector does not look at.
        packets: gives, from its settings, how much of the packets of live sources it needs; see `StreamInfo.packets`.
    """

    name: str
    build: Callable[[Any, StageContext], Stage] | None
    settings: type[Section] | None = None
    check: Callable[[Any, StageContext], None] = lambda settings, context: None
    adjustable: frozenset[str] = frozenset()
    takes: Flow | None = "results"
    makes: Flow = "results"
    needs: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    state: type[StateSection] | None = None
    lowest_score: Callable[[Any, float], float] = lambda settings, conf: conf
    why_not_saved: Callable[[Any], str | None] = lambda settings: None
    output: OutputEntry | None = None
    copies_video: Callable[[Any], bool] = lambda settings: False
    shows_pictures: bool = True
    packets: Callable[[Any], PacketLimits | None] = lambda settings: None
