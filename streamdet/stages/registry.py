"""The stages that there are: those of this package, those of installed plug-ins, and those that a program adds."""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from streamdet.errors import ConfigError
from streamdet.stages.entry import StageEntry

GROUP = "streamdet.stages"
"""Entry points of a plug-in: name = "module:STAGE", a StageEntry of that name."""

_OWN = (
    "decode",
    "batch",
    "detect",
    "track",
    "anonymise",
    "zones",
    "classify",
    "clips",
    "crops",
    "annotate",
    "encode",
    "overlay",
    "record",
    "table",
    "alert",
)
_added: dict[str, StageEntry] = {}


def register(entry: StageEntry) -> None:
    """Add a stage to this process; one of that name which was added before is replaced.

    Raises:
        ValueError: the name is that of a stage of this package.
    """
    if entry.name in _OWN:
        raise ValueError(f"{entry.name} is the name of a stage of streamdet; choose another one")
    _added[entry.name] = entry


def unregister(name: str) -> None:
    """Take back what `register` has added."""
    _added.pop(name, None)


def stage_names() -> list[str]:
    """Names of all stages, those of this package first."""
    plugins = (point.name for point in entry_points(group=GROUP))
    return list(dict.fromkeys([*_OWN, *plugins, *_added]))


def stage_entry(name: str) -> StageEntry:
    """What is known of a stage; loads it.

    Raises:
        ConfigError: there is none of this name, or a plug-in cannot be loaded.
    """
    if name in _OWN:
        entry: StageEntry = import_module(f"streamdet.stages.{name}").STAGE
        return entry
    if name in _added:
        return _added[name]
    for point in entry_points(group=GROUP, name=name):
        return _loaded(point)
    raise ConfigError(f"unknown stage {name}; expected one of {', '.join(stage_names())}")


def _loaded(point: EntryPoint) -> StageEntry:
    try:
        entry = point.load()
    except Exception as error:  # whatever a plug-in does while it is loaded
        raise ConfigError(f"stage {point.name}: plug-in {point.value} cannot be loaded: {error}") from error
    if not isinstance(entry, StageEntry) or entry.name != point.name:
        raise ConfigError(f"stage {point.name}: plug-in {point.value} is not a StageEntry with this name")
    return entry


def check_order(names: Sequence[str]) -> None:
    """Make sure that stages fit together in this order.

    Raises:
        ValueError: there is no such stage, or one takes what the one before it does not make, needs what none before
            it gives, comes before what it uses, or comes twice.
    """
    got = f"got {', '.join(names) or 'none'}"
    try:
        entries = [stage_entry(name) for name in names]
    except ConfigError as error:
        raise ValueError(str(error)) from error
    flows = [None, *(entry.makes for entry in entries)]
    fits = all(entry.takes == flow for entry, flow in zip(entries, flows, strict=False))
    if not fits or flows[-1] != "results" or len(set(names)) != len(names):
        raise ValueError(f"expected decode, batch, detect and then each of the others at most once, {got}")
    for place, entry in enumerate(entries):
        for later in entries[place + 1 :]:
            if later.gives & (entry.needs | entry.uses):
                raise ValueError(f"expected {later.name} before {entry.name}, {got}")
        missing = entry.needs.difference(*(before.gives for before in entries[:place]))
        if missing:
            raise ValueError(f"stage {entry.name} needs {', '.join(sorted(missing))} of a stage before it, {got}")
