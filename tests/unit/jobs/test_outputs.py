"""Which files a run writes, and what stands in their way."""

from pathlib import Path

import pytest

from streamdet.errors import ConfigError
from streamdet.jobs.config import load_job
from streamdet.jobs.outputs import PlannedOutputs, check_files, plan_outputs
from streamdet.media.locations import SourceSpec
from streamdet.yaml_file import Override

ALL = ["decode", "batch", "detect", "encode", "record"]


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Plan in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def make(names=("a",), inputs=(), beside=(), sources=None, **settings) -> PlannedOutputs:
        values = {"stages": ALL, **{key.replace("__", "."): value for key, value in settings.items()}}
        config = load_job(None, [Override(key, value, key) for key, value in values.items()])
        specs = [SourceSpec(f"{name}.mp4", name, "file") for name in names] if sources is None else sources
        beside = [SourceSpec(f"{name}.mp4", name, "file") for name in beside]
        return plan_outputs(config, specs, [Path(path) for path in inputs], beside)

    return make


def targets(planned, stage):
    """Where a stage writes to, by source; what is shared, by None."""
    return {
        None if output.shared else name: str(output.target)
        for name, outputs in planned.of.items()
        for output in outputs
        if output.stage == stage
    }


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
    assert targets(outputs, "encode") == expected
    assert tuple(map(str, outputs.folders)) == folders


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        (None, None, "a.jsonl"),
        ("x.jsonl", None, "x.jsonl"),
        ("x.TXT", None, "x.TXT"),
        ("x.json", None, "x.json"),
        ("x.csv", "mot", "x.csv"),
        ("out/", "coco", "out/a.json"),
        (None, "mot", "a.txt"),
    ],
)
def test_detections(plan, path, form, expected):
    assert targets(plan(record__path=path, record__format=form), "record") == {"a": expected}


def test_standard_output(plan):
    outputs = plan(("a", "b"), record__path="-")
    assert targets(outputs, "record") == {None: "-"}


@pytest.mark.parametrize(
    ("path", "names", "expected"),
    [
        ("rtsp://me:pw@server/out", ("a",), {"a": "rtsp://me:pw@server/out"}),
        (
            "rtsps://me:pw@server:8554/out/?k=v",
            ("a", "b c"),
            {"a": "rtsps://me:pw@server:8554/out/a?k=v", "b c": "rtsps://me:pw@server:8554/out/b%20c?k=v"},
        ),
        ("live.m3u8", ("a",), {"a": "live.m3u8"}),
        ("live.m3u8", ("a", "b"), {"a": "live-a.m3u8", "b": "live-b.m3u8"}),
    ],
)
def test_live_videos(plan, path, names, expected):
    assert targets(plan(names, encode__path=path), "encode") == expected


@pytest.mark.parametrize("path", ["mqtt://me:pw@broker/events", "https://me:pw@server/hook?token=pw"])
def test_detections_that_are_sent(plan, path):
    outputs = plan(("a", "b"), record__path=path)
    assert targets(outputs, "record") == {None: path}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"encode__path": "srt://me:pw@server/x"}, r"output srt://server/x: expected rtsp:// or rtsps://"),
        ({"encode__path": "rtsp://me:pw@"}, r"output rtsp://: expected rtsp://host/path: no host"),
        ({"encode__path": "rtsp://me:pw@server/x", "encode__codec": "hevc"}, "server/x: codec hevc: expected h264"),
        ({"encode__path": "x.m3u8", "encode__codec": "av1"}, "x.m3u8: codec av1: expected h264"),
        ({"encode__path": "x.m3u8", "encode__segment_s": "10m"}, "x.m3u8: segments: expected a file"),
        ({"encode__path": "x.mp4", "encode__window_s": 60}, "window_s is for playlists"),
        ({"record__path": "ftp://me:pw@server/x"}, "detections to ftp://: expected mqtt://host/topic"),
        ({"record__path": "mqtt://me:pw@broker"}, "detections to mqtt://broker: expected mqtt://host/topic"),
        ({"record__path": "mqtt://me:pw@broker/all/#"}, "expected mqtt://host/topic"),
        ({"record__path": "mqtt://me:pw@broker:x/all"}, "expected mqtt://host/topic"),
        ({"record__path": "http://me:pw@/x"}, "detections to http:///x: expected http://host/path"),
        ({"record__path": "http://me:pw@h/x", "record__format": "coco"}, "http://h/x: expected the format jsonl"),
    ],
)
def test_addresses_that_are_wrong(plan, settings, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        plan(**settings)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("there", "settings"),
    [
        ("out.00h10m00s.mp4", {"encode__path": "out.mp4", "encode__segment_s": 60}),
        ("live-3.ts", {"encode__path": "live.m3u8"}),
    ],
)
def test_pieces_of_a_run_before_are_not_mixed_with_new_ones(plan, tmp_path, there, settings):
    (tmp_path / there).touch()
    with pytest.raises(ConfigError, match=f"{there} already exists"):
        plan(**settings)
    plan(**settings, overwrite=True)
    assert (tmp_path / there).exists()


def test_stages_that_do_not_run_write_nothing(plan):
    outputs = plan(stages=["decode", "batch", "detect"], encode__path="x.avi", record__path="y.csv")
    assert outputs.of == {"a": ()}


