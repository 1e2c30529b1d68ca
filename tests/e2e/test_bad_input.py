"""What is wrong is said in a line, with the right exit status, and nothing is written that is not whole."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

WRONG, FAILED = 2, 1


@pytest.fixture
def wrong(streamdet, here, clips, tiny_model):
    """Run what must be refused before anything is written: gives what was said."""

    def run(*arguments, source="walk.mp4"):
        before = sorted(here.iterdir())
        done = streamdet("run", clips / source, "--model", tiny_model, *arguments)
        assert (done.status, done.stdout) == (WRONG, "")
        assert sorted(here.iterdir()) == before
        assert "Traceback" not in done.stderr
        return done.stderr.replace(f"{clips}/", "")

    return run


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("empty.mp4", "is empty (0 bytes)"),
        ("text.mp4", "not a video"),
        ("audio-only.mp4", "holds no video, only audio"),
        ("cut-before-index.mp4", "an MP4 file that is damaged or was never finished"),
    ],
)
def test_unreadable_source(streamdet, clips, tiny_model, here, source, said):
    done = streamdet("run", clips / source, "--model", tiny_model, "--detections", "found.jsonl")
    assert done.status == FAILED
    assert done.stderr.startswith(f"error: {clips / source}: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_truncated_source(streamdet, clips, tiny_model, here, read_video):
    done = streamdet("run", clips / "cut.mp4", "--model", tiny_model)
    assert done.status == 0
    assert f"warning: {clips / 'cut.mp4'}: ends after " in done.stderr
    assert "s, but its header says 4.0 s: it may be cut off" in done.stderr
    assert 20 < len(read_video(here / "cut.annotated.mp4").times_s) < 100


def test_missing_source(wrong):
    assert wrong(source="nope.mp4") == "error: nope.mp4: no such file or folder\n"


def test_no_source(streamdet, here):
    done = streamdet("run")
    assert done.status == WRONG
    assert done.stderr == "error: no source given; expected a file, a folder, a glob, an address or @list.txt\n"


def test_unknown_class(wrong):
    assert wrong("--classes", "persn,car,zebra").splitlines() == [
        "error: unknown class persn; did you mean person? The model knows person, car",
        "unknown class zebra; the model knows person, car",
    ]


def test_output_is_there_already(wrong, here):
    (here / "walk.annotated.mp4").write_text("mine")
    assert "output walk.annotated.mp4 already exists; choose another name, or replace it with --over" in wrong()
    assert (here / "walk.annotated.mp4").read_text() == "mine"


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_output_is_the_input(streamdet, clips, tiny_model, here, link):
    shutil.copy(clips / "walk.mp4", here / "in.mp4")
    if link is not None:
        link(here / "in.mp4", here / "other.mp4")
    output = "in.mp4" if link is None else "other.mp4"
    done = streamdet("run", "in.mp4", "-o", output, "--model", tiny_model, "--overwrite")
    assert done.status == WRONG
    assert f"output {output} is the input in.mp4 itself" in done.stderr
    assert (here / "in.mp4").read_bytes() == (clips / "walk.mp4").read_bytes()


def test_output_is_a_list_or_a_pipeline(streamdet, clips, here):
    (here / "list.txt").write_text(str(clips / "walk.mp4"))
    (here / "job.yaml").write_text("sources: ['@list.txt']\n")
    done = streamdet("run", "--pipeline", "job.yaml", "--detections", "list.txt", "--report", "job.yaml", "--overwrite")
    assert done.status == WRONG
    assert "output list.txt is the input list.txt itself" in done.stderr
    assert "output job.yaml is the input job.yaml itself" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "nowhere/out.mp4"), "folder nowhere does not exist; make it first, or choose another"),
        (("-o", "nowhere/at/all/"), "folder nowhere/at/all does not exist"),
        (("-o", "/proc/out.mp4"), "cannot write into folder /proc: "),
        (("-o", "file/out.mp4"), "cannot write into folder file: Not a directory"),
        (("-o", "out.avi"), "out.avi: cannot write .avi files; expected one of "),
        (("-o", "out.webm"), "out.webm: .webm cannot hold h264; use av1"),
        (("-o", "rtsp://user:s3cret@host/x", "--codec", "hevc"), "output rtsp://host/x: codec hevc: expected h264"),
        (("-o", "http://user:s3cret@host/x"), "output http://host/x: expected rtsp:// or rtsps://, a file such as"),
        (("-o", "same.mp4", "--report", "./same.mp4"), "two outputs have this name"),
        (
            ("--detections", "found.xml"),
            "detections found.xml: expected a name that ends in .jsonl, .txt, .json",
        ),
        (("--csv", "found.txt"), "table found.txt: expected a name that ends in .csv"),
        (("--report", "folder"), "output folder: expected a file name, this is a folder"),
        (("--codec", "mpeg4"), "--codec: expected 'h264', 'hevc' or 'av1', got \"mpeg4\""),
        (("--crf", "99"), "crf 99: expected 0 (best) to 51"),
        (("--preset", "quick"), "preset 'quick': expected one of ultrafast, "),
        (("--conf", "1.5"), "--conf: expected at most 1, got 1.5"),
        (("--conf", "0.3,person=2"), "--conf: expected at most 1, got 2"),
        (("--conf", "0.3,persn=0.5"), "unknown class persn; did you mean person?"),
        (("--imgsz", "7"), "--imgsz: expected 64 to 4096 pixels, got 7"),
        (("--start", "5", "--end", "2"), "--end: expected an end after the start at 5 s, got 2"),
        (("--device", "cuda:99"), "device cuda:99 does not exist"),
        (("--precision", "fp16", "--device", "cpu"), "precision fp16 needs a GPU"),
        (("--precision", "int8", "--device", "cpu"), "is not calibrated for int8"),
        (("--precision", "int4"), "--precision: expected 'auto', 'fp32', 'bf16', 'fp16' or 'int8'"),
        (("--set", "decode.hwaccel=quantum"), "decode.hwaccel: expected none, auto"),
        (("--runtime", "onnxruntime", "--precision", "bf16"), "runtime onnxruntime does not compute in bf16"),
        (("--runtime", "tensorrt"), "--runtime: expected 'auto', 'torch', 'openvino' or 'onnxruntime'"),
        (("--mode", "freshest"), "mode freshest is for cameras and live streams; files are read frame by frame"),
        (("--mode", "newest"), "--mode: expected 'auto', 'every-frame' or 'freshest', got"),
        (("--max-staleness", "0"), "--max-staleness: expected more than 0, got 0"),
        (
            ("--max-staleness", "1", "--mode", "every-frame"),
            "--max-staleness and --mode every-frame exclude each other",
        ),
        (("--resume", "--overwrite"), "--resume and --overwrite exclude each other"),
        (("--no-video", "-o", "out.mp4"), "--no-video and --output exclude each other"),
        (("--log-format", "xml"), "--log-format: expected text or json, got xml"),
        (("-v", "-q"), "--verbose and --quiet exclude each other"),
        (("--set", "detect.cnf=1"), "--set detect.cnf=1: unknown key; did you mean conf?"),
        (("--set", "nonsense"), "--set nonsense: expected key=value"),
        (("--pipeline", "none.yaml"), "none.yaml: expected a YAML file: No such file or directory"),
        (("--model", "nonsense"), "unknown model nonsense: expected street, *.safetensors"),
        (("--model", "file"), "file is not a model file of a known kind: expected street, *.safetensors"),
        (("--model", "street.onnx"), "street.onnx is not an ONNX network"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options(wrong, here, arguments, said):
    (here / "file").write_text("not a folder")
    (here / "street.onnx").touch()
    (here / "folder").mkdir()
    stderr = wrong(*arguments)
    assert said in stderr
    assert "s3cret" not in stderr
    assert len(stderr.splitlines()) == 1


def test_several_sources_need_a_folder(streamdet, clips, tiny_model, here):
    two = (clips / "walk.mp4", clips / "fast.mp4", "--model", tiny_model)
    done = streamdet("run", *two, "-o", "out.mp4", "--detections", "found.jsonl")
    assert done.status == WRONG
    assert done.stderr.splitlines() == [
        "error: output out.mp4: 2 sources need a folder, not a file; end its name with /",
        "output found.jsonl: 2 sources need a folder, not a file; end its name with /",
    ]
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rnu",), "No such command 'rnu'"),
        (("run", "--cnf", "1"), "unknown option --cnf; did you mean --conf"),
        (("run", "--conf", "much"), "Invalid value for '--conf'"),
        (("run", "--conf", "0.3,0.4"), "expected a score such as 0.25, or 0.25,person=0.5 for one class"),
        (("probe",), "Missing argument"),
    ],
)
def test_wrong_words(streamdet, arguments, said):
    done = streamdet(*arguments)
    assert (done.status, done.stdout) == (WRONG, "")
    assert said in done.stderr
    assert "--help" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_pipeline_with_many_mistakes(streamdet, here):
    (here / "job.yaml").write_text("sources: walk.mp4\ndetect:\n  conf: high\n  clases: [car]\nencode:\n  codec: 7\n")
    done = streamdet("run", "--pipeline", "job.yaml", "--set", "decode.stride=0", "--log-format", "json")
    assert done.status == WRONG
    assert '"level": "error"' in done.stderr
    for part in ("job.yaml:1: sources: ", "job.yaml:3: detect.conf: ", "job.yaml:4: detect.clases: unknown key"):
        assert part in done.stderr
    assert "--set decode.stride=0: expected at least 1, got 0" in done.stderr
    assert list(here.iterdir()) == [here / "job.yaml"]


def test_no_arguments_show_the_help(streamdet):
    done = streamdet()
    assert done.status == WRONG
    assert "Usage: streamdet" in done.stdout


@pytest.fixture
def tiny_disk(here):
    """A disk with room for 100 KB."""
    disk = here / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_disk_full(streamdet, clips, tiny_model, here, tiny_disk, read_video):
    # 64 KB of it are kept for what --resume needs.
    subprocess.run(["mount", "-o", "remount,size=200k", str(tiny_disk)], check=True)
    done = streamdet(
        *("run", clips / "long.mp4", "--model", tiny_model, "-o", tiny_disk / "out.mp4", "--preset", "ultrafast"),
        *("--crf", "10", "--report", "report.json"),
    )
    assert done.status == FAILED
    assert f"error: {tiny_disk / 'out.mp4'}: cannot be written: No space left on device" in done.stderr
    written = len(read_video(tiny_disk / "out.mp4").times_s)
    assert 10 < written < 1000
    assert [path.name for path in tiny_disk.iterdir() if path.name != ".out.mp4.journal"] == ["out.mp4"]
    assert "No space left" in (here / "report.json").read_text()


def test_a_file_that_could_not_be_replaced_is_not_called_written(streamdet, clips, tiny_model, here, tiny_disk):
    (tiny_disk / "out.mp4").write_bytes(bytes(100_000))
    done = streamdet(
        *("run", clips / "walk.mp4", "--model", tiny_model, "-o", tiny_disk / "out.mp4", "--overwrite"),
        *("--detections", "found.jsonl", "--report", "report.json"),
    )
    assert done.status == FAILED
    assert "No space left on device" in done.stderr
    assert "wrote found.jsonl" in done.stderr
    assert f"wrote {tiny_disk}" not in done.stderr
    report = json.loads((here / "report.json").read_text())
    assert [output["bytes"] is None for output in report["outputs"]] == [True, False]


def test_disk_full_fails_one_output_only(streamdet, clips, tiny_model, here, tiny_disk):
    done = streamdet(
        *("run", clips / "long.mp4", "--model", tiny_model, "-o", tiny_disk / "out.mp4", "--preset", "ultrafast"),
        *("--crf", "10", "--detections", "found.jsonl", "--max-frames", "200"),
    )
    assert done.status == FAILED
    assert len((here / "found.jsonl").read_text().splitlines()) == 202


def test_the_report_cannot_be_written(streamdet, clips, tiny_model, here, tiny_disk, read_video):
    (tiny_disk / "filler").write_bytes(bytes(99_000))
    done = streamdet("run", clips / "walk.mp4", "--model", tiny_model, "--report", tiny_disk / "report.json")
    assert done.status == FAILED
    assert "report.json: cannot be written: No space left on device" in done.stderr
    assert len(read_video(Path("walk.annotated.mp4")).times_s) == 30
