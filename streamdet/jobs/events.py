"""What a running job tells its listeners: a terminal, a web server, a notebook, a cluster's head."""

from collections.abc import Callable
from dataclasses import dataclass

from streamdet.errors import StageError
from streamdet.frames import StreamEnded, StreamGap, StreamStarted
from streamdet.jobs.outcome import Outcome
from streamdet.result import Result
from streamdet.stages.outputs import OutputChanged, OutputFailed


@dataclass(frozen=True, slots=True)
class SourceComplete:
    """With --resume: an earlier run has done all of a source."""

    source: str


@dataclass(frozen=True, slots=True)
class SourceResumed:
    """With --resume: a source continues behind this number of frames."""

    source: str
    frames: int


@dataclass(frozen=True, slots=True)
class NothingToResume:
    """With --resume: no source has anything to continue."""


@dataclass(frozen=True, slots=True)
class SourceJoined:
    """A source was added to the job while it runs."""

    source: str


@dataclass(frozen=True, slots=True)
class SourceLeft:
    """A source was removed from the job while it runs."""

    source: str


@dataclass(frozen=True, slots=True)
class JobWarning:
    """Something that costs nothing yet, one line."""

    message: str


@dataclass(frozen=True, slots=True)
class JobProblem:
    """Something that was asked of the running job and could not be done; one line or more. The job continues."""

    message: str


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A stage failed, which ends the job; its outputs are closed."""

    error: StageError


@dataclass(frozen=True, slots=True)
class JobFinished:
    """The job is over: its outputs are closed."""

    outcome: Outcome


Event = (
    StreamStarted
    | Result
    | StreamGap
    | StreamEnded
    | OutputFailed
    | OutputChanged
    | SourceComplete
    | SourceResumed
    | NothingToResume
    | SourceJoined
    | SourceLeft
    | JobWarning
    | JobProblem
    | JobFailed
    | JobFinished
)

Listener = Callable[[Event], None]
"""Called with each event, one at a time, by the thread in which it happens. It returns soon: the job waits for it."""
