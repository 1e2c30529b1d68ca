"""`streamdet run` on real clips."""

import csv
import json
from pathlib import Path

import pytest

from streamdet.media.read.hwaccel import choose_device

LOW = ("--conf", "0.001")  # the model is untrained: this gives boxes


def read_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_everything_at_once(streamdet, clips, tiny_model, here, read_video):
    done = streamdet(
        *("run", clips / "walk.mp4", "--model", tiny_model, *LOW),
        *("--detections", "found.jsonl", "--report", "report.json", "--log-format", "json"),
    )
    assert done.status == 0
    assert sorted(path.name for path in here.iterdir()) == ["found.jsonl", "report.json", "walk.annotated.mp4"]
    assert done.stdout == ""
    said = read_lines(done.stderr)
    assert all({"time", "level", "message"} <= set(line) for line in said)
    assert {"walk.annotated.mp4", "found.jsonl"} <= {line.get("path") for line in said}

    source, written = read_video(clips / "walk.mp4"), read_video(here / "walk.annotated.mp4")
    assert written == source  # times, size, and the audio bit for bit

    first, *frames, last = read_lines((here / "found.jsonl").read_text())
    assert (first["type"], first["model"], first["classes"], first["sources"]) == (
        *("run", "tiny", ["person", "car"], ["walk"]),
    )
    assert [line["frame"] for line in frames] == list(range(30))
    assert any(line["detections"] for line in frames)
    assert last == {"type": "end", "source": "walk", "frames": 30, "dropped": 0}

    report = json.loads((here / "report.json").read_text())
    assert (report["exit_status"], report["frames"], report["dropped"], report["undecodable"]) == (0, 30, 0, 0)
    assert report["model"]["sha256"] == first["model_sha256"]
    names = [stage["name"] for stage in report["stages"]]
    assert names == ["decode", "batch", "detect", "track", "annotate", "encode", "record", "consumer"]
    assert report["bound_by"] in names
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"] <= report["latency_ms"]["p99"]
    assert report["fps"] == pytest.approx(report["frames"] / report["wall_s"], rel=0.01)
    assert [(output["kind"], output["path"], output["error"]) for output in report["outputs"]] == [
        ("video", "walk.annotated.mp4", None),
        ("detections", "found.jsonl", None),
    ]
    assert all(output["bytes"] > 0 for output in report["outputs"])
    assert report["failures"] == []


