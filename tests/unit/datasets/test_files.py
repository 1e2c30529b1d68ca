import os

import pytest
from pydantic import BaseModel

from streamdet.datasets import files
from streamdet.datasets.files import Box, read_json, read_lines, read_number_rows, read_xml, read_yaml
from streamdet.errors import ConfigError

BOMB = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
OTHER_FILE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


class Row(BaseModel):
    bbox: Box


class Rows(BaseModel):
    rows: list[Row]


def test_json_names_file_and_record(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"rows": [{"bbox": [1, 2, 3, 4]}, {"bbox": [1, 2, 3]}]}')
    with pytest.raises(ConfigError, match=r"a\.json: rows\.1\.bbox\.3: Field required"):
        read_json(path, Rows)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"rows": [{"bbox": [1, 2, 3, NaN]}]}', b'{"rows": ' + b"[" * 100_000]
)
def test_json_that_is_broken_fails(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.json: "):
        read_json(path, Rows)


@pytest.mark.parametrize("content", [BOMB, OTHER_FILE, "<!DOCTYPE a><a/>"])
def test_xml_with_a_document_type_is_refused(tmp_path, content):
    path = tmp_path / "a.xml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"a\.xml: has a document type"):
        read_xml(path)


@pytest.mark.parametrize("content", ["", "<a>", "<a>&b;</a>", '<?xml version="1.0" encoding="no-such"?><a/>'])
def test_xml_that_is_broken_fails(tmp_path, content):
    path = tmp_path / "a.xml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"a\.xml: not well-formed"):
        read_xml(path)


def test_deeply_nested_xml_is_read(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<a>" * 50_000 + "</a>" * 50_000)
    assert read_xml(path).tag == "a"


@pytest.mark.parametrize(
    "content",
    [
        "rows: !!python/object/apply:os.system ['touch harmed']",
        "rows: [",
        "rows: &a [*a]",
        "rows: " + "[" * 5000,
        "{? {} : 1}",
        "rows: 2001-99-99",
        "\x00",
    ],
)
def test_yaml_builds_nothing_but_plain_values(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"a\.yaml: "):
        read_yaml(path, Rows)
    assert os.listdir(tmp_path) == ["a.yaml"]


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 2 << 20)
    path = tmp_path / "a.json"
    path.write_bytes(b" " * ((2 << 20) + 1))
    with pytest.raises(ConfigError, match=r"a\.json: larger than 2 MiB"):
        read_json(path, Rows)


def test_a_missing_file_fails(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.json: cannot be read: No such file"):
        read_json(tmp_path / "a.json", Rows)


def test_rows_of_numbers_keep_their_line_numbers(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("\ufeff1,2,3\r\n\r\n4, 5,6,\r\n")
    assert list(read_number_rows(path, ",", 3)) == [(f"{path}: line 1", [1, 2, 3]), (f"{path}: line 3", [4, 5, 6])]


@pytest.mark.parametrize("line", ["1,2", "1,2,x", "1,2,nan", "1,2,inf"])
def test_a_row_that_is_no_row_of_numbers_fails(tmp_path, line):
    path = tmp_path / "gt.txt"
    path.write_text(f"1,2,3\n{line}\n")
    with pytest.raises(ConfigError, match=r"gt\.txt: line 2: expected"):
        list(read_number_rows(path, ",", 3))


def test_text_that_is_not_utf8_fails(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_bytes(b"1,2\xff")
    with pytest.raises(ConfigError, match="0xff"):
        read_lines(path)
