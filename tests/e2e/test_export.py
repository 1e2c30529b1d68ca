"""export, and running with every runtime."""

import json

import onnx
import pytest


def test_onnx(streamdet, tiny_model, here):
    done = streamdet("export", "--model", tiny_model)
    assert done.status == 0, done.stderr
    assert "same as torch over 8 frames in onnxruntime cpu fp32: boxes within " in done.stderr
    assert "wrote tiny.onnx" in done.stderr
    assert [path.name for path in here.iterdir()] == ["tiny.onnx"]
    images = onnx.load(here / "tiny.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in images] == [1, 1, 64, 96, 3]
    again = streamdet("export", "--model", tiny_model)
    assert (again.status, "tiny.onnx already exists" in again.stderr) == (2, True)
    assert streamdet("export", "--model", tiny_model, "--overwrite", "-q").stderr == ""


def test_openvino_of_clips_and_any_number_of_streams(streamdet, tiny_model, here):
    words = ("--format", "openvino", "--frames", "4", "--batch", "any", "--imgsz", "64x64", "-o", "x.xml")
    done = streamdet("export", "--model", tiny_model, *words)
    assert done.status == 0, done.stderr
    assert "in openvino cpu fp32" in done.stderr
    assert "wrote x.xml and x.bin" in done.stderr
    assert sorted(path.name for path in here.iterdir()) == ["x.bin", "x.xml"]


def test_int8_is_calibrated_on_a_clip_and_finds_what_fp32_finds(streamdet, here):
    words = ("--seconds", "2", "--fps", "10", "--width", "384", "--height", "224")
    assert streamdet("scene", "-o", "s.mp4", *words).status == 0
    done = streamdet("export", "--int8", "s.mp4", "-o", "mine.safetensors")
    assert done.status == 0, done.stderr
    assert "against fp32, over 16 frames in openvino cpu int8: boxes differ by 0." in done.stderr
    assert "wrote mine.safetensors; to run it: streamdet run --model mine.safetensors --precision int8" in done.stderr
    found = {}
    for precision in ("fp32", "int8"):
        outputs = ("--no-video", "--detections", f"{precision}.jsonl", "--report", f"{precision}.json")
        words = ("--device", "cpu", "--runtime", "openvino", "--precision", precision, *outputs)
        done = streamdet("run", "s.mp4", "--model", "mine.safetensors", *words)
        assert done.status == 0, done.stderr
        report = json.loads((here / f"{precision}.json").read_text())
        assert report["model"]["runtime"] == f"openvino cpu {precision}"
        lines = map(json.loads, (here / f"{precision}.jsonl").read_text().splitlines())
        found[precision] = [line["detections"] for line in lines if line["type"] == "frame"]
    assert len(found["int8"]) == len(found["fp32"]) == 20
    counts = {precision: sum(map(len, frames)) for precision, frames in found.items()}
    assert counts["fp32"] > 20
    assert counts["int8"] == pytest.approx(counts["fp32"], rel=0.1)
    assert found["int8"] != found["fp32"], "eight bits must show somewhere"


@pytest.mark.parametrize(("form", "files"), [("onnx", {"x.onnx"}), ("openvino", {"x.xml", "x.bin"})])
def test_int8_graph_is_a_third_as_large(streamdet, here, form, files):
    clip = ("scene", "-o", "s.mp4", "--seconds", "0.5", "--fps", "8", "--width", "384", "--height", "224")
    assert streamdet(*clip).status == 0
    output = "x.onnx" if form == "onnx" else "x.xml"
    sizes = {}
    for words in ((), ("--int8", "s.mp4")):
        done = streamdet("export", "--format", form, "--imgsz", "128x192", "-o", output, "--overwrite", *words)
        assert done.status == 0, done.stderr
        sizes[words] = max((here / name).stat().st_size for name in files)
    assert "against fp32, over " in done.stderr
    assert sizes["--int8", "s.mp4"] < 0.4 * sizes[()]


def test_int8_of_a_clip_in_which_nothing_is_found_fails(streamdet, tiny_model, clips, here):
    for words in ((), ("--format", "openvino")):
        done = streamdet("export", "--model", tiny_model, "--int8", clips / "walk.mp4", *words)
        assert (done.status, "nothing was detected in these frames" in done.stderr) == (2, True), done.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--int8", "none.mp4"), "none.mp4: no such file"),
        (("--int8", "none.mp4", "--format", "onnx"), "none.mp4: no such file"),
        (("--int8", "none.mp4", "--imgsz", "192x320"), "--imgsz, --frames and --batch are for a graph"),
        (("--int8", "none.mp4", "-o", "x.onnx"), "--output: expected a name that ends in .safetensors, got x.onnx"),
        (("--format", "tflite"), "--format: expected onnx or openvino, got tflite"),
        (("--imgsz", "320"), "--imgsz: expected HxW, multiples of 32 from 64 to 4096 such as 192x320, got 320"),
        (("--imgsz", "100x320"), "--imgsz: expected HxW, multiples of 32"),
        (("--batch", "0"), "--batch: expected 1 to 64, or any, got 0"),
        (("--batch", "all"), "--batch: expected 1 to 64, or any, got all"),
        (("--frames", "0"), "--frames"),
        (("-o", "x.xml"), "--output: expected a name that ends in .onnx, got x.xml"),
        (("-o", "none/x.onnx"), "none"),
        (("--model", "nonsense"), "unknown model nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_fail(streamdet, tiny_model, here, words, message):
    model = () if "--model" in words else ("--model", tiny_model)
    done = streamdet("export", *model, *words)
    assert done.status == 2
    assert message in done.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "runtime"),
    [
        (("--runtime", "torch"), "torch cpu fp32"),
        (("--runtime", "openvino", "--precision", "fp32"), "openvino cpu fp32"),
        (("--runtime", "onnxruntime"), "onnxruntime cpu fp32"),
    ],
)
def test_run_with_a_runtime_says_so(streamdet, tiny_model, clips, here, words, runtime):
    outputs = ("--no-video", "--detections", "d.jsonl", "--report", "r.json")
    done = streamdet("run", clips / "walk.mp4", "--model", tiny_model, "--device", "cpu", *outputs, *words)
    assert done.status == 0, done.stderr
    assert f"fps with {runtime}; " in done.stderr
    assert json.loads((here / "r.json").read_text())["model"]["runtime"] == runtime


def test_run_without_a_wish_says_what_it_chose(streamdet, tiny_model, clips, here):
    done = streamdet("run", clips / "walk.mp4", "--model", tiny_model, "--no-video", "--report", "r.json", "-v")
    assert done.status == 0, done.stderr
    chosen = json.loads((here / "r.json").read_text())["model"]["runtime"]
    assert f"fps with {chosen}; " in done.stderr
