from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdet.errors import ConfigError, SourceOpenError
from streamdet.media.live.kind import is_live
from streamdet.media.locations import expand_sources, list_images, redact


@pytest.fixture
def folder(tmp_path):
    for name in ["b10.mp4", "b2.MP4", "b1.mkv", "f10.png", "f9.JPG", "notes.txt", ".hidden.mp4"]:
        (tmp_path / name).touch()
    return tmp_path


def names(arguments):
    return [spec.name for spec in expand_sources(list(map(str, arguments)))]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:p4ss@cam/x", "rtsp://cam/x"),
        ("rtsp://user@cam:554/x", "rtsp://cam:554/x"),
        ("rtsp://user:p@ss@cam/x", "rtsp://cam/x"),
        ("rtsp://user:p/a?s#s@cam/x", "rtsp://cam/x"),
        ("rtsp://user:/slash@cam/x", "rtsp://cam/x"),
        ("RTSP://u:p@[fe80::1]:554/x", "RTSP://[fe80::1]:554/x"),
        ("rtsp://cam:554/axis@2", "rtsp://cam:554/axis@2"),
        ("http://cam/v.cgi?user=admin&pwd=geheim&res=1", "http://cam/v.cgi?user=***&pwd=***&res=1"),
        ("rtsp://cam/user=admin&password=geheim&channel=1", "rtsp://cam/user=***&password=***&channel=1"),
        ("https://cdn/a.mp4?token=abc", "https://cdn/a.mp4?token=***"),
        (
            "https://b.s3/a.mp4?X-Amz-Credential=AKIA%2F1&X-Amz-Expires=60&X-Amz-Signature=abc",
            "https://b.s3/a.mp4?X-Amz-Credential=***&X-Amz-Expires=60&X-Amz-Signature=***",
        ),
        ("a 'rtsp://u:p@h/x', then 'http://u:p@h/y'", "a 'rtsp://h/x', then 'http://h/y'"),
        ("mail me@example.org, clip.mp4, 12:30", "mail me@example.org, clip.mp4, 12:30"),
    ],
)
def test_credentials_are_removed(text, shown):
    assert redact(text) == shown
    assert redact(shown) == shown


@given(
    user=st.text(st.characters(categories=["L", "N"]), min_size=1),
    password=st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    around=st.sampled_from(["{}", "cannot open {}: refused", "'{}'"]),
)
def test_no_password_is_shown(user, password, around):
    secret = f"#{password}#"
    text = around.format(f"rtsp://{user}:{secret}@camera.example/live")
    assert redact(text) == around.format("rtsp://camera.example/live")


def test_a_file_is_one_source(folder):
    [spec] = expand_sources([str(folder / "b10.mp4")])
    assert (spec.location, spec.name, spec.kind) == (str(folder / "b10.mp4"), "b10", "file")
    [image] = expand_sources([str(folder / "f9.JPG")])
    assert image.kind == "images"


def test_a_folder_gives_its_videos_one_by_one_and_its_images_together(folder):
    specs = expand_sources([str(folder)])
    assert [(spec.name, spec.kind) for spec in specs] == [
        ("b1", "file"),
        ("b2", "file"),
        ("b10", "file"),
        (folder.name, "images"),
    ]
    assert [path.name for path in list_images(specs[-1].location)] == ["f9.JPG", "f10.png"]


def test_a_glob_gives_what_it_matches(folder):
    assert names([folder / "b*.*"]) == ["b1", "b2", "b10"]
    [images] = expand_sources([str(folder / "*.png")])
    assert (images.name, images.kind) == (folder.name, "images")
    assert [path.name for path in list_images(images.location)] == ["f10.png"]


def test_a_file_with_magic_characters_is_that_file(tmp_path):
    (tmp_path / "a[1].mp4").touch()
    assert names([tmp_path / "a[1].mp4"]) == ["a[1]"]


def test_a_list_holds_sources(folder):
    (folder / "list.txt").write_text("# cameras\n\nb2.MP4\n  rtsp://u:p@cam1/live \n0\n")
    specs = expand_sources([f"@{folder / 'list.txt'}"])
    assert [(spec.location, spec.name) for spec in specs] == [
        (str(folder / "b2.MP4"), "b2"),
        ("rtsp://u:p@cam1/live", "cam1-live"),
        ("0", "camera-0"),
    ]
    assert [spec.shown for spec in specs[1:]] == ["rtsp://cam1/live", "camera 0"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://u:p@host/films/clip.mp4?token=x", "clip"),
        ("rtsp://u:p@10.0.0.7:554/Streaming/Channels/101?token=x", "10.0.0.7-Streaming-Channels-101"),
        ("rtmp://host", "host"),
    ],
)
def test_names_of_urls_hold_no_secret(url, name):
    assert names([url]) == [name]


