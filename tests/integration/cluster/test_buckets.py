"""Files in buckets, over real HTTP: what is read and written is what a plain run reads and writes."""

import json
import threading
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamdet.cluster import storage

pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")

SECRET = "wJalrXUtnFEMIK7MDENG"


class SilentHandler(SimpleHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *said):
        pass


@pytest.fixture
def bucket(monkeypatch):
    """The file system of an S3 server of its own, with an empty bucket `b`."""
    import s3fs

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("bucket")
    yield system
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def _found(system, folder):
    system.invalidate_cache()
    return {key.removeprefix(f"{folder}/"): system.cat_file(key) for key in system.find(folder)}


def test_from_bucket_to_bucket_as_a_plain_run_does_it(streamdet, bucket, clips, settings, whole):
    bucket.put(f"{clips}/", "bucket/in/", recursive=True)
    job = ["run", "s3://bucket/in/**/*.mp4", "-o", "s3://bucket/out/", "--detections", "s3://bucket/out/", *settings]
    status, said = streamdet(*job, "--report", "s3://bucket/report.json")
    assert status == 0, said
    assert _found(bucket, "bucket/out") == whole
    report = json.loads(bucket.cat_file("bucket/report.json"))
    assert (report["files_done"], report["frames"], report["failures"]) == (3, 36, [])
    assert report["sources"][0]["location"] == "s3://bucket/in/a.mp4"
    status, said = streamdet(*job)
    assert status == 2
    assert "already exists" in said
    status, said = streamdet(*job, "--resume")
    assert status == 0
    assert "3 files were complete already" in said


def test_what_fails_in_a_bucket_names_the_address_and_no_secret(streamdet, bucket, clips, settings):
    bucket.put(f"{clips}/a.mp4", "bucket/in/a.mp4")
    bucket.pipe_file("bucket/in/broken.mp4", b"this is no video" * 100)
    status, said = streamdet(
        "run", "s3://bucket/in/", "-v", "--no-video", "--detections", "s3://bucket/out/", *settings
    )
    assert status == 1
    assert "s3://bucket/in/broken.mp4: not a video" in said
    assert SECRET not in said
    assert "a.jsonl" in _found(bucket, "bucket/out")
    bucket.put(f"{clips}/a.mp4", "bucket/in/broken.mp4")
    bucket.invalidate_cache()
    status, said = streamdet(
        "run", "s3://bucket/in/", "--resume", "--no-video", "--detections", "s3://bucket/out/", *settings
    )
    assert status == 0, said
    assert set(_found(bucket, "bucket/out")) == {"a.jsonl", "broken.jsonl"}


def test_a_bucket_that_is_not_there_is_a_mistake_of_one_line(streamdet, bucket):
    status, said = streamdet("run", "s3://none/in/*.mp4", "--detections", "s3://bucket/out/")
    assert status == 2
    assert said.startswith("error: s3://none/in/*.mp4:")
    assert len(said.splitlines()) == 1


def test_only_one_of_two_creates(bucket):
    made = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(storage.create("s3://bucket/claim", str(n).encode())))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]


def test_folder_of_a_web_server(streamdet, clips, settings, whole, tmp_path, files_of):
    handler = partial(SilentHandler, directory=str(clips))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        status, said = streamdet("run", address, "-o", "web/", "--detections", "web/", *settings)
        server.shutdown()
    assert status == 0, said
    assert files_of(tmp_path / "web") == {name: data for name, data in whole.items() if "/" not in name}
