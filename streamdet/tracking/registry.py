"""The trackers that there are, by name: those of this package, and those of installed plug-ins."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points

from streamdet.errors import ConfigError
from streamdet.tracking import library
from streamdet.tracking.byte_tracker import ByteTracker
from streamdet.tracking.library import LibraryTracker
from streamdet.tracking.memory.tracker import MemoryTracker, lowest_score
from streamdet.tracking.options import TrackOptions
from streamdet.tracking.tracker import Tracker

GROUP = "streamdet.trackers"
"""Entry points of a plug-in: name = "module:build", called with TrackOptions and the lowest score of the boxes."""


def tracker_names() -> list[str]:
    """Names of all trackers, the default first."""
    plugins = (point.name for point in entry_points(group=GROUP))
    return list(dict.fromkeys(["memory", "byte", *library.NAMES, *plugins]))


def min_score(options: TrackOptions, conf: float) -> float:
    """Lowest score of the boxes that a tracker makes use of, if objects are shown from `conf` on."""
    return lowest_score(conf) if options.tracker == "memory" else conf


def build_tracker(options: TrackOptions, conf: float, class_conf: Mapping[str, float] | None = None) -> Tracker:
    """A tracker for one stream.

    Args:
        options: which one, and its thresholds.
        conf: lowest score of what is shown, 0 to 1; all but the memory get no boxes below it.
        class_conf: the same of single classes, by their names, in place of conf.

    Raises:
        ConfigError: there is none of this name, or what it needs is not installed.
    """
    name = options.tracker
    if name == "memory":
        return MemoryTracker(options, conf, class_conf)
    conf = min(conf, *class_conf.values()) if class_conf else conf
    if name == "byte":
        return ByteTracker(options, conf)
    if name in library.NAMES:
        return LibraryTracker(options, conf)
    for point in entry_points(group=GROUP, name=name):
        try:
            tracker: Tracker = point.load()(options, conf)
        except ConfigError:
            raise
        except Exception as error:  # whatever a plug-in does while it is loaded
            raise ConfigError(f"tracker {name}: plug-in {point.value} cannot be loaded: {error}") from error
        return tracker
    names = tracker_names()
    close = get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(names)}"
    raise ConfigError(f"track.tracker: unknown tracker {name}; {hint}")