def test_all_mistakes_at_once(plan, tmp_path):
    (tmp_path / "r.json").touch()
    with pytest.raises(ConfigError) as caught:
        plan(encode__path="x.avi", encode__crf=99, record__path="-", record__format="mot", report="r.json")
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "crf 99",
        "x.avi",
        "detections to standard output",
        "output r.json already exists; choose another name, or replace it with --overwrite, or continue a run that "
        "was interrupted with --resume",
    ]


def _stills(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return [SourceSpec(str(folder / name), Path(name).stem, "images") for name in names]


def test_pictures_become_pictures(plan, tmp_path):
    one, other = _stills(tmp_path / "photos", "a.JPG", "b.pgm")
    folder = SourceSpec(str(tmp_path / "photos"), "photos", "images")
    assert targets(plan(sources=[one, other]), "encode") == {"a": "a.annotated.JPG", "b": "b.annotated.jpg"}
    outputs = plan(sources=[one, other], encode__path="out/")
    assert targets(outputs, "encode") == {"a": "out/a.JPG", "b": "out/b.jpg"}
    assert outputs.folders == (Path("out"),)
    assert targets(plan(sources=[one], encode__path="x.png"), "encode") == {"a": "x.png"}
    assert targets(plan(sources=[folder], encode__path="out/"), "encode") == {"photos": "out/"}
    assert targets(plan(sources=[folder, one], encode__path="out/"), "encode") == {
        "photos": "out/photos/",
        "a": "out/a.JPG",
    }


def test_pictures_become_a_video_where_that_is_asked_for_or_a_video_is_beside_them(plan, tmp_path):
    [one] = _stills(tmp_path / "photos", "a.jpg")
    folder = SourceSpec(str(tmp_path / "photos"), "photos", "images")
    video = SourceSpec("v.mp4", "v", "file")
    assert targets(plan(sources=[folder]), "encode") == {"photos": "photos.annotated.mp4"}
    assert targets(plan(sources=[one], encode__path="x.mkv"), "encode") == {"a": "x.mkv"}
    assert targets(plan(sources=[folder, video], encode__path="out/"), "encode") == {
        "photos": "out/photos.annotated.mp4",
        "v": "out/v.annotated.mp4",
    }


def test_pictures_are_not_replaced_unasked(plan, tmp_path):
    [one] = _stills(tmp_path / "photos", "a.jpg")
    folder = SourceSpec(str(tmp_path / "photos"), "photos", "images")
    _stills(tmp_path / "out", "a.jpg")
    for sources in ([one], [folder]):
        with pytest.raises(ConfigError, match=r"output out/a\.jpg already exists"):
            plan(sources=sources, encode__path="out")
        plan(sources=sources, encode__path="out", overwrite=True)
    with pytest.raises(ConfigError, match="its pictures would replace those that are read"):
        plan(sources=[folder], encode__path="photos", overwrite=True)


def test_one_picture_is_made_of_one(plan, tmp_path):
    _stills(tmp_path / "photos", "a.jpg", "b.jpg")
    folder = SourceSpec(str(tmp_path / "photos"), "photos", "images")
    with pytest.raises(ConfigError, match=r"output x\.jpg: 2 pictures need a folder; end its name with /"):
        plan(sources=[folder], encode__path="x.jpg")
    with pytest.raises(ConfigError, match=r"output x\.jpg: expected a video such as \.mp4, since a source is a video"):
        plan(encode__path="x.jpg")


def test_standard_output_takes_one_video_or_the_detections(plan):
    mixed = "standard output: video and detections would be mixed in it; expected one of them"
    with pytest.raises(ConfigError) as caught:
        plan(encode__path="-", record__path="-")
    assert str(caught.value) == mixed
    for settings, what in (({"names": ["a", "b"]}, "2 sources"), ({"encode__segment_s": 10}, "segments")):
        with pytest.raises(ConfigError, match=f"expected one source in one piece, got {what}; name a folder"):
            plan(encode__path="-", **settings)


def test_an_input_in_another_spelling_is_found(plan, tmp_path):
    (tmp_path / "in.mp4").touch()
    (tmp_path / "d").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match=r"output d/in\.mp4 is the input in\.mp4 itself"):
        plan(encode__path="d/in.mp4", overwrite=True, inputs=["in.mp4"])


def test_a_broken_link_is_there_already(tmp_path):
    (tmp_path / "x").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="already exists"):
        check_files([tmp_path / "x"], overwrite=False)
    check_files([tmp_path / "x"], overwrite=True)


def test_segments_are_beside_what_they_are_named_after(plan, tmp_path):
    (tmp_path / "street.mp4").touch()
    plan(encode__path="street.mp4", encode__segment_s=60, inputs=["street.mp4"])
    with pytest.raises(ConfigError, match=r"is the input street\.mp4 itself"):
        plan(encode__path="street.mp4", inputs=["street.mp4"])


def test_checking_leaves_no_trace(tmp_path):
    check_files([tmp_path / "x", tmp_path / "y"], overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_what_joins_gets_outputs_beside_those_at_work(plan, tmp_path):
    (tmp_path / "a.jsonl").touch()  # is being written
    outputs = plan(names=("b",), beside=("a",), record__path="./")
    assert targets(outputs, "encode") == {"b": "b.annotated.mp4"}
    assert targets(outputs, "record") == {"b": "b.jsonl"}


def test_what_joins_a_job_with_one_file_fails(plan):
    with pytest.raises(ConfigError, match=r"output one\.mp4: 2 sources need a folder"):
        plan(names=("b",), beside=("a",), encode__path="one.mp4")