def test_names_are_unique(folder):
    other = folder / "sub"
    other.mkdir()
    (other / "b10.mp4").touch()
    (other / "b10-2.mp4").touch()
    assert names([folder / "b10.mp4", other, folder / "b10.mp4"]) == ["b10", "b10-2", "b10-3", "b10-4"]


def test_file_urls_are_files(folder):
    assert names([f"file://{folder}/b10.mp4"]) == ["b10"]


@pytest.mark.parametrize(
    ("argument", "error", "says"),
    [
        ("missing.mp4", SourceOpenError, "no such file or folder"),
        ("*.xyz", ConfigError, "matches no videos or images"),
        ("empty", ConfigError, "holds no videos or images"),
        ("@missing.txt", SourceOpenError, "cannot read this list of sources"),
        ("@nothing.txt", ConfigError, "names no sources"),
        ("@nested.txt", ConfigError, "a list cannot hold another list"),
        ("gopher://u:p@host/x", ConfigError, "unknown scheme gopher"),
    ],
)
def test_what_does_not_exist_fails(tmp_path, monkeypatch, argument, error, says):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("nothing.txt").write_text("# nothing\n")
    Path("nested.txt").write_text("@nothing.txt\n")
    with pytest.raises(error, match=says) as caught:
        expand_sources([argument])
    assert "\n" not in str(caught.value)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["rtsp://admin:a@b:c/d?e#f@cam.local:554/x", "rtsp://admin:pa/ss@cam.local/x", "rtsp://u:p#q@cam.local/x"]
)
def test_password_that_breaks_an_address_says_how_to_write_it(url):
    with pytest.raises(ConfigError, match=r"write @ : / \? # as %40 %3A %2F %3F %23") as caught:
        expand_sources([url])
    assert "admin" not in str(caught.value)


@pytest.mark.parametrize("url", ["rtsp://admin:a%40b%2F@cam/x", "rtsp://cam:554/x@y", "http://[::1]:80/a.mp4?t=a@b:c"])
def test_address_that_is_right_passes(url):
    assert expand_sources([url])[0].location == url


@pytest.mark.parametrize("url", ["https://www.youtube.com/watch?v=x", "https://youtu.be/x", "http://m.twitch.tv/x"])
def test_page_about_a_video_says_what_to_do(url):
    with pytest.raises(ConfigError, match="is a web page, not a video; download it first"):
        expand_sources([url])


@pytest.mark.parametrize("url", ["udp://0.0.0.0:5000", "srt://cam.local:7001", "tcp://cam.local:9000"])
def test_streams_without_a_server_are_live(url):
    [spec] = expand_sources([url])
    assert spec.kind == "network"
    assert is_live(spec)


def test_device_file_is_a_camera_and_a_dash_standard_input():
    [device, dash] = expand_sources(["/dev/video3", "-"])
    assert (device.kind, device.location, device.shown) == ("camera", "3", "camera 3")
    assert (dash.kind, dash.name) == ("file", "stdin")


def test_names_with_brackets_are_names(tmp_path):
    folder = tmp_path / "cam[1]"
    folder.mkdir()
    for name in ("a[::1].mp4", "b.dav"):
        (folder / name).touch()
    specs = expand_sources([str(folder / "a[::1].mp4"), str(folder)])
    assert [spec.name for spec in specs] == ["a[::1]", "a[::1]-2", "b"]
    assert [spec.name for spec in expand_sources([str(folder / "*.dav")])] == ["b"]


@pytest.mark.parametrize("ending", ["264", "265", "dav", "dv", "heic", "avif", "apng"])
def test_folder_shows_what_cameras_and_phones_write(tmp_path, ending):
    (tmp_path / f"a.{ending}").touch()
    assert [spec.kind for spec in expand_sources([str(tmp_path)])] == ["file"]


def test_glob_over_folders_names_videos_by_their_path_below_it(tmp_path):
    for name in ("a.mp4", "x/a.mp4", "x/y/a.v2.mp4"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    assert names([tmp_path / "in/**/*.mp4"]) == ["a", "x/a", "x/y/a.v2"]
    assert names([tmp_path / "in/*/a.mp4"]) == ["x/a"]
