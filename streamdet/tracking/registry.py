"""The trackers that there are, by name: those of this package, and those of installed plug-ins."""

from difflib import get_close_matches
from importlib.metadata import entry_points

from streamdet.errors import ConfigError
from streamdet.tracking import library
from streamdet.tracking.byte_tracker import ByteTracker
from streamdet.tracking.library import LibraryTracker
from streamdet.tracking.options import TrackOptions
from streamdet.tracking.tracker import Tracker

GROUP = "streamdet.trackers"
"""Entry points of a plug-in: name = "module:build", called with TrackOptions and the lowest score of the boxes."""


def tracker_names() -> list[str]:
    """Names of all trackers, the default first."""
    plugins = (point.name for point in entry_points(group=GROUP))
    return list(dict.fromkeys(["byte", *library.NAMES, *plugins]))


def build_tracker(options: TrackOptions, conf: float) -> Tracker:
    """A tracker for one stream.

    Args:
        options: which one, and its thresholds.
        conf: lowest score of the boxes that it will get, 0 to 1.

    Raises:
        ConfigError: there is none of this name, or what it needs is not installed.
    """
    name = options.tracker
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
