"""Every exception that streamdet raises on purpose.

StreamdetError
├── ConfigError            a configuration, a command or an option is wrong
├── SourceError            a source cannot be read
│   ├── SourceOpenError    it cannot be opened: missing, empty, no video in it, refused
│   ├── SourceTimeout      it did not answer in time
│   └── DecodeError        what it holds cannot be decoded
├── ModelError             a detector cannot be built or run
│   └── CheckpointError    a model file is missing, damaged or of another format
├── SinkError              an output cannot be written
└── PipelineError          a run failed
    └── StageError         one stage of it failed; names stage, stream and frame

Misuse by a programmer is ValueError or TypeError. No exception of av, cv2 or torch leaves the package that
imports it unwrapped.
"""


class StreamdetError(Exception):
    """Base of all."""


class ConfigError(StreamdetError):
    """A configuration, a command or an option is wrong; nothing was written."""


class SourceError(StreamdetError):
    """A source cannot be read."""


class SourceOpenError(SourceError):
    """A source cannot be opened: missing, empty, without video, refused."""


class SourceTimeout(SourceError):
    """A source did not answer in time."""


class DecodeError(SourceError):
    """What a source holds cannot be decoded."""


class ModelError(StreamdetError):
    """A detector cannot be built or run."""


class CheckpointError(ModelError):
    """A model file is missing, damaged or of another format."""


class SinkError(StreamdetError):
    """An output cannot be written."""


class PipelineError(StreamdetError):
    """A run failed."""


class StageError(PipelineError):
    """One stage of a run failed; the message names the stage, the stream and the frame."""
