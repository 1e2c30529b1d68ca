import json
import os
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from streamdet.errors import ConfigError, ModelError
from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.runtimes import choice
from streamdet.runtimes.choice import ready
from streamdet.runtimes.loading import load
from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine
from streamdet.runtimes.openvino import OpenVINOEngine


@pytest.fixture
def paces(monkeypatch):
    """Speeds, in place of measured ones: milliseconds by runtime and precision."""
    ms = {}
    monkeypatch.setattr(choice, "_milliseconds", lambda working, images: {way: ms[" ".join(way)] for way in working})
    return ms


@pytest.fixture
def missing(monkeypatch):
    """Takes packages away, as if they were not installed."""
    return lambda *names: [monkeypatch.setitem(sys.modules, name, None) for name in names]


def remembered(cache):
    return [json.loads(path.read_text()) for path in (cache / "runtimes").glob("*.json")]


def test_fastest_is_measured_once_and_remembered(cache, model_path, monkeypatch):
    first = load(model_path, device="cpu")
    (facts,) = remembered(cache)
    assert first.runtime == f"{facts['runtime']} cpu {facts['precision']}"
    assert {"openvino fp32", "onnxruntime fp32"} <= set(facts["ms"])
    assert "torch fp32" not in facts["ms"]
    monkeypatch.setattr(choice, "_fastest", lambda *_: pytest.fail("measured again"))
    assert load(model_path, device="cpu").runtime == first.runtime


def test_another_model_or_wish_is_measured_anew(cache, model_path, make_model):
    load(model_path, device="cpu")
    load(model_path, device="cpu", precision="fp32")
    assert len(remembered(cache)) == 2
    ready(replace(weights_of(make_model()), sha256="of another file"), device="cpu", runtime="auto", precision="auto")
    assert len(remembered(cache)) == 3


def test_what_was_remembered_may_be_damaged(cache, model_path):
    expected = load(model_path, device="cpu", runtime="openvino", precision="auto").runtime
    (path,) = (cache / "runtimes").iterdir()
    for text in ("", "{}", '{"runtime": "quantum", "precision": "fp1"}', "[1]"):
        path.write_text(text)
        assert load(model_path, device="cpu", runtime="openvino", precision="auto").runtime.startswith("openvino cpu ")
        assert json.loads(path.read_text())["runtime"] == "openvino"
    assert expected.startswith("openvino cpu ")


