"""record: writes what was found to files."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from streamdet.errors import SinkError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, Marker, StreamEnded, StreamStarted
from streamdet.media.locations import redact
from streamdet.result import Result
from streamdet.sinks.detection_files import DetectionFile, Format, RunHeader, open_detection_file
from streamdet.sinks.failures import Deliveries, Failures, close_all, remembered

Item = Result | Marker


def record(
    files: Mapping[str, str | Path],
    form: Format,
    header: RunHeader,
    failures: Failures,
    deliveries: Deliveries | None = None,
) -> Stage:
    """Write every stream's detections to its file; everything passes through.

    A file is finished at the end of its streams, or when the run ends for whatever reason. One that fails is given
    up, unless its stream is live: then it is tried again with every line. The others and the run go on.

    Args:
        files: by name of the stream; "-" is standard output, `mqtt://` and `http://` addresses are sent to. Streams may
            share a file of JSON Lines. A stream that is not named here is not recorded; looked up when it starts.
        form: jsonl, mot (MOTChallenge) or coco (COCO results).
        header: what JSON Lines begin with.
        failures: gets (stream, error) for every file that failed.
        deliveries: gets what is counted at addresses.
    """
    if form != "jsonl" and len({str(path) for path in files.values()}) < len(files):
        raise ValueError(f"streams cannot share a file in the format {form}, got {dict(files)}")

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        recorder = _Recorder(files, form, header, failures, {} if deliveries is None else deliveries)
        try:
            for item in inbox:
                recorder.write(item)
                yield item
        finally:
            recorder.close()

    return Stage("record", process)


class _Recorder:
    """The files of a run: opened by their first stream, finished by their last."""

    def __init__(
        self,
        files: Mapping[str, str | Path],
        form: Format,
        header: RunHeader,
        failures: Failures,
        deliveries: Deliveries,
    ) -> None:
        self._files = files
        self._form = form
        self._header = header
        self._failures = failures
        self._deliveries = deliveries
        self._open: dict[str, DetectionFile] = {}
        self._given_up: set[str] = set()
        self._ended: set[str] = set()
        self._delivered: dict[str, StreamEnded] = {}  # how each stream would end now

    def write(self, item: Item) -> None:
        path = str(self._files.get(item.source, ""))
        if not path or path in self._given_up:
            return
        self._count(item)
        with remembered(self._failures, item.source):
            try:
                self._write(item, path)
            except SinkError:
                self._give_up(path)
                raise

    def close(self) -> None:
        """Finish what is open; streams whose end did not come were interrupted."""
        try:
            for ended in list(self._delivered.values()):
                self.write(ended)
        finally:
            close_all({redact(path): file for path, file in self._open.items()}, self._failures)

    def _write(self, item: Item, path: str) -> None:
        sources = [source for source, its_path in list(self._files.items()) if str(its_path) == path]
        if path not in self._open:
            if isinstance(item, StreamEnded) and len(sources) == 1:
                return  # it never began: no file, rather than one that seems to say that nothing was found
            self._open[path] = self._begin(item, path, sources)
        if isinstance(item, Checkpoint):
            if not item.last:
                item.facts["record"] = self._open[path].checkpoint()
        else:
            self._open[path].write(item)
        if isinstance(item, StreamEnded):
            self._ended.add(item.source)
            if self._ended.issuperset(sources):
                self._open.pop(path).close()

    def _begin(self, item: Item, path: str, sources: list[str]) -> DetectionFile:
        started = item if isinstance(item, StreamStarted) else None
        return open_detection_file(
            path,
            self._form,
            self._header,
            sources,
            self._deliveries,
            live=started is not None and started.info.live,
            resume=None if started is None or started.resume is None else started.resume.facts["record"],
        )

    def _count(self, item: Item) -> None:
        if isinstance(item, StreamEnded):
            self._delivered.pop(item.source, None)
        elif isinstance(item, StreamStarted):
            frames = 0 if item.resume is None else item.resume.frames
            self._delivered[item.source] = StreamEnded(item.source, frames, error="interrupted")
        elif isinstance(item, Result) and (so_far := self._delivered.get(item.source)):
            dropped = so_far.dropped + item.frame.dropped_before
            self._delivered[item.source] = replace(so_far, frames=so_far.frames + 1, dropped=dropped)

    def _give_up(self, path: str) -> None:
        self._given_up.add(path)
        if broken := self._open.pop(path, None):
            with suppress(SinkError):  # what is wrong with it is said already
                broken.close()
