"""`streamdet cluster` where nothing is started: mistakes are told, and passwords are not."""

import pytest

from streamdet.cli import main

CAMERA = "rtsp://user:s3cret@camera/a"


@pytest.fixture
def cluster(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STREAMDET_TOKEN", raising=False)

    def run(*words):
        capfd.readouterr()
        status = main(["cluster", *words])
        said = capfd.readouterr()
        return status, said.out + said.err

    return run


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cameras.yaml: expected a YAML file"),
        ("detect: {conf: 0.5}", "expected cameras in the list sources"),
        (f"sources: [{CAMERA}]\ncluster: {{need: 1}}", "did you mean needs?"),
        (f"sources: [{CAMERA}]\ncluster: {{needs: {{camera-a: north}}}}", "expected a label key=value"),
        (f"sources: [{CAMERA}]\ncluster: {{max_dropped: 0}}", "cluster.max_dropped: expected more than 0, got 0"),
        (f"source: [{CAMERA}]", "did you mean sources?"),
    ],
)
def test_a_wrong_file_is_refused(cluster, tmp_path, text, said):
    pytest.importorskip("ray")
    if text is not None:
        (tmp_path / "cameras.yaml").write_text(text)
    status, output = cluster("serve", "cameras.yaml")
    assert status == 2
    assert said in output
    assert "s3cret" not in output


def test_an_open_address_needs_a_token(cluster, tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "cameras.yaml").write_text(f"sources: [{CAMERA}]")
    status, output = cluster("serve", "cameras.yaml", "--host", "0.0.0.0")
    assert (status, "expected a --token" in output) == (2, True)


@pytest.mark.parametrize("words", [("status",), ("add", CAMERA), ("remove", "gate"), ("move", "gate", "m1")])
def test_without_a_driver_that_is_said(cluster, tmp_path, words):
    status, output = cluster(*words)
    assert (status, "no token of cluster serve there" in output) == (2, True)
    (tmp_path / "streamdet-data").mkdir()
    (tmp_path / "streamdet-data/token").write_text("0123456789abcdef")
    status, output = cluster(*words, "--url", "http://127.0.0.1:9")
    assert (status, "does not answer there" in output) == (1, True)
    assert "s3cret" not in output
    assert "0123456789abcdef" not in output
    for url in ("127.0.0.1:8765", "ftp://127.0.0.1", "http://me:s3cret@127.0.0.1"):
        status, output = cluster(*words, "--url", url)
        assert (status, "expected http://host:port" in output) == (2, True)
        assert "s3cret" not in output
