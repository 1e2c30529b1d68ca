"""Which jobs are valid, and what a wrong one is told."""

import pickle
from pathlib import Path

import pytest

from streamdet.errors import ConfigError
from streamdet.jobs.config import job_model, load_job
from streamdet.stages.batch import BatchSettings
from streamdet.stages.decode import DecodeSettings
from streamdet.stages.detect import DetectSettings
from streamdet.stages.encode import EncodeSettings
from streamdet.yaml_file import Override

REPOSITORY = Path(__file__).parents[3]


def test_the_shipped_pipeline_writes_out_every_default() -> None:
    shipped = load_job(REPOSITORY / "pipelines/annotate_file.yaml")
    defaults = job_model()()
    changed = {name for name in job_model().model_fields if getattr(shipped, name) != getattr(defaults, name)}
    assert changed == {"sources", "stages"}
    text = (REPOSITORY / "pipelines/annotate_file.yaml").read_text()
    for stage in shipped.stages:
        for key in type(defaults.settings_of(stage)).model_fields if defaults.settings_of(stage) else ():
            assert f"  {key}: " in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (320, 320),
        ("320", 320),
        ("192x320", (192, 320)),
        ("192X320", (192, 320)),
        ([192, 320], (192, 320)),
        (None, None),
    ],
)
def test_image_size(value: object, expected: object) -> None:
    config = load_job(None, [Override("detect.image_size", value, "--imgsz")])
    assert config.settings(DetectSettings).image_size == expected


@pytest.mark.parametrize(("value", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("90", 90), (90, 90)])
def test_lengths_of_time(value: object, seconds: int) -> None:
    config = load_job(None, [Override("encode.segment_s", value, "--segment")])
    assert config.settings(EncodeSettings).segment_s == seconds


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("detect.conf", 1.4, "expected at most 1, got 1.4"),
        ("detect.conf", -0.1, "expected at least 0, got -0.1"),
        ("detect.conf", float("nan"), "expected "),
        ("detect.iou", 2, "expected at most 1, got 2"),
        ("detect.max_detections", 0, "expected at least 1, got 0"),
        ("detect.classes", [], "expected at least 1 of them, got []"),
        ("detect.image_size", 10, "expected 64 to 4096 pixels, got 10"),
        ("detect.image_size", "9999x320", "expected 64 to 4096 pixels, got 9999"),
        ("detect.image_size", "0", "expected 64 to 4096 pixels, got 0"),
        ("detect.image_size", "-320", "expected N or HxW in pixels, such as 320 or 192x320"),
        ("detect.image_size", "320x", "expected N or HxW in pixels, such as 320 or 192x320"),
        ("detect.image_size", True, "expected N or HxW in pixels, such as 320 or 192x320"),
        ("detect.image_size", [1, 2, 3], "expected N or HxW in pixels, such as 320 or 192x320"),
        ("detect.device", "gpu", "expected auto, cpu, cuda or cuda:N, got gpu"),
        ("detect.runtime", "tensorrt", "expected 'auto', 'torch', 'openvino' or 'onnxruntime', got \"tensorrt\""),
        ("detect.precision", "int4", "expected 'auto', 'fp32', 'bf16', 'fp16' or 'int8', got \"int4\""),
        ("decode.mode", "newest", "expected 'auto', 'every-frame' or 'freshest', got \"newest\""),
        ("decode.max_staleness_s", 0, "expected more than 0, got 0"),
        ("decode.transport", "http", "expected 'tcp' or 'udp', got \"http\""),
        ("batch.deadline_s", -1, "expected at least 0, got -1"),
        ("decode.start_s", -1, "expected at least 0, got -1"),
        ("decode.end_s", 0, "expected more than 0, got 0"),
        ("decode.max_frames", 0, "expected at least 1, got 0"),
        ("decode.stride", 1.5, "expected a whole number, got 1.5"),
        ("encode.codec", "mpeg4", "expected 'h264', 'hevc' or 'av1', got \"mpeg4\""),
        ("encode.crf", 23.5, "expected a whole number, got 23.5"),
        ("encode.preset", True, "expected text, got true"),
        ("encode.segment_s", "10 min", "expected a duration such as 90s, 10m or 1h, got 10 min"),
        ("encode.segment_s", "0m", "expected at least 1, got"),
        ("encode.window_s", 1.5, "expected a whole number, got 1.5"),
        ("encode.audio", True, "expected 'copy' or 'drop', got true"),
        ("stages", ["decode", "detect"], "expected decode, batch, detect and then each of the others at most once"),
        ("stages", ["decode", "batch", "detect", "track", "track"], "expected decode, batch, detect and then each"),
        ("stages", ["decode", "batch", "detect", "annotate", "track"], "expected track before annotate, got decode, "),
        ("stages", ["decode", "batch", "detect", "trakc"], "unknown stage trakc; expected one of decode, batch, "),
        ("stages", ["decode", "batch", "detect", "encode", "annotate"], "expected annotate before encode, got "),
    ],
)
def test_value_fails(key: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_job(None, [Override(key, value, "--option")])
    assert str(caught.value).startswith(f"--option: {expected}")


def test_a_job_can_be_pickled() -> None:
    job = load_job(None, ["detect.image_size=192x320", "encode.segment_s=10m", "sources=[a.mp4]"])
    assert pickle.loads(pickle.dumps(job)) == job


def test_end_before_start_fails() -> None:
    with pytest.raises(ConfigError, match=r"--end: expected an end after the start at 5 s, got 2"):
        load_job(None, ["decode.start_s=5", Override("decode.end_s", 2.0, "--end")])


def test_streams_side_by_side_and_long_clips_exclude_each_other() -> None:
    assert load_job(None, ["batch.max_streams=4"]).settings(BatchSettings).frames_per_clip is None
    with pytest.raises(ConfigError, match="expected 1, or frames_per_clip 1 as well, got 4"):
        load_job(None, ["batch.frames_per_clip=8", "batch.max_streams=4"])


def test_a_numbered_preset_is_a_name() -> None:
    assert load_job(None, ["encode.codec=av1", "encode.preset=8"]).settings(EncodeSettings).preset == "8"


@pytest.mark.parametrize(
    ("given", "seconds"), [("90", 90), ("1:30", 90), ("00:01:30", 90), ("1:00:00.5", 3600.5), (1.5, 1.5)]
)
def test_times_are_read_as_people_write_them(given, seconds):
    assert load_job(None, [Override("decode.start_s", given, "--start")]).settings(DecodeSettings).start_s == seconds


@pytest.mark.parametrize("given", ["1:2:3:4", "x", "1:-3", "", "1e3"])
def test_time_that_is_none_says_how_to_write_one(given):
    with pytest.raises(ConfigError, match="such as 90, 1:30 or 00:01:30"):
        load_job(None, [Override("decode.start_s", given, "--start")])
    assert load_job(None, ["encode.codec=av1", "encode.preset=8"]).settings(EncodeSettings).preset == "8"
