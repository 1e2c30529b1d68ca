"""What is compared: models and what is done with their memory."""

import pytest

from streamdet.cli.contenders import Contender, open_contender, parse_contender
from streamdet.errors import CheckpointError, ConfigError


@pytest.mark.parametrize(
    ("text", "model", "how"),
    [
        ("street", "street", ("carry", "auto")),
        ("street:reset", "street", ("reset", "auto")),
        ("street:int8", "street", ("carry", "int8")),
        ("street:reset:fp32", "street", ("reset", "fp32")),
        ("street:fp32:reset", "street", ("reset", "fp32")),
        ("runs/a.safetensors:shuffle", "runs/a.safetensors", ("shuffle", "auto")),
        ("C:/models/a.safetensors", "C:/models/a.safetensors", ("carry", "auto")),
        ("C:/models/a.safetensors:reset", "C:/models/a.safetensors", ("reset", "auto")),
    ],
)
def test_parts(text, model, how):
    assert parse_contender(text, "carry") == Contender(model, *how)


def test_label():
    assert Contender("runs/mine/a.safetensors", "reset").label == "a reset"
    assert Contender("a.safetensors", "carry", "int8").label == "a carry int8"


def test_a_file_with_a_colon_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:reset").touch()
    assert parse_contender("a:reset", "carry").model == "a:reset"


@pytest.mark.parametrize(
    ("text", "memory"), [("street:maybe", "carry"), ("street:maybe:int8", "carry"), ("street", "maybe")]
)
def test_parts_fail(text, memory):
    with pytest.raises(ConfigError, match="expected carry, reset, shuffle"):
        parse_contender(text, memory)


def test_a_checkpoint_that_is_none_fails(tmp_path):
    (tmp_path / "a.ckpt").write_text("no weights")
    with pytest.raises(CheckpointError, match=r"a\.ckpt"):
        open_contender(str(tmp_path / "a.ckpt"), "cpu")
