"""The manifests of deploy/ start commands that there are, with options that do what the manifest says."""

from pathlib import Path

import pytest
import yaml

from streamdet.cli import main

DEPLOY = Path(__file__).parents[2] / "deploy"


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def container(document):
    [only] = document["spec"]["template"]["spec"]["containers"]
    return only


def test_the_pods_of_the_job_do_all_files(streamdet, clips, tiny_model, tmp_path):
    [job] = documents("files.yaml")
    pods = job["spec"]["completions"]
    args = container(job)["args"]
    assert f"--shard=$(JOB_COMPLETION_INDEX)/{pods}" in args
    for number in range(3):
        path = tmp_path / f"in/{number}/walk.mp4"
        path.parent.mkdir(parents=True)
        path.write_bytes((clips / "walk.mp4").read_bytes())
    model = ["--model", str(tiny_model), "--max-frames", "4", "--no-progress", "--set", "encode.preset=ultrafast"]
    for index in range(pods):
        here = [arg.replace("$(JOB_COMPLETION_INDEX)", str(index)).replace("/videos", str(tmp_path)) for arg in args]
        assert streamdet(*here, *model).status == 0
    written = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {f"out/{n}/walk{ending}" for n in range(3) for ending in (".annotated.mp4", ".jsonl")}


def test_the_cameras_are_served_with_the_token_of_a_secret(capsys):
    deployment, claim, service = documents("cameras.yaml")
    pod = deployment["spec"]["template"]["spec"]
    command, *options = container(deployment)["args"]
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    for option in options[1:]:
        assert option.partition("=")[0] in said
    assert container(deployment)["env"][0]["name"] == "STREAMDET_TOKEN"
    assert pod["volumes"][1]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("name", ["files.yaml", "cameras.yaml"])
def test_pods_run_without_rights(name):
    document = documents(name)[0]
    pod = document["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container(document)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
