"""The producer-consumer engine: stages as generators, bounded channels, threaded or inline. README.md explains it."""

from streamdet.flow.channel import Cancelled
from streamdet.flow.run import Run
from streamdet.flow.stage import Inbox, Stage
from streamdet.flow.stats import ChannelStats, RunStats, StageStats

__all__ = ["Cancelled", "ChannelStats", "Inbox", "Run", "RunStats", "Stage", "StageStats"]