def test_a_table_beside_the_detections(streamdet, clips, tiny_model, here):
    done = streamdet(
        *("run", clips / "walk.mp4", clips / "fast.mp4", "--model", tiny_model, *LOW, "--no-video"),
        *("--max-frames", "6", "--detections", "out/", "--csv", "out/"),
    )
    assert (done.status, done.stdout) == (0, "")
    for name in ("walk", "fast"):
        with (here / "out" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        lines = read_lines((here / "out" / f"{name}.jsonl").read_text())
        found = [(line, box) for line in lines if line["type"] == "frame" for box in line["detections"]]
        assert len(found) > 0
        assert [
            (row["source"], int(row["frame"]), float(row["time_s"]), row["class"], float(row["score"])) for row in rows
        ] == [(name, line["frame"], line["time_s"], box["class"], box["score"]) for line, box in found]
        assert [[float(row[edge]) for edge in ("x1", "y1", "x2", "y2")] for row in rows] == [
            box["box"] for _, box in found
        ]
        assert [int(row["track"]) if row["track"] else None for row in rows] == [box["track"] for _, box in found]


def test_a_part_of_the_source(streamdet, clips, tiny_model, here, read_video):
    done = streamdet(
        *("run", clips / "fast.mp4", "--model", tiny_model, "-o", "part.mkv", "-q"),
        *("--start", "1", "--end", "3", "--stride", "2", "--max-frames", "20", "--audio", "drop"),
    )
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    part = read_video(here / "part.mkv")
    assert [float(time_s) for time_s in part.times_s] == pytest.approx([1 + 0.08 * n for n in range(20)], abs=0.001)
    assert part.audio == []


def test_many_files_are_counted_not_named(streamdet, clips, tiny_model, here):
    (here / "in").mkdir()
    for number in range(5):
        (here / "in" / f"{number}.mp4").write_bytes((clips / "walk.mp4").read_bytes())
    done = streamdet(
        *("run", "in", "--model", tiny_model, "-o", "out/", "--detections", "found/", "--max-frames", "1"),
    )
    assert done.status == 0
    assert done.stderr.splitlines()[-2:] == ["wrote 5 files into out", "wrote 5 files into found"]


def test_several_sources_with_a_broken_one(streamdet, clips, tiny_model, here, read_video):
    done = streamdet(
        *("run", clips / "walk.mp4", clips / "text.mp4", clips / "cut.mp4", "--model", tiny_model),
        *("-o", "videos/", "--detections", "boxes/", "--report", "report.json", "--progress"),
    )
    assert done.status == 1
    assert f"error: {clips / 'text.mp4'}: not a video" in done.stderr
    assert f"warning: {clips / 'cut.mp4'}: ends after " in done.stderr
    assert sorted(path.name for path in (here / "videos").iterdir()) == ["cut.annotated.mp4", "walk.annotated.mp4"]
    assert sorted(path.name for path in (here / "boxes").iterdir()) == ["cut.jsonl", "walk.jsonl"]
    assert len(read_video(here / "videos/walk.annotated.mp4").times_s) == 30
    report = json.loads((here / "report.json").read_text())
    sources = {source["name"]: source for source in report["sources"]}
    assert [failure["source"] for failure in report["failures"]] == ["text"]
    assert (sources["walk"]["frames"], sources["text"]["frames"], sources["text"]["ended"]) == (30, 0, True)
    assert sources["cut"]["frames"] == len(read_video(here / "videos/cut.annotated.mp4").times_s)


def test_side_by_side_gives_what_one_after_the_other_does(streamdet, clips, tiny_model, here, write_clip):
    write_clip(here / "other.mp4", 21)
    for name, streams in (("one", 1), ("both", 2)):
        done = streamdet(
            *("run", clips / "walk.mp4", "other.mp4", "--model", tiny_model, *LOW, "--no-video"),
            *("--detections", f"{name}/", "--set", "batch.frames_per_clip=1", "--set", f"batch.max_streams={streams}"),
        )
        assert done.status == 0, done.stderr
    for source in ("walk", "other"):
        one, both = (read_lines((here / name / f"{source}.jsonl").read_text()) for name in ("one", "both"))
        assert len(one) == len(both) > 20
        for expected, line in zip(one, both, strict=True):
            assert (line["type"], line.get("pts")) == (expected["type"], expected.get("pts"))
            assert len(line.get("detections", [])) == len(expected.get("detections", []))


def test_a_device_decodes_the_same_or_software_does_and_says_so_once(streamdet, clips, tiny_model, here):
    found = {}
    for device in ("none", "auto"):
        done = streamdet(
            *("run", clips / "walk.mp4", "--model", tiny_model, *LOW, "--no-video", "--detections", f"{device}.jsonl"),
            *("--set", f"decode.hwaccel={device}"),
        )
        assert done.status == 0
        found[device] = read_lines((here / f"{device}.jsonl").read_text())[1:]
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == (choose_device("auto") is None)
    assert len(found["none"]) == 31
    assert found["auto"] == found["none"]  # the standard of H.264 says to the bit what comes out of a decoder


def test_detections_to_standard_output(streamdet, clips, tiny_model, here):
    done = streamdet("run", clips / "walk.mp4", "--no-video", "--model", tiny_model, "--detections", "-")
    assert done.status == 0
    assert [line["type"] for line in read_lines(done.stdout)] == ["run", *["frame"] * 30, "end"]
    assert list(here.iterdir()) == []


def test_a_class_has_a_lowest_score_of_its_own(streamdet, clips, tiny_model, here):
    lowest = {}
    for conf in ("0.001", "0.001,person=0.9", "person=0.001"):
        done = streamdet(
            *("run", clips / "walk.mp4", "--no-video", "--no-track", "--model", tiny_model),
            *("--conf", conf, "--detections", "-", "--max-frames", "3"),
        )
        lines = read_lines(done.stdout)
        lowest[conf] = {box["class"] for line in lines if line["type"] == "frame" for box in line["detections"]}
    both, without_people, people = lowest.values()
    assert "person" in both
    assert (without_people, people) == ({"car"}, {"person"})


def test_video_to_standard_output(start, clips, tiny_model, here, read_video):
    process = start("run", clips / "walk.mp4", "--model", tiny_model, "-o", "-", "--csv", "found.csv", text=False)
    video, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    (here / "video.mkv").write_bytes(video)
    written, source = read_video(here / "video.mkv"), read_video(clips / "walk.mp4")
    assert (written.times_s, written.audio) == (source.times_s, source.audio)
    assert "30 frames in " in stderr.decode()


@pytest.mark.parametrize(("name", "first"), [("found.txt", "1,"), ("found.json", "[")])
def test_other_formats(streamdet, clips, tiny_model, here, name, first):
    done = streamdet("run", clips / "walk.mp4", "--no-video", "--model", tiny_model, *LOW, "--detections", name)
    assert done.status == 0
    assert (here / name).read_text().startswith(first)


def test_options_change_a_pipeline(streamdet, clips, tiny_model, here):
    (here / "job.yaml").write_text(
        f"sources: [{clips / 'walk.mp4'}]\n"
        "stages: [decode, batch, detect, record]\n"
        f"detect: {{model: {tiny_model}, conf: 0.9}}\n"
        "record: {path: found.jsonl}\n"
    )
    done = streamdet("run", "--pipeline", "job.yaml", *LOW, "--set", "decode.max_frames=5", "--classes", "car")
    assert done.status == 0
    frames = [line for line in read_lines((here / "found.jsonl").read_text()) if line["type"] == "frame"]
    assert len(frames) == 5
    assert {found["class"] for line in frames for found in line["detections"]} == {"car"}
    assert sorted(path.name for path in here.iterdir()) == ["found.jsonl", "job.yaml"]


def test_overwrite_replaces_what_is_there(streamdet, clips, tiny_model, here, read_video):
    (here / "out.mp4").write_text("old")
    arguments = ("run", clips / "walk.mp4", "-o", "out.mp4", "--model", tiny_model, "--overwrite")
    assert streamdet(*arguments).status == 0
    assert len(read_video(here / "out.mp4").times_s) == 30


def test_python_and_the_command_line_agree(streamdet, clips, tiny_model, here):
    import streamdet as package

    streamdet("run", clips / "walk.mp4", "--no-video", "--model", tiny_model, *LOW, "--detections", "found.jsonl")
    lines = [line for line in read_lines((here / "found.jsonl").read_text()) if line["type"] == "frame"]
    results = list(package.stream(clips / "walk.mp4", package.load(Path(tiny_model)), conf=0.001))
    assert [result.pts for result in results] == [line["pts"] for line in lines]
    for result, line in zip(results, lines, strict=True):
        assert result.detections.boxes.tolist() == [
            pytest.approx(found["box"], abs=0.01) for found in line["detections"]
        ]


def test_a_run_without_outputs_says_that_nothing_was_written(streamdet, clips, tiny_model, here):
    bare = ("run", clips / "walk.mp4", "--no-video", "--model", tiny_model, "--max-frames", "2")
    assert "nothing was written; name an output" in streamdet(*bare).stderr
    for output in (("--detections", "-"), ("--report", "report.json")):
        assert "nothing was written" not in streamdet(*bare, *output).stderr
