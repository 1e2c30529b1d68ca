"""The place of an output: reserved, given away in one step, and never left dirty."""

import os
import struct
from pathlib import Path

import av
import pytest

from streamdet.errors import SinkError
from streamdet.media.write.part_file import PartFile, end_of_whole_fragments, write_error


def box(kind, payload=b"", size=None):
    return struct.pack(">I4s", 8 + len(payload) if size is None else size, kind) + payload


HEAD = box(b"ftyp", b"isom") + box(b"moov", b"m" * 50)
FRAGMENT = box(b"moof", b"f" * 30) + box(b"mdat", b"d" * 100)


@pytest.mark.parametrize(
    ("torn", "whole"),
    [
        (b"", HEAD + FRAGMENT + FRAGMENT),
        (FRAGMENT[:1], HEAD + FRAGMENT + FRAGMENT),
        (FRAGMENT[:7], HEAD + FRAGMENT + FRAGMENT),
        (FRAGMENT[:20], HEAD + FRAGMENT + FRAGMENT),
        (FRAGMENT[:38], HEAD + FRAGMENT + FRAGMENT),
        (FRAGMENT[:-1], HEAD + FRAGMENT + FRAGMENT),
        (FRAGMENT + box(b"mfra", b"x"), HEAD + FRAGMENT * 3),
        (box(b"mdat", b"", 0), HEAD + FRAGMENT + FRAGMENT),
        (struct.pack(">I4sQ", 1, b"mdat", 24) + b"12345678", HEAD + FRAGMENT * 2 + bytes(24)),
        (struct.pack(">I4sQ", 1, b"mdat", 2**40), HEAD + FRAGMENT * 2),
    ],
)
def test_a_torn_end_is_found(tmp_path, torn, whole):
    file = tmp_path / "torn.mp4"
    file.write_bytes(HEAD + FRAGMENT + FRAGMENT + torn)
    assert end_of_whole_fragments(file) == len(whole)


@pytest.mark.parametrize("data", [b"", HEAD, HEAD + FRAGMENT[:60], b"\0" * 100, b"N\xa4\x0c"])
def test_nothing_whole_is_zero(tmp_path, data):
    file = tmp_path / "torn.mp4"
    file.write_bytes(data)
    assert end_of_whole_fragments(file) == 0


def test_cut_to_whole_fragments(tmp_path):
    part = PartFile(tmp_path / "out.mp4")
    part.path.write_bytes(HEAD + FRAGMENT + FRAGMENT[:50])
    part.cut_to_whole_fragments()
    assert part.path.read_bytes() == HEAD + FRAGMENT
    assert not part.holds_video()
    part.path.write_bytes(HEAD)
    part.cut_to_whole_fragments()
    assert part.path.read_bytes() == b""
    assert not part.holds_video()


def test_publish_replaces_in_one_step(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"old")
    part = PartFile(tmp_path / "out.mp4")
    part.path.write_bytes(b"new")
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    part.publish(part.path)
    assert (tmp_path / "out.mp4").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_discard_leaves_nothing(tmp_path):
    part = PartFile(tmp_path / "out.mp4")
    part.faststart_path.write_bytes(b"half")
    part.discard()
    part.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "is a folder, expected a file name in it"),
        ("missing/out.mp4", "there is no folder .*missing; create it first"),
        ("file/out.mp4", "there is no folder .*file; create it first"),
        ("n" * 300 + ".mp4", "cannot be written: File name too long"),
    ],
)
def test_a_place_where_nothing_can_be_written_fails(tmp_path, target, said):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=said):
        PartFile(tmp_path / target)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that nobody can write to")
def test_a_read_only_place_fails():
    with pytest.raises(SinkError, match=r"^/proc/out\.mp4: cannot be written: "):
        PartFile(Path("/proc/out.mp4"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_fails(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(SinkError, match="cannot be written: Permission denied"):
        PartFile(tmp_path / "out.mp4")


def test_write_error_says_why_in_one_line():
    error = av.error.OSError(28, "No space left on device", "/somewhere/.out.mp4.part")
    assert str(write_error(Path("out.mp4"), error)) == "out.mp4: cannot be written: No space left on device"
    assert str(write_error(Path("out.mp4"), OSError(13, "Permission denied"))).endswith(": Permission denied")
    assert str(write_error(Path("out.mp4"), SinkError("too odd"))).endswith(": too odd")
