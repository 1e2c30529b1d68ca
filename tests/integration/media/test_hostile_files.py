"""Files made to do harm: mutated in a hurry by benchmarks/fuzz_sources.py, and one for each harm that was found."""

import random
import subprocess
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import av
import fuzz_sources
import numpy as np
import pytest
from media_originals import make_originals

from streamdet.errors import SourceError, SourceOpenError, SourceTimeout
from streamdet.media.container import open_container
from streamdet.media.locations import SourceSpec
from streamdet.media.read.source import open_source


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return make_originals(tmp_path_factory.mktemp("originals") / "made", None)


@pytest.mark.parametrize("files", [40, pytest.param(200, marks=pytest.mark.soak)])
def test_mutated_files_give_frames_or_a_clear_error(originals, tmp_path, files):
    small = {name: data for name, data in originals.items() if not name.startswith("8192x4096")}  # takes gigabytes
    (tmp_path / "out").mkdir()
    options = fuzz_sources.parse_options(["--files", str(files), "--seed", "tests", "--output", str(tmp_path / "out")])
    outcomes = list(fuzz_sources.fuzz(small, options, tmp_path))
    assert [one for one in outcomes if one.kind not in ("frames", "error")] == []
    kinds = Counter(one.kind for one in outcomes)
    assert kinds.total() == files
    assert min(kinds["frames"], kinds["error"]) > files // 5


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi"])
def test_absurd_size_is_refused_before_memory_is_taken(originals, ending, tmp_path):
    path = tmp_path / f"huge.{ending}"
    path.write_bytes(originals[f"15360x15360.{ending}"])
    with pytest.raises(SourceOpenError, match=r"15360x15360 pixels; expected at most 33\.6 million \(8K\)"):
        open_source(path)


def test_picture_that_grows_absurdly_counts_as_undecodable(make_clip, originals, tmp_path):
    """A size in the middle of a stream is not in its header."""
    good = make_clip("good.ts", 20, options={"g": "5"})
    path = tmp_path / "grows.ts"
    path.write_bytes(good.read_bytes() + originals["15360x15360.ts"])
    with open_source(path) as source:
        sizes = {frame.image.shape[:2] for frame in source}
        assert sizes == {(96, 160)}
        assert source.undecodable >= 1


def noise(number, width, height):
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)


def test_stream_that_appears_late_is_left_out(make_clip, tmp_path):
    """Between the five megabytes at the beginning and the end, where FFmpeg looks before it says what a file holds."""
    first = make_clip("first.ts", 30, options={"qp": "4", "preset": "ultrafast"}, size=(640, 368), picture=noise)
    assert first.stat().st_size > 6_000_000
    late = make_clip("other.ts", 20, prepare=lambda stream: setattr(stream, "id", 0x200))
    path = tmp_path / "late.ts"
    path.write_bytes(first.read_bytes() + late.read_bytes() + first.read_bytes())
    with av.open(str(path)) as container:
        assert len(container.streams) == 1
    with open_source(path) as source:
        assert len(list(source)) == 60


CLOSE_WHILE_DECODING = """
import logging, sys
import av
from streamdet.media.read.source import open_source

logging.getLogger("libav").addHandler(logging.NullHandler())
logging.getLogger("libav").propagate = False
av.logging.set_level(av.logging.WARNING)  # as live sources do
for _ in range(10):
    with open_source(sys.argv[1]) as source:
        next(iter(source))
"""


def test_closing_does_not_wait_for_ever_for_threads_that_complain(make_clip):
    path = make_clip(frames=60, size=(640, 368), options={"g": "1"})
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for position, size in packets[2:]:
        content[position + size // 4 : position + size] = random.Random(0).randbytes(size - size // 4)
    path.write_bytes(content)
    subprocess.run([sys.executable, "-c", CLOSE_WHILE_DECODING, str(path)], check=True, timeout=120)


@pytest.fixture
def serve():
    """Serve one file over HTTP; gives its address and the list of what was asked for."""
    servers = []

    def start(content):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        asked = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize("name", ["playlist.m3u8", "playlist.mp4", "concat.mp4"])
def test_file_cannot_make_a_connection(make_clip, serve, tmp_path, name):
    address, asked = serve(make_clip("segment.ts").read_bytes())
    text = "ffconcat version 1.0\nfile {}\n" if name.startswith("concat") else PLAYLIST
    path = tmp_path / name
    path.write_text(text.format(f"{address}/segment.ts"))
    with pytest.raises(SourceOpenError):
        open_container(SourceSpec(str(path), "x", "file"))
    assert asked == []


def test_server_cannot_have_files_of_this_machine_read(make_clip, serve):
    address, asked = serve(PLAYLIST.format(make_clip("secret.ts").absolute().as_uri()).encode())
    with pytest.raises(SourceError):
        open_container(SourceSpec(f"{address}/playlist.m3u8", "x", "network"))
    assert asked


def test_file_of_packets_that_give_nothing_is_given_up(make_clip, monkeypatch):
    """Behind a good beginning; how long it is read on without a frame is a minute otherwise."""
    monkeypatch.setattr("streamdet.media.read.decoder.FILE_TIMEOUT_S", 0.01)
    path = make_clip(frames=1600, size=(32, 32), options={"g": "1", "preset": "ultrafast"})
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for position, size in packets[10:]:
        content[position : position + size] = b"\xff" * size
    path.write_bytes(content)
    with open_source(path) as source:
        frames = iter(source)
        assert [next(frames).index for _ in range(10)] == list(range(10))
        with pytest.raises(SourceTimeout, match="nothing in 1001 packets can be decoded"):
            next(frames)


@pytest.mark.parametrize("limit", ["_HELD_PACKETS", "_HELD_BYTES"])
def test_looking_for_a_keyframe_holds_a_bounded_part_and_still_starts_where_asked(make_clip, monkeypatch, limit):
    monkeypatch.setattr(f"streamdet.media.read.seeking.{limit}", 5)
    path = make_clip("clip.mkv", 60, options={"g": "20", "bf": "2"})
    with open_source(path, start_s=1.6) as source:
        assert [frame.index for frame in source] == list(range(40, 60))
