"""Which files a run writes, and what stands in their way."""

from pathlib import Path

import pytest

from streamdet.cli.outputs import Outputs, check_files, plan_outputs
from streamdet.config import PipelineConfig
from streamdet.errors import ConfigError
from streamdet.yaml_file import Override, load_yaml

ALL = ["decode", "batch", "detect", "encode", "record"]


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Plan in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def make(names=("a",), inputs=(), **settings) -> Outputs:
        values = {"stages": ALL, **{key.replace("__", "."): value for key, value in settings.items()}}
        config = load_yaml(None, PipelineConfig, [Override(key, value, key) for key, value in values.items()])
        return plan_outputs(config, list(names), [Path(path) for path in inputs])

    return make


def texts(files):
    return {name: str(path) for name, path in files.items()}


@pytest.mark.parametrize(
    ("path", "names", "expected", "folders"),
    [
        (None, ("a", "b"), {"a": "a.annotated.mp4", "b": "b.annotated.mp4"}, ()),
        ("x.mkv", ("a",), {"a": "x.mkv"}, ()),
        ("out", ("a",), {"a": "out/a.annotated.mp4"}, ("out",)),
        ("out/", ("a", "b"), {"a": "out/a.annotated.mp4", "b": "out/b.annotated.mp4"}, ("out",)),
        ("out.v2/", ("a",), {"a": "out.v2/a.annotated.mp4"}, ("out.v2",)),
        ("there.d", ("a",), {"a": "there.d/a.annotated.mp4"}, ()),
    ],
)
def test_videos(plan, tmp_path, path, names, expected, folders):
    (tmp_path / "there.d").mkdir()
    outputs = plan(names, encode__path=path)
    assert texts(outputs.videos) == expected
    assert tuple(map(str, outputs.folders)) == folders
    outputs.make_folders()
    assert all(output.parent.is_dir() for output in outputs.videos.values())


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        (None, None, ("a.jsonl", "jsonl")),
        ("x.jsonl", None, ("x.jsonl", "jsonl")),
        ("x.TXT", None, ("x.TXT", "mot")),
        ("x.json", None, ("x.json", "coco")),
        ("x.csv", "mot", ("x.csv", "mot")),
        ("out/", "coco", ("out/a.json", "coco")),
        (None, "mot", ("a.txt", "mot")),
    ],
)
def test_detections(plan, path, form, expected):
    outputs = plan(record__path=path, record__format=form)
    assert (str(outputs.detections["a"]), outputs.form) == expected


def test_standard_output(plan):
    outputs = plan(("a", "b"), record__path="-")
    assert (outputs.stdout, outputs.detections, outputs.form) == (True, {}, "jsonl")


def test_stages_that_do_not_run_write_nothing(plan):
    outputs = plan(stages=["decode", "batch", "detect"], encode__path="x.avi", record__path="y.csv")
    assert (outputs.paths(), outputs.form) == ([], None)


def test_all_mistakes_at_once(plan, tmp_path):
    (tmp_path / "r.json").touch()
    with pytest.raises(ConfigError) as caught:
        plan(encode__path="x.avi", encode__crf=99, record__path="-", record__format="mot", report="r.json")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "crf 99",
        "x.avi",
        "detections to standard output",
        "output r.json is there already; choose another name, or replace it with --overwrite",
    ]


def test_an_input_in_another_spelling_is_found(plan, tmp_path):
    (tmp_path / "in.mp4").touch()
    (tmp_path / "d").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match=r"output d/in\.mp4 is the input in\.mp4 itself"):
        plan(encode__path="d/in.mp4", overwrite=True, inputs=["in.mp4"])


def test_a_broken_link_is_there_already(tmp_path):
    (tmp_path / "x").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is there already"):
        check_files([tmp_path / "x"], overwrite=False)
    check_files([tmp_path / "x"], overwrite=True)


def test_checking_leaves_no_trace(tmp_path):
    check_files([tmp_path / "x", tmp_path / "y"], overwrite=False)
    assert list(tmp_path.iterdir()) == []
