"""Subtitles of text as each container holds them: the same words in another wrapping."""

import re

TEXT_CODECS = frozenset({"ass", "mov_text", "subrip", "text", "webvtt"})

_OVERRIDES = re.compile(r"\{[^}]*\}")
_LARGEST = 2**16 - 1


def packed(data: bytes, codec: str, target: str) -> bytes:
    """A subtitle of one codec as another one holds it; styles that are not in its text are left out.

    Args:
        data: of the packet.
        codec: ass, mov_text, subrip, text or webvtt.
        target: mov_text, subrip or webvtt.

    Source: ETSI TS 126 245, 5.17 (mov_text: length and text, then styles); Matroska's mapping of ASS, where the text is
    the last of nine fields.
    """
    text = data
    if codec == "mov_text":
        text = data[2 : 2 + int.from_bytes(data[:2])]
    elif codec == "ass":
        words = data.split(b",", 8)[-1].decode("utf-8", "replace")
        text = _OVERRIDES.sub("", words).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ").encode()
    if target == "mov_text":
        text = text[:_LARGEST]
        return len(text).to_bytes(2) + text
    return text
