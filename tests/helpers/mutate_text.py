"""Mutations of text files: values that no honest file has, pieces that are missing or there twice, damaged bytes."""

import random
import re

NUMBERS = (b"0", b"-1", b"1e400", b"-1e308", b"NaN", b"Infinity", b"4294967296", b"9" * 30, b"9" * 5000, b"0x10")
VALUES = (b"null", b"true", b"[]", b"{}", b'"x"', b'""', b"[[[1]]]", b'{"a": {"b": [1, 2]}}', b"~", b"*a", b"&a [1]")
TEXTS = (b"../../../etc/passwd", b"/etc/passwd", b"\x00", b"\xff\xfe", "e\u0301\u202e".encode(), b"a" * 5000, b"%s%n")
# What runs code where a parser builds whatever a file asks for; the mark is looked for afterwards.
ATTACKS = (
    b"!!python/object/apply:pathlib.Path.touch [hacked]",
    b"!!python/object/apply:os.system ['touch hacked']",
    b"__import__('pathlib').Path('hacked').touch()",
    b"$(touch hacked)",
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    b"<<: {a: 1}",
)


def mutated_text(original: bytes, rng: random.Random) -> bytes:
    """Change a text file in one to three ways; `rng` decides which."""
    data = original
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice((_number, _number, _value, _text, _slice, _bytes, _attack, _nest))(data, rng)
    return data


def _replace_match(data: bytes, pattern: bytes, replacement: bytes, rng: random.Random) -> bytes:
    matches = list(re.finditer(pattern, data))
    if not matches:
        return data
    match = rng.choice(matches)
    return data[: match.start()] + replacement + data[match.end() :]


def _number(data: bytes, rng: random.Random) -> bytes:
    return _replace_match(data, rb"-?\d+(\.\d+)?", rng.choice(NUMBERS), rng)


def _value(data: bytes, rng: random.Random) -> bytes:
    return _replace_match(data, rb'"[^"]*"|\d+|\w+', rng.choice(VALUES), rng)


def _text(data: bytes, rng: random.Random) -> bytes:
    return _replace_match(data, rb"[A-Za-z_][\w.]*", rng.choice(TEXTS), rng)


def _attack(data: bytes, rng: random.Random) -> bytes:
    return _replace_match(data, rb'"[^"]*"|[A-Za-z0-9_.]+', rng.choice(ATTACKS), rng)


def _slice(data: bytes, rng: random.Random) -> bytes:
    """A piece is missing, or comes twice."""
    begin = rng.randrange(len(data) + 1)
    end = begin + rng.choice((1, 3, 20, 200))
    return data[:begin] + data[begin:end] * rng.choice((0, 2)) + data[end:]


def _bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 4, 16))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.getrandbits(8)
    return bytes(changed)


def _nest(data: bytes, rng: random.Random) -> bytes:
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"{a: ", b"}")))
    depth = rng.choice((10, 1000, 20_000))
    return _replace_match(data, rb'"[^"]*"|\d+', opened * depth + b"1" + closed * depth, rng)
