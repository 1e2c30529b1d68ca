"""Which detector a name means: ours, and those of other packages.

A package adds its own by entry points of the group `streamdet.detectors`, each a name or a pattern and a `Builder`:

    [project.entry-points."streamdet.detectors"]
    "acme/*" = "acme.streamdet:build"

Nothing is imported before it is asked for.
"""

import difflib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast

from streamdet.errors import CheckpointError
from streamdet.models.contract import Detector
from streamdet.models.options import Precision, Runtime

GROUP = "streamdet.detectors"
EMBEDDED_MODELS = ("street",)
_OURS = "streamdet.runtimes.loading:open_recurrent"
_ONNX = "streamdet.runtimes.onnx_file:open_onnx"
_BUILT_IN = [EntryPoint(name, _OURS, GROUP) for name in (*EMBEDDED_MODELS, "*.safetensors")]
_BUILT_IN += [
    EntryPoint("torchvision/*", "streamdet.runtimes.loading:open_torchvision", GROUP),
    EntryPoint("hf:*", "streamdet.runtimes.loading:open_huggingface", GROUP),
    EntryPoint("*.onnx", _ONNX, GROUP),
]


class Builder(Protocol):
    """Makes detectors of one kind."""

    def __call__(self, name: str, *, device: str, runtime: Runtime, precision: Precision) -> Detector:
        """A detector that is ready to run.

        Args:
            name: what was asked for, which the entry point's name matches.
            device: auto, cpu, cuda or cuda:N.
            runtime, precision: as in streamdet.load; a builder may support auto alone.

        Raises:
            CheckpointError: if there is no such model or its file is damaged.
            ConfigError: if device, runtime or precision are not available.
        """
        ...


def find(name: str) -> Builder:
    """The builder of a detector. A name comes before a pattern, ours before those of other packages.

    Args:
        name: a name, or a file.

    Raises:
        CheckpointError: if none is known by this name, or its package cannot be imported.
    """
    found = next(_matching(name), None)
    if found is None:
        raise CheckpointError(_unknown(name))
    try:
        return cast(Builder, found.load())
    except (ImportError, AttributeError) as error:
        raise CheckpointError(f"model {name}: {found.value} cannot be loaded: {error}") from error


def _matching(name: str) -> Iterator[EntryPoint]:
    yield from _named(_BUILT_IN, name)
    yield from _named(_plugins(), name)  # other packages are looked for only where ours do not know


def _named(known: list[EntryPoint], name: str) -> Iterator[EntryPoint]:
    yield from (entry for entry in known if entry.name == name)
    yield from (entry for entry in known if fnmatchcase(name, entry.name))


def _plugins() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))


def _unknown(name: str) -> str:
    known = [entry.name for entry in (*_BUILT_IN, *_plugins())]
    expected = f"expected {', '.join(known[:-1])} or {known[-1]}"
    if Path(name).exists():
        return f"{name} is not a model file of a known kind: {expected}"
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown model {name}: {f'did you mean {near[0]}? ' if near else ''}{expected}"