def test_a_cache_that_cannot_be_written_is_none(monkeypatch, tmp_path, model_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    detector = load(model_path, device="cpu")
    outputs: Any = detector.step(torch.zeros(1, 1, 3, 64, 64, dtype=torch.uint8))[0]
    assert np.isfinite(outputs.scores).all()


@pytest.mark.parametrize(
    ("ms", "chosen"),
    [
        ({"openvino fp32": 10, "openvino bf16": 6, "onnxruntime fp32": 12}, "openvino cpu bf16"),
        ({"openvino fp32": 10, "openvino bf16": 9.5, "onnxruntime fp32": 9.4}, "openvino cpu fp32"),
        ({"openvino fp32": 10, "openvino bf16": 10, "onnxruntime fp32": 5}, "onnxruntime cpu fp32"),
    ],
)
def test_a_less_preferred_runtime_has_to_be_faster(cache, model_path, paces, monkeypatch, ms, chosen):
    # As if every processor had bf16.
    monkeypatch.setattr(OpenVINOEngine, "_can", lambda *_: True)
    paces.update(ms)
    assert load(model_path, device="cpu").runtime == chosen


def test_missing_runtimes_are_done_without(cache, model_path, missing):
    missing("onnxruntime")
    assert load(model_path, device="cpu").runtime.startswith("openvino cpu ")
    missing("openvino")
    assert load(model_path, device="cpu").runtime == "torch cpu fp32"


def test_without_onnx_torch_is_left(cache, model_path, missing, monkeypatch):
    missing("onnx")
    for name in ("detector", "step", "layers"):
        monkeypatch.delitem(sys.modules, f"streamdet.runtimes.graph.{name}", raising=False)
    assert load(model_path, device="cpu").runtime == "torch cpu fp32"
    with pytest.raises(ConfigError, match=r"runtime openvino needs onnx \(.*pip install onnx"):
        load(model_path, device="cpu", runtime="openvino", precision="fp32")


def test_a_runtime_that_is_gone_since_is_replaced(cache, model_path, missing, paces, monkeypatch):
    """The package was removed, its version still stands in the metadata: the file of the choice is found."""
    paces.update({"openvino fp32": 1, "openvino bf16": 1, "onnxruntime fp32": 10, "torch fp32": 20})
    assert load(model_path, device="cpu").runtime == "openvino cpu fp32"
    missing("openvino")
    assert load(model_path, device="cpu").runtime == "onnxruntime cpu fp32"


@pytest.fixture
def wrong(monkeypatch):
    """Makes an engine compute something else."""

    def spoil(engine, change=lambda x: 1 - x):
        compiled = engine.compile

        def compile_wrongly(self, graph):
            execute = compiled(self, graph)
            return lambda inputs: [change(x) for x in execute(inputs)]

        monkeypatch.setattr(engine, "compile", compile_wrongly)

    return spoil


def test_runtimes_that_agree_are_right(cache, model_path, monkeypatch):
    monkeypatch.setattr(choice, "_in_torch", lambda *_: pytest.fail("torch was asked"))
    assert load(model_path, device="cpu").runtime.split()[0] in ("openvino", "onnxruntime")


def test_a_runtime_that_computes_something_else_is_not_taken(cache, model_path, wrong):
    wrong(OpenVINOEngine)
    assert load(model_path, device="cpu").runtime == "onnxruntime cpu fp32"
    with pytest.raises(ConfigError, match=r"scores differ from torch's by [01]\.\d+"):
        load(model_path, device="cpu", runtime="openvino")


def test_torch_is_left_where_no_runtime_is_right(cache, model_path, wrong):
    wrong(OpenVINOEngine)
    wrong(OnnxRuntimeEngine, lambda x: x // 2)
    assert load(model_path, device="cpu").runtime == "torch cpu fp32"


def test_a_runtime_that_breaks_is_not_taken(cache, model_path, monkeypatch):
    def refuse(self, graph):
        raise ModelError("no")

    monkeypatch.setattr(OpenVINOEngine, "compile", refuse)
    assert not load(model_path, device="cpu").runtime.startswith("openvino")


@pytest.mark.parametrize(
    ("package", "remedy"),
    [("openvino", "pip install openvino"), ("onnxruntime", r"pip install 'streamdet\[onnxruntime\]'")],
)
def test_a_missing_runtime_that_was_asked_for_fails(cache, model_path, missing, package, remedy):
    missing(package)
    for precision in ("auto", "fp32"):
        with pytest.raises(ConfigError, match=rf"runtime {package} is not available \(.*\); install it: {remedy}"):
            load(model_path, device="cpu", runtime=package, precision=precision)


@pytest.mark.parametrize(
    ("runtime", "precision", "message"),
    [
        ("onnxruntime", "bf16", "runtime onnxruntime does not compute in bf16; use fp32 or auto"),
        ("onnxruntime", "fp16", "precision fp16 needs a GPU"),
        ("openvino", "fp16", "precision fp16 needs a GPU"),
        ("auto", "fp16", "precision fp16 needs a GPU"),
        ("torch", "fp16", "precision fp16 needs a GPU"),
        ("torch", "int8", "runtime torch does not compute in int8; use fp32 or auto"),
        ("onnxruntime", "int8", "runtime onnxruntime does not compute in int8; use fp32 or auto"),
    ],
)
def test_precisions_that_are_not_to_be_had_fail(model_path, runtime, precision, message):
    with pytest.raises(ConfigError, match=message):
        load(model_path, device="cpu", runtime=runtime, precision=precision)


def test_int8_is_for_those_who_ask(cache, model_path, make_model):
    assert load(model_path, device="cpu", precision="int8").runtime == "openvino cpu int8"
    assert remembered(cache) == []
    load(model_path, device="cpu")
    assert not any("int8" in way for way in remembered(cache)[0]["ms"])
    with pytest.raises(
        ConfigError, match="model small is not calibrated for int8; calibrate it with: streamdet export"
    ):
        ready(weights_of(make_model()), device="cpu", runtime="auto", precision="int8")


def test_bf16_on_a_processor_without_it(cache, model_path, monkeypatch):
    monkeypatch.setattr(OpenVINOEngine, "_can", lambda *_: False)
    with pytest.raises(ConfigError, match="precision bf16 needs a processor that supports it"):
        load(model_path, device="cpu", runtime="openvino", precision="bf16")
    assert load(model_path, device="cpu", precision="bf16").runtime == "torch cpu bf16"
    assert load(model_path, device="cpu", runtime="openvino").runtime == "openvino cpu fp32"


def test_runtimes_of_the_cpu_are_not_for_gpus(make_model, monkeypatch):
    monkeypatch.setattr(choice, "is_gpu", lambda device: device != "cpu")
    with pytest.raises(ConfigError, match="runtime openvino runs on the CPU only; use runtime torch, or device cpu"):
        ready(weights_of(make_model()), device="cuda:0", runtime="openvino", precision="auto")
    automatic = ready(weights_of(make_model()), device="auto", runtime="openvino", precision="fp32")
    assert automatic.runtime == "openvino cpu fp32"


def test_device_that_is_not_there_fails(make_model):
    with pytest.raises(ConfigError, match="device cuda:9 does not exist"):
        ready(weights_of(make_model()), device="cuda:9", runtime="openvino", precision="auto")


def test_torch_gets_the_threads_of_inference(make_model):
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]) + 1)
    try:
        ready(weights_of(make_model()), device="cpu", runtime="torch", precision="auto")
        assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])
    finally:
        torch.set_num_threads(before)


def test_measuring_takes_the_best_of_several_rounds(make_model):
    class Slow:
        calls = 0

        def step(self, images):
            self.calls += 1
            time.sleep(0.03 if self.calls == 1 else 0.001)

    way = choice.Way("torch", "fp32")
    assert 1 <= choice._milliseconds({way: Slow()}, torch.zeros(1))[way] < 30
