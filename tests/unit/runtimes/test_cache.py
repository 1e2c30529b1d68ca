import os

from streamdet.runtimes.cache import cache_folder, keep_newest, write_whole


def test_folder_is_made_in_the_users_cache(cache):
    assert cache_folder("things") == cache / "things"
    assert (cache / "things").is_dir()


def test_folder_in_a_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("things") == tmp_path / ".cache" / "streamdet" / "things"


def test_no_folder_where_none_can_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder("things") is None


def test_writing_replaces_and_never_fails(tmp_path):
    path = tmp_path / "x.json"
    for text in ("one", "two"):
        write_whole(path, text)
        assert path.read_text() == text
    write_whole(tmp_path / "none" / "x.json", "three")
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]


def test_only_the_newest_are_kept(tmp_path):
    for age in range(5):
        path = tmp_path / f"{age}.blob"
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "other.txt").touch()
    keep_newest(tmp_path, "*.blob", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.blob", "1.blob", "other.txt"]
    keep_newest(tmp_path, "*.blob", 2)
    assert len(list(tmp_path.glob("*.blob"))) == 2
